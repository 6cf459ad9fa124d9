"""The package's version, readable without what the package needs."""

VERSION = "0.1.0"
