"""Transcripts in documents: lines "$ command", and beneath each what it answers.

`...` in an answer stands for anything; a command with nothing beneath it only has to succeed.
"""

import os
import re
import shlex
import subprocess


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
            pattern = ".*".join(re.escape(part) for part in answer.rstrip().split("..."))
            test.assertRegex(done.stdout.rstrip("\n"), re.compile(rf"\A{pattern}\Z", re.S), command)
    test.assertGreater(count, 0, "nothing is shown")
