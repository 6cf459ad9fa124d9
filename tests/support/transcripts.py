"""Transcripts in documents: lines "$ command", and beneath each what it answers.

`...` in an answer stands for anything; a command with nothing beneath it only has to succeed.
"""

import os
import re
import shlex
import subprocess
import sys

PACKAGE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "clients", "python"))


def pieces(text):
    """(command, answer) of each; answer is "" where none is shown."""
    for piece in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, answer = piece.partition("\n")
        yield command, answer.strip("\n")


def blocks(path, language):
    """The contents of ```language fences."""
    with open(path, encoding="utf-8") as text:
        return [block.partition("```")[0] for block in text.read().split(f"```{language}\n")[1:]]


def indented(path):
    """The transcript that stands in a document four spaces in."""
    with open(path, encoding="utf-8") as text:
        lines = [line[4:] for line in text if line.startswith("    ")]
    first = next(at for at, line in enumerate(lines) if line.startswith("$ "))
    return "".join(lines[first:])


def environment(directory, build, broker, **more):
    """For programs of a page: the build's, the Python package, the broker; `python3` is this one, whatever else there is."""
    programs = os.path.join(directory, "programs")
    if not os.path.exists(programs):
        os.mkdir(programs)
        os.symlink(sys.executable, os.path.join(programs, "python3"))
    path = os.pathsep.join((programs, os.path.join(build, "bin"), os.environ["PATH"]))
    return os.environ | {"WHERRY_URL": broker.url, "PYTHONPATH": PACKAGE, "PATH": path} | more


def compare(test, said, wanted, what):
    pattern = ".*".join(re.escape(part) for part in wanted.rstrip("\n").split("..."))
    test.assertRegex(said.rstrip("\n"), re.compile(rf"\A{pattern}\Z", re.S), what)


_KILLED = re.compile(r"^bash: line \d+: +\d+ (Killed|Terminated) .*\n", re.M)  # what a shell says in its own way


def replay_in_shell(test, blocks_of_page, directory, env):
    """Runs all commands, one after another, in one shell, so that there may be jobs; and compares."""
    shown = [piece for block in blocks_of_page for piece in pieces(block)]
    script = "".join(f"echo '@@@ {place}'\n{command}\n" for place, (command, _) in enumerate(shown))
    done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                          cwd=directory, env=env)
    said = [text.partition("\n")[2] for text in _KILLED.sub("", done.stdout).split("@@@ ")[1:]]
    test.assertEqual(len(said), len(shown), done.stdout)
    for (command, wanted), text in zip(shown, said):
        compare(test, text, wanted, f"{command}\n{done.stdout}")


def replay(test, text, directory=None, **environment):
    """Runs the commands without a shell, and compares."""
    count = 0
    for command, answer in pieces(text):
        done = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120, cwd=directory, env=os.environ | environment)
        count += 1
        if not answer:
            test.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}")
        else:
            compare(test, done.stdout, answer, command)
    test.assertGreater(count, 0, "nothing is shown")
