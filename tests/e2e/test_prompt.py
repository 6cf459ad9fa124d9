#!/usr/bin/python3
"""The prompt in a terminal: what is typed and what is on the screen then.

    WHERRY_BUILD=build/debug tests/e2e/test_prompt.py
"""

import os
import re
import stat
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import terminal  # noqa: E402
from servers import Wherryd, default_build  # noqa: E402
from terminal import Terminal  # noqa: E402

BUILD = default_build()
WHERRY = os.path.join(BUILD, "bin", "wherry")
DIM, RED = "\x1b[2m", "\x1b[31m"
HISTORY = os.path.join("wherry", "history")


class Broker(Wherryd):
    """With parker.sleep, which waits, and vault.open, which takes a secret."""

    def command(self):
        modules = [os.path.join(BUILD, "tests", "modules", name + ".so") for name in ("parker", "vault")]
        return super().command() + [part for path in modules for part in ("-m", path)]


@unittest.skipIf(terminal.missing, terminal.missing)
class InTerminal(unittest.TestCase):
    """One broker for all; a prompt for each test, on a screen of 100 columns and 30 rows."""

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(BUILD).start()
        cls.prompt = f"wherry {cls.broker.url}>"
        cls.broker.call("ns.create", "orders")

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def setUp(self):
        self.broker.call("kv.clear")
        self.revision = self.broker.call("kv.set", "first", 0)

    def start(self, *flags, columns=100, rows=30, **env):
        screen = Terminal([WHERRY, *flags, "prompt"], {"WHERRY_URL": self.broker.url} | env, columns, rows)
        self.addCleanup(screen.close)
        screen.await_true(lambda: screen.rows()[-1] == self.prompt, "the prompt")
        return screen

    def run_line(self, screen, line):
        """Types it and answers the rows between it and the next prompt."""
        screen.type("", "C-l")
        screen.await_true(lambda: screen.rows() == [self.prompt], "an empty screen")
        screen.type(line, "Enter")
        screen.await_true(lambda: len(screen.rows()) > 1 and screen.rows()[-1] == self.prompt, "the next prompt")
        rows = screen.rows()
        self.assertEqual(rows[0], f"{self.prompt} {line}")
        return rows[1:-1]


class Answers(InTerminal):
    def test_commands_are_answered(self):
        screen = self.start()
        first, second, third = ([str(self.revision + i)] for i in (1, 2, 3))
        for line, shown in [("kv.set greeting 'hello world' --nx", first), ("kv.get greeting", ["hello world"]),
                            ("kv.set greeting x --nx", ["(nil)"]), ("kv.get greeting # why not", ["hello world"]),
                            ('kv.set doc {"a": [1, "it\'s"]}', second), ("kv.get doc", ['a: [1, "it\'s"]']),
                            ("kv.set pattern [a-z]*", third), ("kv.get pattern", ["[a-z]*"]), ("   ", []), ("#", [])]:
            with self.subTest(line=line):
                if shown:
                    self.assertEqual(self.run_line(screen, line), shown)
        screen.type("", "C-d")
        self.assertEqual(screen.await_end(), 0)

    def test_errors_are_red_and_say_what_is_wrong(self):
        screen = self.start()
        self.broker.call("kv.set", "word", "x")
        for line, shown in [("kv.incr word", "EARG"), ("kv.nothing", "ENOCMD"), ("kv.get", "EARG"),
                            ("kv.set a 1 --nix", "--nix"), ("bench", "for the shell"), ("\\foo", "\\help")]:
            with self.subTest(line=line):
                rows = self.run_line(screen, line)
                self.assertIn(shown, " ".join(rows))
                self.assertIn(RED + rows[0][:20], screen.styled())
        screen.close()
        screen = self.start("--no-color")
        self.assertIn("EARG", self.run_line(screen, "kv.incr word")[0])
        self.assertNotIn(RED, screen.styled())

    def test_forms_of_answers(self):
        screen = self.start()
        self.broker.call("kv.set", "m", {"a": [1, 2]})
        self.assertEqual(self.run_line(screen, "kv.get m"), ["a: [1, 2]"])
        self.run_line(screen, "\\json")
        self.assertEqual(self.run_line(screen, "kv.get m"), ['{"a": [1, 2]}'])
        self.broker.call("kv.set", "m", "as it is")
        self.assertEqual(self.run_line(screen, "kv.get m"), ['"as it is"'])
        self.run_line(screen, "\\raw")
        self.assertEqual(self.run_line(screen, "kv.get m"), ["as it is"])
        self.run_line(screen, "\\table")
        self.assertEqual(self.run_line(screen, "kv.get m"), ["as it is"])

    def test_values_can_not_drive_the_terminal(self):
        screen = self.start()
        self.broker.call("kv.set", "evil", "\x1b[2J\x1b[31mgone\x07")
        rows = self.run_line(screen, "kv.get evil")
        self.assertEqual(len(rows), 1)
        self.assertIn("gone", rows[0])
        self.assertNotIn(RED, screen.styled())

    def test_help(self):
        screen = self.start()
        for line in ("\\help", "?", "help"):
            self.assertIn("\\watch SECONDS COMMAND", " ".join(self.run_line(screen, line)))
        for line in ("help kv.incr", "\\help kv.incr", "kv.incr --help", "kv.incr ?"):
            self.assertIn("Adds to a number", " ".join(self.run_line(screen, line)))
        self.assertIn("kv.getall", " ".join(self.run_line(screen, "help kv")))

    def test_times(self):
        screen = self.start()
        self.assertEqual(self.run_line(screen, "sys.ping"), ["PONG"])
        self.assertRegex(self.run_line(screen, "parker.sleep 1010")[1], r"^\(1\.\d\d s\)$")
        self.run_line(screen, "\\timing")
        self.assertRegex(self.run_line(screen, "sys.ping")[1], r"^\(\d+\.\d\d ms\)$")
        self.run_line(screen, "\\timing")
        self.assertEqual(self.run_line(screen, "sys.ping"), ["PONG"])

    def test_namespaces(self):
        screen = self.start()
        screen.type("\\use orders", "Enter")
        screen.await_match(rf"^wherry {self.broker.url}\[orders\]>$")
        screen.type("kv.set here 1", "Enter")
        screen.await_match(rf"^{self.revision + 1}$")
        self.assertEqual(self.broker.call("kv.get", "here"), None)
        self.assertEqual(self.broker.call("kv.get", "here", ns="orders"), 1)
        screen.type("\\use nowhere", "Enter")
        screen.await_text("ENOKEY")
        screen.type("session.use default", "Enter")
        screen.await_match(rf"^{self.prompt}$")

    def test_watch(self):
        screen = self.start()
        self.broker.call("kv.set", "seen", "first")
        self.run_line(screen, "sys.ping")
        screen.type("\\watch 0.2 kv.get seen", "Enter")
        screen.await_match(r"^\d\d:\d\d:\d\d  every 0\.2 s: kv\.get seen")
        screen.await_match("^first$")
        self.assertNotIn("PONG", screen.text())
        self.broker.call("kv.set", "seen", "2")
        screen.await_match("^2$")
        self.assertNotIn("first", screen.text())
        screen.resize(60, 20)
        self.broker.call("kv.set", "seen", "3")
        screen.await_match("^3$")
        screen.type("", "C-c")
        screen.await_true(lambda: "PONG" in screen.text() and screen.rows()[-1] == self.prompt, "what was there before")
        self.assertEqual(screen.rows()[-2], "3")
        for line in ("\\watch kv.get seen", "\\watch 1", "\\watch 0 sys.ping", "\\watch nan sys.ping"):
            screen.type(line, "Enter")
        screen.await_true(lambda: screen.text().count("\\watch") == 9, "four complaints")


class Typing(InTerminal):
    def test_several_lines(self):
        screen = self.start()
        for lines in (['kv.set doc {', '  "a": [1,', '    2]', '} --nx'], ["kv.set doc 'two", "lines'"],
                      ["kv.set \\", "doc 5"]):
            revision = self.broker.call("kv.set", "doc", 0)
            self.broker.call("kv.del", "doc")
            for line in lines[:-1]:
                screen.type(line, "Enter")
                screen.await_true(lambda: screen.rows()[-1][:4].strip() == "...", "the prompt for more")
            screen.type(lines[-1], "Enter")
            screen.await_true(lambda: screen.rows()[-2:] == [str(revision + 2), self.prompt], "the answer")
        self.assertEqual(self.broker.call("kv.get", "doc"), 5)
        screen.type("", "Up", "Up", "Enter")
        screen.await_true(lambda: self.broker.call("kv.get", "doc") == "two\nlines", "the earlier command")

    def test_what_is_pasted(self):
        screen = self.start()
        screen.paste('kv.set doc {\n\t"a": [1,\n\t\t2],\n  "b": "{["\n}\nkv.get doc\n')
        screen.await_match("^b: {\\[$")
        screen.await_true(lambda: screen.rows()[-1] == self.prompt, "the prompt")
        self.assertEqual(self.broker.call("kv.get", "doc"), {"a": [1, 2], "b": "{["})

    def test_long_lines(self):
        screen = self.start(rows=8)
        screen.paste("kv.set long " + "x" * 4000)  # more rows than the screen has
        screen.type("", "C-a", "C-e")
        screen.type("y", "Left", "BSpace", "Enter")
        screen.await_true(lambda: self.broker.call("kv.get", "long") == "x" * 3999 + "y", "the value")
        screen.paste("kv.set longer " + "x" * 33000 + "\n")
        screen.await_text("Too long: at most 32768 characters a line, 1 MiB in all. @FILE takes a value from a file.\n")
        self.assertEqual(self.run_line(screen, "kv.get longer"), ["(nil)"])

    def test_control_c_drops_what_is_typed(self):
        screen = self.start()
        screen.type("kv.set a 1")
        screen.await_text("kv.set a 1")  # the key throws away what is not read yet
        screen.type("", "C-c")
        screen.await_true(lambda: screen.rows()[-2:] == [f"{self.prompt} kv.set a 1", self.prompt], "a new prompt")
        screen.type("kv.set a 'open", "Enter")
        screen.await_true(lambda: screen.rows()[-1] == "...", "the prompt for more")
        screen.type("more")
        screen.await_text("... more")
        screen.type("", "C-c")
        screen.await_true(lambda: screen.rows()[-1] == self.prompt, "a new prompt")
        self.assertEqual(self.run_line(screen, "kv.get a"), ["(nil)"])
        for begun in ("Escape", "C-v", "C-r"):  # keys that wait for another
            screen.type("", begun, "C-c")
            self.assertEqual(self.run_line(screen, "sys.ping"), ["PONG"])
        for odd in ('\\"', "\\ ", "\\watch '", "kv.get \\"):
            screen.type(odd)
            screen.await_text(odd.strip())
            screen.type("", "C-c")
        self.assertEqual(self.run_line(screen, "sys.ping"), ["PONG"])

    def test_letters_of_several_bytes(self):
        screen = self.start(LC_ALL="C")
        self.assertEqual(self.run_line(screen, "kv.set Glück 幸運"), [str(self.revision + 1)])
        self.assertEqual(self.broker.call("kv.get", "Glück"), "幸運")
        screen.type("kv.get Glückx", "BSpace", "Enter")
        screen.await_match("^幸運$")

    def test_hints(self):
        screen = self.start()
        screen.type("kv.set")
        screen.await_text("kv.set key value [--ttl-ms VALUE]")
        self.assertIn(DIM + " key value", screen.styled())
        screen.type(" a")
        screen.await_text("kv.set a value [--ttl-ms VALUE]")
        screen.type(" 1 --ttl-ms ")
        screen.await_text("kv.set a 1 --ttl-ms int [--at-ms VALUE]")
        screen.type("5000 ")
        screen.await_text("--ttl-ms 5000 [--at-ms VALUE]")
        screen.type("", "C-a")
        screen.await_gone("VALUE")
        screen.type("", "C-e")
        screen.await_text("VALUE")
        screen.type("", "Enter")
        screen.await_true(lambda: screen.rows()[-3:] == [f"{self.prompt} kv.set a 1 --ttl-ms 5000",
                                                          str(self.revision + 1), self.prompt],
                          "no hint behind an entered line")
        screen.type("kv.mset a ")
        screen.await_match("kv.mset a value ...$")
        screen.type("1 ")
        screen.await_match(r"kv.mset a 1 \[key value ...\]$")
        screen.type("", "C-u", "\\", "w", "a", "t", "c", "h")
        screen.await_text("\\watch SECONDS COMMAND...")

    def test_no_hints_without_colour(self):
        for flags, env in [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})]:
            screen = self.start(*flags, **env)
            screen.type("kv.set ")
            screen.type("a 1", "Enter")
            screen.await_true(lambda: screen.rows()[-1] == self.prompt and len(screen.rows()) > 2, "the answer")
            self.assertNotIn("value", screen.text())
            screen.type("kv.ge", "Tab")
            screen.await_text("kv.getall")
            screen.close()

    def test_narrow_and_resized(self):
        screen = self.start(columns=44, rows=12)
        screen.type("\\help", "Enter")
        screen.await_text("Ctrl-D ends.")
        line = f"{self.prompt} kv.set {'a' * 40}"
        screen.type(line[len(self.prompt) + 1:])
        screen.await_match(r"^a+ value \[--$")

        def is_laid_out(columns):
            rows = [line[i:i + columns].rstrip() for i in range(0, len(line), columns)]
            shown = screen.rows()[-len(rows) - 1:]
            return (not shown[0].startswith("wherry") and shown[1:-1] == rows[:-1] and
                    re.fullmatch(re.escape(rows[-1]) + "( value.*)?", shown[-1]))

        for columns in (44, 60, 37, 90, 50):
            screen.resize(columns, 12)
            screen.await_true(lambda: is_laid_out(columns), f"the line in {columns} columns")
        screen.type(" 1", "Enter")
        screen.await_true(lambda: screen.rows()[-2:] == [str(self.revision + 1), self.prompt], "the answer")
        self.assertNotIn("VALUE", screen.text())

    def test_suspended(self):
        screen = Terminal(["bash", "--norc", "-i"], {"WHERRY_URL": self.broker.url, "PS1": "shell$ "})
        self.addCleanup(screen.close)
        screen.type(f"{WHERRY} prompt", "Enter")
        screen.await_match(f"^{self.prompt}$")
        screen.type("sys.pi")
        screen.await_text("sys.pi")
        screen.type("", "C-z")
        screen.await_text("Stopped")
        screen.type("fg", "Enter")
        screen.await_true(lambda: screen.rows()[-1].startswith(f"{self.prompt} sys.pi"), "the line")
        screen.type("ng", "Enter")
        screen.await_match("^PONG$")
        screen.type("\\quit", "Enter")
        screen.await_true(lambda: screen.rows()[-1] == "shell$", "the shell")
        screen.type("echo seen", "Enter")
        screen.await_match(r"^shell\$ echo seen\nseen$")


class Completion(InTerminal):
    def test_commands(self):
        screen = self.start()
        screen.type("", "C-l")
        screen.type("kv.ge", "Tab")
        screen.await_match("^kv.get +kv.getall$")
        screen.type("", "Tab")
        screen.await_match("^kv.get +kv.getall$")
        screen.type("a")
        screen.await_gone("kv.get ")
        screen.type("", "Tab")
        screen.await_text(f"{self.prompt} kv.getall [--match VALUE]")
        screen.type("", "Enter")
        wanted = [f"{self.prompt} kv.getall", '["first", 0]', self.prompt]
        screen.await_true(lambda: screen.rows() == wanted, "the answer and nothing else")
        screen.type("\\wa", "Tab")
        screen.await_text("\\watch SECONDS COMMAND...")
        screen.type("2 sys.pi", "Tab")
        screen.await_text("\\watch 2 sys.ping")

    def test_lists_below_the_last_row(self):
        screen = self.start(rows=8)
        for _ in range(4):
            self.run_line(screen, "sys.ping")
        screen.type("\n" * 3 + "kv.", "Tab")
        screen.await_text("kv.append")
        screen.type("", "Escape", "BSpace")
        screen.await_gone("kv.append")
        screen.type("", "C-u")
        screen.type("sys.commands kv", "Tab", "C-u")
        screen.type("kv.set a 1 --", "Tab")
        screen.await_text("... and ")
        screen.type("", "C-c")
        screen.await_true(lambda: screen.rows()[-1] == self.prompt, "a new prompt")
        self.assertNotIn("... and", screen.text())

    def test_options(self):
        screen = self.start()
        screen.type("kv.set a 1 --", "Tab")
        screen.await_match("^--ttl-ms +int: gone after")
        screen.await_match("^--nx +bool: only if")
        screen.await_match("^--ns +str: the namespace")
        screen.type("n", "Tab")
        screen.await_gone("--ttl-ms  ")
        screen.type("x --", "Tab")
        screen.await_match("^--ttl-ms +int: gone after")
        self.assertNotIn("--nx  ", screen.text())

    def test_keys(self):
        screen = self.start()
        for key in ("user:1", "user:2", "user: three", "usher", "12", "us\x1b[31mer", "us*r"):
            self.broker.call("kv.set", key, 1)
        screen.type("", "C-l")
        screen.type("kv.get use", "Tab")
        screen.await_text("user:1", "user:2")
        self.assertNotIn("usher", screen.text())
        screen.await_match(rf"^{self.prompt} kv.get user:$")
        screen.type("2", "Enter")
        screen.await_match("^1$")
        screen.type("", "C-l")
        screen.type("kv.get us", "Tab")
        screen.await_text("usher", "us*r", "'user: three'")
        self.assertNotIn(RED, screen.styled())
        self.assertEqual(len(screen.rows()), 2)
        screen.type("*", "Tab")
        screen.await_text("kv.get us*r")
        screen.type("", "Enter")
        screen.await_text(f"{self.prompt} kv.get us*r\n1")
        screen.type("kv.get 1", "Tab")
        screen.await_text("kv.get '\"12\"'")
        screen.type("", "C-u")
        screen.type("", "C-l")
        screen.type("kv.set a us", "Tab")
        screen.type("x", "Enter")
        screen.await_true(lambda: self.broker.call("kv.get", "a") == "usx", "a value, which has no completion")

    def test_namespaces(self):
        screen = self.start()
        self.broker.call("kv.set", "only-there", 5, ns="orders")
        for typed, completed in [("\\use ord", "\\use orders"), ("session.use ord", "session.use orders"),
                                 ("kv.get --ns ord", "kv.get --ns orders"),
                                 ("kv.get --ns orders onl", "kv.get --ns orders only-there")]:
            screen.type(typed, "Tab")
            screen.await_text(f"{self.prompt} {completed}")
            screen.type("", "C-u")


class History(InTerminal):
    def state(self, screen):
        path = os.path.join(screen.dir, HISTORY)
        with open(path, encoding="utf-8") as history:
            return path, history.read().splitlines()

    def end(self, screen):
        screen.type("", "C-d")
        self.assertEqual(screen.await_end(), 0)

    def test_is_there_in_the_next_run(self):
        first = self.start()
        first.type("kv.set a 'one", "Enter")
        first.type("two\\'", "Enter")
        first.await_match(rf"^{self.revision + 1}$")
        self.run_line(first, "vault.open door sesame")
        self.run_line(first, "vualt.open door sesame")
        first.type("\\watch 1 vault.open door sesame", "Enter")
        first.await_match("^true$")
        first.type("", "C-c")
        self.run_line(first, "kv.count")
        self.run_line(first, "kv.count")
        self.end(first)
        path, lines = self.state(first)
        self.assertEqual(lines, ["kv.set a 'one\\ntwo\\\\'", "kv.count"])
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

        second = self.start(WHERRY_HISTORY=path)
        rows = self.run_line(second, "\\history")
        self.assertEqual(rows[:2], ["    1  kv.set a 'one", "       two\\'"])
        self.assertEqual(rows[2], "    2  kv.count")
        second.type("", "Up", "Up", "Enter")
        second.await_true(lambda: second.rows()[-2:] == ["2", self.prompt], "the count")
        second.type("", "C-r")
        second.type("cou", "Enter")
        second.await_true(lambda: second.text().count("kv.count\n2") == 2, "what was searched for")
        self.end(second)

    def test_is_bounded(self):
        screen = self.start(WHERRY_HISTORY_SIZE="3")
        for i in range(6):
            self.run_line(screen, f"kv.get {i}")
        self.end(screen)
        self.assertEqual(self.state(screen)[1], ["kv.get 3", "kv.get 4", "kv.get 5"])

    def test_can_be_off(self):
        for env in ({"WHERRY_HISTORY": ""}, {"WHERRY_HISTORY_SIZE": "0"}):
            screen = self.start(**env)
            self.run_line(screen, "sys.ping")
            self.end(screen)
            self.assertFalse(os.path.exists(os.path.join(screen.dir, HISTORY)))


if __name__ == "__main__":
    unittest.main()
