"""The project's own files, and C as far as the checks need to understand it."""

import os
import re

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SKIPPED = {".git", "build", "__pycache__"}


def files(*suffixes, under=""):
    """Relative paths of all files, sorted; with suffixes only those that end so."""
    found = []
    for folder, folders, names in os.walk(os.path.join(TOP, under)):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in names:
            if not suffixes or name.endswith(suffixes):
                found.append(os.path.relpath(os.path.join(folder, name), TOP))
    return sorted(found)


def text(path):
    with open(os.path.join(TOP, path), encoding="utf-8", errors="replace") as source:
        return source.read()


def is_script(path, *interpreters):
    with open(os.path.join(TOP, path), "rb") as source:
        line = source.readline(100)
    return line.startswith(b"#!") and any(name.encode() in line for name in interpreters)


_INERT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)


def _blank(match):
    return "".join(c if c == "\n" else " " for c in match.group())


def code(source):
    """The source with comments, literals and preprocessor lines blanked, line for line."""
    return _DIRECTIVE.sub(_blank, _INERT.sub(_blank, source))


_NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")


def functions(source):
    """(name, first line, number of lines) of each function definition, from its name to its closing brace."""
    blanked = re.sub(r"extern\s+\{", lambda m: " " * len(m.group()), code(source))
    depth, start, head = 0, 0, ""
    line, begun = 1, 1
    for at, c in enumerate(blanked):
        if c == "\n":
            line += 1
        elif c == "{":
            if depth == 0:
                head = blanked[start:at]
                begun = line - len(head.lstrip().splitlines()) + 1
            depth += 1
        elif c == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                name = _NAME.search(head)
                if name and head.rstrip().endswith(")"):
                    yield name.group(1), begun, line - begun + 1
                start = at + 1
        elif c == ";" and depth == 0:
            start = at + 1
