#!/usr/bin/python3
"""What each module exports and imports, as the dynamic linker sees it: tests/abi/symbols.txt is the list.

    tests/abi/symbols.py BUILD [EXAMPLE=FILE.so]...    adds what is new of the modules of a build, and of these
    tests/abi/symbols.py --anew BUILD ...              the same, and forgets what no module has any more

Different compilers and options import a little differently, so the list is what may be, not what must be.  An import
that is not the C library's is no module's business: the broker hands over what it offers in load().
"""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LIST = os.path.join(HERE, "symbols.txt")
ENTRY = "wherry_module_query"
# What the linker itself puts into every shared object.
LINKERS_OWN = {"__cxa_finalize", "__gmon_start__", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable"}


def built(build):
    """The modules of a build by name; test modules are "test/NAME"."""
    found = {}
    for prefix, pattern in (("", "lib/wherry/modules/*.so"), ("test/", "tests/modules/*.so"),
                            ("probe/", "tests/abi/*/*.so")):
        for path in sorted(glob.glob(os.path.join(build, pattern))):
            parts = path[:-len(".so")].split(os.sep)
            found[prefix + (parts[-2] if prefix == "probe/" else parts[-1])] = path
    for path in sorted(glob.glob(os.path.join(HERE, "*", "probe-*.so"))):
        found["kept/" + "-".join(path[:-len(".so")].split(os.sep)[-2:])] = path
    return found


def names(path, *flags):
    out = subprocess.run(["nm", "-D", *flags, path], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line.split()[-1] for line in out.splitlines() if line.split()[-2] not in "Aa"]


def exports(path):
    return {name.split("@")[0] for name in names(path, "--defined-only")}


def imports(path):
    """Without what comes from the C library or the linker in every case: name -> whether it is the C library's."""
    found = {}
    for name in names(path, "--undefined-only"):
        bare, _, version = name.partition("@")
        if bare not in LINKERS_OWN:
            found[bare] = version.startswith("GLIBC_")
    return found


def listed():
    found = {}
    with open(LIST, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, _, symbols = line.partition(":")
                exported, _, imported = symbols.partition("<-")
                found[name] = (set(exported.split()), set(imported.split()))
    return found


def faults(name, path, known):
    """What is wrong with one module."""
    if name not in known:
        yield f"{name} is not in tests/abi/symbols.txt: run tests/abi/symbols.py"
        return
    may_export, may_import = known[name]
    for symbol in sorted(exports(path) - may_export):
        yield f"{name} exports {symbol}"
    for symbol, of_libc in sorted(imports(path).items()):
        if not of_libc:
            yield f"{name} imports {symbol}, which is not the C library's"
        elif symbol not in may_import:
            yield f"{name} imports {symbol}, which tests/abi/symbols.txt does not allow it"


def write(known):
    with open(LIST, "w", encoding="utf-8") as out:
        out.write("# module: what it may export <- what it may import.  Written by tests/abi/symbols.py.\n")
        for name, (exported, imported) in sorted(known.items()):
            out.write(f"{name}: {' '.join(sorted(exported))} <- {' '.join(sorted(imported))}".rstrip() + "\n")


def main():
    anew = sys.argv[1:2] == ["--anew"]
    words = sys.argv[1 + anew:]
    if not words or words[0].startswith("-") or not all("=" in word for word in words[1:]):
        sys.exit(__doc__)
    modules = built(words[0]) | {f"example/{word.partition('=')[0]}": word.partition("=")[2] for word in words[1:]}
    known = listed() if os.path.exists(LIST) else {}
    if anew:
        known = {name: symbols for name, symbols in known.items() if name.startswith("example/")}
    for name, path in modules.items():
        exported, imported = known.get(name, (set(), set()))
        known[name] = (exported | exports(path), imported | set(imports(path)))
    write(known)


if __name__ == "__main__":
    main()
