#!/usr/bin/python3
"""The command line against a broker that means harm: names, helps and errors that drive terminals and shells, answers of the
wrong kind, too deep, or none.  Run by tests/support/run_python."""

import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

from scripted import SILENCE, Raw, Refusal, Scripted
from servers import REPORTS
from test_cli import BUILD, WHERRY, run

DRIVES = "\x1b]0;driven\x07\x1b[2J\u009b31m\x7f\r\b"
SPOOF = DRIVES + "\nwherry: all is well"


def command(name, text="what it does", module="kv", args=(), flags=()):
    return {"name": name, "module": module, "help": text, "verb": "read", "flags": list(flags), "args": list(args)}


def option(name, text="what it is", kinds=("int",)):
    return {"name": name, "kinds": list(kinds), "flags": ["option"], "help": text}


def nested_tuples(depth):
    """msgpack whose every ext 1 holds one more."""
    head, size = [], 1
    for _ in range(depth):
        head.append(b"\xc9" + struct.pack(">I", size) + b"\x01")
        size += 6
    return Raw(b"".join(reversed(head)) + b"\xc0")


class Hostile(unittest.TestCase):
    def wherry(self, broker, *args, **more):
        status, out, error = run(WHERRY, *args, url=broker.url, **more)
        self.assertIn(status, (0, 1, 2, 75), error)
        self.assertFalse([word for word in REPORTS if word in error], error)
        return status, out, error

    def test_no_terminal_is_driven(self):
        commands = [command("kv.get", SPOOF, args=[option("k" + SPOOF, SPOOF, [SPOOF])]), command("kv." + DRIVES, SPOOF, DRIVES),
                    command("kv.set", module=SPOOF)]
        stray = Raw(b"\xa6\xffa\x9b31m")
        with Scripted({"sys.commands": commands, "kv.get": Refusal(-1, DRIVES, SPOOF), "kv.set": SPOOF,
                       "kv.stray": stray, "kv.bad": lambda *_: Refusal(-1, "EARG", b"\x9b31m".decode(errors="surrogateescape"))}) as broker:
            for args in [["help"], ["help", "kv.get"], ["help", "module"], ["kv.get", "--help"], ["kv.get", "--nope"], ["kv.get", "a"],
                         ["-o", "json", "kv.set"], ["-o", "json", "kv.stray"], ["get"], ["__complete", "--", "kv."],
                         ["__complete", "--", "kv.get", "--"], ["__complete", "--", "help", ""]]:
                with self.subTest(args=args):
                    self.tame(self.wherry(broker, *args))
            for args in [["pipe"], ["pipe", "-q"], ["-o", "table", "pipe"]]:
                with self.subTest(args=args):
                    lines = b"kv.get\nkv.set\nkv.get --nope\nkv.stray\n"
                    self.tame(self.wherry(broker, *args, stdin=lines))

    def tame(self, result):
        _, out, error = result
        for text in (out.decode(), error):
            self.assertNotRegex(text, "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]")
            self.assertNotRegex(text, "(?m)^ *wherry: all is well")

    def test_descriptions_that_are_none(self):
        answers = [1, None, "x", {}, [1, 2, []], [{}], [{"name": 1}], [command(None)], [command("")], [command("kv.get")] * 3,
                   [command("kv.get", args=[1, None, {}, {"name": 3, "flags": 4}])], [{"name": "kv.get", "args": 5, "flags": 3}],
                   [command("kv.get", args=[option("", kinds=[""] * 7)])], Raw(b"\xc1"), Raw(b"\xdd\xff\xff\xff\xff"), Raw(b""),
                   Raw(b"\x91" * 100 + b"\xc0"), Raw(b"\xdf\0\0\0\1\xa1"), nested_tuples(100000), Refusal(-3, "EACCES", "not you")]
        for answer in answers:
            with self.subTest(answer=repr(answer)[:60]), Scripted({"sys.commands": answer}) as broker:
                for args in [["help"], ["help", "kv.get"], ["kv.get", "--help"], ["kv.get", "a", "--x", "1"],
                             ["__complete", "--", "kv."], ["__complete", "--", "kv.get", "--"], ["get"]]:
                    self.wherry(broker, *args)
                self.wherry(broker, stdin=b"kv.get a\nkv.get a --x 1\n")

    def test_answers_that_nest_without_end(self):
        for depth in (20, 40, 300000):
            with self.subTest(depth=depth), Scripted({"sys.commands": [], "kv.get": nested_tuples(depth)}) as broker:
                for args in [["kv.get"], ["-o", "json", "kv.get"]]:
                    self.assertEqual(self.wherry(broker, *args)[0], 0)
                status, out, _ = self.wherry(broker, stdin=b"kv.get\n")
                self.assertEqual(status, 0)
                value = json.loads(out)
                for _ in range(min(depth, 32)):
                    (value,) = value["$tuple"]
                self.assertEqual(value is None, depth <= 32)
                self.assertEqual(self.wherry(broker, "-o", "raw", "kv.get")[1], nested_tuples(depth))

    def test_many_modules(self):
        commands = [command(f"m{i}.x", module=f"m{i}") for i in range(20000)]
        with Scripted({"sys.commands": commands}) as broker:
            text = self.wherry(broker, "help")[1].decode()
        self.assertEqual(len(re.findall(r"(?m)^  m\d+\.x  what it does$", text)), 20000)

    def test_silence_is_waited_for_only_where_it_matters(self):
        with Scripted({"sys.commands": SILENCE}) as broker:
            self.assertEqual(self.wherry(broker, "help", "module")[0], 0)  # run() waits less long than a call may take
            self.assertEqual(self.wherry(broker, "get", "a")[0], 2)
            self.assertEqual(self.wherry(broker, "__complete", "--", "kv.")[:2], (0, b""))
            self.assertEqual(self.wherry(broker, "-t", "0.2", "help", "kv.get")[0], 75)


class Shells(unittest.TestCase):
    """Whatever a broker's commands are called, Tab runs none of it."""

    COMMANDS = ["kv.$(touch made)", "kv.`touch made`", "kv.;touch made;", "kv.a b", "kv.'a", 'kv."a', "kv.a|touch made", "kv.*", "kv.~",
                "kv.a\ttouch made", "kv.a\n:files", "kv.%n", "kv.-x", "kv.\\a", "kv.ok"]

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.broker = Scripted({"sys.commands": [command(name, "$(touch made) `touch made` %F{red} \\n") for name in self.COMMANDS]})
        self.addCleanup(self.broker.listener.close)

    def offered(self, program, script):
        environment = os.environ | {"WHERRY_URL": self.broker.url, "HOME": self.directory.name,
                                    "PATH": os.path.join(BUILD, "bin") + ":" + os.environ["PATH"]}
        done = subprocess.run([*program, script], cwd=self.directory.name, env=environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(done.stderr, "")
        self.assertFalse(os.path.exists(os.path.join(self.directory.name, "made")))
        return sorted(re.split("[\t:]", line)[0] for line in done.stdout.splitlines())

    def test_bash(self):
        self.assertEqual(self.offered(["bash", "--norc", "-c"], "source <(wherry completion bash); COMP_WORDS=(wherry kv.); COMP_CWORD=1\n"
                                      '_wherry wherry; printf "%s\\n" "${COMPREPLY[@]}"'), ["kv.-x", "kv.ok"])

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh(self):
        self.assertEqual(self.offered(["zsh", "-f", "-c"], "compdef() { }\n_describe() { print -rl -- \"${(@P)2}\" }\n"
                                      "source <(wherry completion zsh); words=(wherry kv.); CURRENT=2; PREFIX=kv.; _wherry || true"),
                         ["kv.-x", "kv.ok"])

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_fish(self):
        self.assertEqual(self.offered(["fish", "--no-config", "-c"], "wherry completion fish | source; complete -C'wherry kv.'"),
                         ["kv.-x", "kv.ok"])


if __name__ == "__main__":
    unittest.main()
