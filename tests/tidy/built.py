"""Checks that need a compiler, or what a build left behind."""

import glob
import os
import re
import subprocess
import sys

from sources import TOP, files

sys.path.insert(0, os.path.join(TOP, "tests", "abi"))

import symbols  # noqa: E402

# How a program of another compiler, language or standard sees the public headers.
LANGUAGES = [(compiler, language, standard)
             for compilers, language, standards in ((("gcc", "clang"), "c", ("c11",)),
                                                    (("g++", "clang++"), "c++", ("c++11", "c++20")))
             for compiler in compilers for standard in standards]


def public_headers(_build):
    """Each public header compiles alone, as C11, C++11 and C++20, with gcc and clang, and no compiler pads a struct."""
    for header in files(".h", under="include"):
        name = os.path.relpath(header, "include")
        for compiler, language, standard in LANGUAGES:
            done = subprocess.run([compiler, f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Wpadded", "-Werror",
                                   "-Iinclude", "-fsyntax-only", "-x", language, "-"], cwd=TOP,
                                  input=f"#include <{name}>\n", stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                yield f"{header} with {compiler} -std={standard}: {done.stderr.splitlines()[0]}"


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", library], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line.split()[-1].split("@")[0] for line in out.splitlines() if line.split()[-2] not in "Aa"]


def module_symbols(build):
    """A module exports its entry and imports the C library alone: tests/abi/symbols.txt lists it by name."""
    modules, known = symbols.built(build), symbols.listed()
    if not glob.glob(os.path.join(build, "lib", "wherry", "modules", "*.so")):
        yield f"no modules in {build}: build first"
    for name, path in modules.items():
        yield from symbols.faults(name, path, known)
        if "/" not in name and symbols.exports(path) != {symbols.ENTRY}:
            yield f"{name} does not export {symbols.ENTRY} and nothing else"


def frozen_abi(_build):
    """The ABI is what it was frozen as: tests/abi/freeze."""
    done = subprocess.run([os.path.join(TOP, "tests", "abi", "freeze"), "--check"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        yield from done.stdout.splitlines()


def library_symbols(build):
    """The libraries export wherry_* and nothing else."""
    libraries = [path for name in ("libwherry-broker.so", "libwherry.so")
                 for path in glob.glob(os.path.join(build, "lib", name))]
    if len(libraries) < 2:
        yield f"not both libraries are in {build}: build first"
    for library in libraries:
        symbols = exported(library)
        if not symbols:
            yield f"{os.path.basename(library)} exports nothing"
        for symbol in symbols:
            if not re.match(r"wherry_", symbol):
                yield f"{os.path.basename(library)} exports {symbol}"


CHECKS = [public_headers, frozen_abi, module_symbols, library_symbols]
