"""Checks that only read the sources.  Each is a generator of what is wrong; what is worth showing is printed."""

import os
import re
import shutil
import statistics
import subprocess

from sources import TOP, code, files, functions, is_script, text

# What the files of a folder of broker/ may include besides their own: base <- codec <- bus, base <- store, all <- run <- wire,
# module <- builtin, conformance.
LAYERS = {
    "base": {"base"},
    "codec": {"base", "codec"},
    "store": {"base", "store"},
    "bus": {"base", "codec", "bus"},
    "run": {"base", "codec", "store", "bus", "run"},
    "wire": {"base", "codec", "store", "bus", "run", "wire"},
    "module": {"base", "codec", "store", "bus", "run", "module"},
    "conformance": {"base", "codec", "store", "bus", "run", "module", "conformance"},
}

# The one place in broker/ for each library.  NNG's is behind the seam of wire/stream.h.
HOMES = {
    r"nng/": r"wire/\w+_nng\.[ch]",
    r"sodium(\.h|/)": r"base/hash\.c",
    r"msgpack(\.h|/)": r"codec/pack\.c",
    r"confuse\.h": r"config\w*\.c",
}

# Deprecated in NNG 1.11 or gone in 2.0 where there was a better way already in 1.5.
NNG_DEPRECATED = re.compile(
    r"\bnng_(?:getopt\w*|setopt\w*|\w+_getopt\w*|\w+_setopt\w*|closeall|msg_getopt|msg_insert|\w+_register"
    r"|socket_[gs]et)\s*\(|\bNNG_FLAG_ALLOC\b|\bNNG_OPT_SUB_SUBSCRIBE\b"
    r"|\bnng_(?:req|rep|pair|pub|sub|push|pull|bus|surveyor|respondent)_open\s*\(")

LONGEST_FILE, LONGEST_FUNCTION = 600, 80

_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def includes(path):
    return [name for _, name in _INCLUDE.findall(text(path))]


def include_arrows():
    """The layers include only what is below them."""
    for path in files(".c", ".h", under="broker"):
        layer = path.split("/")[1] if path.count("/") > 1 else None
        if layer not in LAYERS:
            continue
        for name in includes(path):
            folder = name.split("/")[0] if "/" in name else None
            if folder in LAYERS and folder not in LAYERS[layer]:
                yield f"{path} includes {name}: {layer} is below {folder}"
            if folder in ("builtin", "daemon") or name in ("broker.h", "config.h"):
                yield f"{path} includes {name}: {layer} is below it"


def library_homes():
    """Each library is included in one place of the broker."""
    for path in files(".c", ".h", under="broker"):
        for name in includes(path):
            for library, home in HOMES.items():
                if re.match(library, name) and not re.fullmatch("broker/" + home, path):
                    yield f"{path} includes <{name}>: only broker/{home} may"


def module_includes():
    """A module sees the ABI, the C library and its own folder, nothing of the broker."""
    for path in files(".c", ".h", under="modules"):
        for name in includes(path):
            own = os.path.exists(os.path.join(TOP, os.path.dirname(path), name))
            if "/" in name and not name.startswith(("wherry/", "sys/")) and not own:
                yield f"{path} includes {name}: a module includes only wherry/*.h"
            if any(re.match(library, name) for library in HOMES):
                yield f"{path} includes <{name}>: a module includes only wherry/*.h"


def nng_deprecated():
    """No call that NNG 1.11 deprecates; 1.5's SUB sockets, which tests open, have no other way to subscribe."""
    for path in files(".c", ".h"):
        if path.startswith("tests/unit/"):
            continue
        for number, line in enumerate(code(text(path)).split("\n"), 1):
            found = NNG_DEPRECATED.search(line)
            if found:
                yield f"{path}:{number}: {found.group().rstrip('( ')} is deprecated in NNG 1.11"


def _distribution(name, values):
    if values:
        values.sort()
        at = values[min(len(values) * 9 // 10, len(values) - 1)]
        print(f"    {name}: {len(values)}, median {statistics.median(values):g}, p90 {at}, longest {values[-1]}")


def _measure(folders):
    file_lines, function_lines, wrong = [], [], []
    for path in [path for folder in folders for path in files(".c", ".h", under=folder)]:
        source = text(path)
        file_lines.append(source.count("\n"))
        if file_lines[-1] > LONGEST_FILE:
            wrong.append(f"{path}: {file_lines[-1]} lines; at most {LONGEST_FILE}")
        for name, line, length in functions(source):
            function_lines.append(length)
            if length > LONGEST_FUNCTION:
                wrong.append(f"{path}:{line}: {name}() has {length} lines; at most {LONGEST_FUNCTION}")
    _distribution(f"files of {', '.join(folders)}", file_lines)
    _distribution(f"functions of {', '.join(folders)}", function_lines)
    return wrong


def lengths():
    """Files and functions stay short."""
    yield from _measure(["broker", "include", "modules", "clients", "examples"])
    yield from _measure(["tests"])
    for path in files(".py", under="tests"):
        lines = text(path).count("\n")
        if lines > LONGEST_FILE:
            yield f"{path}: {lines} lines; at most {LONGEST_FILE}"


def formatting():
    """clang-format has nothing to change."""
    if not shutil.which("clang-format"):
        yield "clang-format is not installed"
        return
    for path in files(".c", ".h"):
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", path], cwd=TOP, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            first = (done.stderr.splitlines() or ["?"])[0].split(" error:")[0]
            yield f"{first} run clang-format -i {path}"


def unfinished():
    """Nothing is left for later, and no path of the machine it was written on."""
    later = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    machine = re.compile(r"(?<![\w.])/(wo" r"rk|fa" r"rm|ro" r"ot|ho" r"me/\w+)/")
    for path in files():
        for number, line in enumerate(text(path).split("\n"), 1):
            for wrong, what in ((later, "something left for later"), (machine, "a path of one machine")):
                if wrong.search(line):
                    yield f"{path}:{number}: {what}: {line.strip()[:80]}"


def names():
    """No file is named for being anything at all."""
    for path in files(".c", ".h", ".py"):
        stem = os.path.splitext(os.path.basename(path))[0]
        if re.search(r"(^|_)(utils?|common|misc|helpers?|managers?)(_|$)", stem):
            yield f"{path}: a name that says nothing"


def tests_assert():
    """Every test program asserts something and runs what it defines."""
    for path in files(".c", under="tests/unit"):
        source = text(path)
        if not os.path.basename(path).startswith("test_"):
            continue
        if not re.search(r"\b(assert|expect)\w*\(", source):
            yield f"{path}: asserts nothing"
        if not re.search(r"\bint main\(", source):
            yield f"{path}: runs nothing"
        for name, line, _ in functions(source):
            if name.startswith("test_") and len(re.findall(rf"\b{name}\b", code(source))) < 2:
                yield f"{path}:{line}: {name}() is never run"
    for path in files(".py", under="tests"):
        if os.path.basename(path).startswith("test_") and not re.search(r"\bself\.assert|^\s*assert ", text(path), re.M):
            yield f"{path}: asserts nothing"


def scripts_parse():
    """Every script can at least be read by its interpreter."""
    for path in files():
        if path.endswith(".py") or is_script(path, "python3"):
            try:
                compile(text(path), path, "exec")
            except SyntaxError as wrong:
                yield f"{path}:{wrong.lineno}: {wrong.msg}"
        elif path.endswith(".sh") or is_script(path, "bash", "/sh"):
            done = subprocess.run(["bash", "-n", path], cwd=TOP, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                yield done.stderr.strip()


CHECKS = [include_arrows, library_homes, module_includes, nng_deprecated, lengths, formatting, unfinished, names,
          tests_assert, scripts_parse]
