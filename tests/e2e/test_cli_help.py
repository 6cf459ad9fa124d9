#!/usr/bin/python3
"""What the command line says about itself: help, the manual page, colours; every example in it is run.
Run by tests/support/run_python."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from servers import Wherryd, free_port
from test_cli import BUILD, WHERRY, run

SUBCOMMANDS = ["help", "prompt", "pipe", "bench", "top", "module", "completion"]
BOLD = b"\x1b[1m"


def examples_of(text):
    lines = text.partition("\nExamples:\n")[2].split("\n\n")[0].splitlines()
    return [line[2:] for line in lines]


class Help(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd(BUILD).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def help(self, *args, status=0):
        got, out, error = run(WHERRY, *args, url=self.broker.url)
        self.assertEqual((got, error), (status, ""))
        return out.decode()

    def test_overview(self):
        text = self.help("help")
        for name in SUBCOMMANDS:
            self.assertRegex(text, rf"(?m)^  {name} +\w")
        self.assertRegex(text, r"(?m)^kv$(\n  .*)*\n  kv\.get +Answers the value")
        self.assertRegex(text, r"(?m)^sys$(\n  .*)*\n  sys\.ping ")

    def test_overview_without_a_broker(self):
        status, out, error = run(WHERRY, "help", url=f"tcp://127.0.0.1:{free_port()}")
        self.assertEqual(status, 75)
        self.assertIn(b"\n  bench ", out)
        self.assertIn("no broker answers", error)
        self.assertIn("The broker's own commands can be listed only by a broker.", error)

    def test_a_command_has_a_page(self):
        text = self.help("help", "kv.set")
        headings = re.findall(r"(?m)^[A-Z]+$", text)
        self.assertEqual(headings, ["NAME", "SYNOPSIS", "DESCRIPTION", "ARGUMENTS", "OPTIONS", "NOTES"])
        self.assertIn("       wherry kv.set key value [--ttl-ms VALUE]", text)
        self.assertIn("       --nx\n           only if the key does not exist; else nil is answered\n", text)
        self.assertIn("       --ttl-ms  int\n", text)
        self.assertLessEqual({len(line) > 130 for line in text.splitlines()}, {False})
        self.assertNotIn("ARGUMENTS", self.help("help", "kv.count"))

    def test_every_command_has_a_page(self):
        names = [line.split()[0] for line in self.help("sys.commands").splitlines()[1:]]
        self.assertGreater(len(names), 30)
        for name in names:
            with self.subTest(name=name):
                self.assertTrue(self.help("help", name).startswith(f"NAME\n       {name}\n\nSYNOPSIS\n       wherry {name}"))
                self.assertTrue(self.help(name, "--help").startswith(name))

    def test_a_module(self):
        text = self.help("help", "ns")
        self.assertTrue(text.startswith("ns\n  ns.create "), text)
        both = self.help("help", "module")
        self.assertTrue(both.startswith("wherry module "))
        self.assertIn("\n  module.list ", both)

    def test_subcommands(self):
        for name in SUBCOMMANDS:
            with self.subTest(name=name):
                text = self.help(name, "--help")
                self.assertTrue(text.startswith(f"wherry {name}"), text)
                self.assertTrue(self.help("help", name).startswith(text))
                self.assertLessEqual({len(line) > 120 for line in text.splitlines()}, {False})

    def test_what_is_nothing(self):
        for args, status, words in [(["bnech"], 2, 'unknown subcommand "bnech"; did you mean bench?'),
                                    (["kv"], 2, "commands of the broker have a dot, as in kv.get; 'wherry help' lists both"),
                                    (["help", "kv.nope"], 1, 'did you mean "kv.copy"?'), (["help", "a", "b"], 2, "one name"),
                                    (["completion", "tcsh"], 2, "bash, zsh or fish")]:
            with self.subTest(args=args):
                got, out, error = run(WHERRY, *args, url=self.broker.url)
                self.assertEqual((got, out), (status, b""))
                self.assertIn(words, error)

    def on_terminal(self, *args, **env):
        master, slave = os.openpty()
        try:
            environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
            environment |= {"TERM": "xterm", "WHERRY_URL": self.broker.url} | env
            subprocess.run([WHERRY, *args], stdout=slave, env=environment, timeout=60, check=True)
            return os.read(master, 4000)
        finally:
            os.close(master)
            os.close(slave)

    def test_colours_only_where_they_are_wanted(self):
        self.assertIn(BOLD + b"NAME", self.on_terminal("help", "kv.get"))
        self.assertIn(BOLD + b"NAME", self.on_terminal("help", "kv.get", NO_COLOR=""))
        for args, env in [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})]:
            with self.subTest(args=args, env=env):
                self.assertNotIn(b"\x1b", self.on_terminal(*args, "help", "kv.get", **env))
        self.assertNotIn("\x1b", self.help("help", "kv.get"))

    def test_examples(self):
        texts = {"": self.help("--help")} | {name: self.help("help", name).partition("\nThe broker's commands")[0]
                                             for name in SUBCOMMANDS}
        for name, text in texts.items():
            examples = examples_of(text)
            self.assertEqual(text.count("Examples:"), 1 if examples else 0)
            for example in examples:
                with self.subTest(subcommand=name, example=example):
                    self.run_example(example)
        self.assertGreater(len(examples_of(texts[""])), 5)

    def run_example(self, example):
        with tempfile.TemporaryDirectory() as folder, Wherryd(BUILD) as broker:
            with open(os.path.join(folder, "photo.jpg"), "wb") as photo:
                photo.write(b"\xff\xd8\xff")
            environment = os.environ | {"WHERRY_URL": broker.url, "PATH": os.path.join(BUILD, "bin") + ":" + os.environ["PATH"]}
            done = subprocess.run(["/bin/bash", "-o", "pipefail", "-c", example], cwd=folder, env=environment, timeout=60,
                                  capture_output=True, stdin=subprocess.DEVNULL)
            self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
            if "copy.jpg" in example:
                with open(os.path.join(folder, "copy.jpg"), "rb") as copy:
                    self.assertEqual(copy.read(), b"\xff\xd8\xff")


class Manual(unittest.TestCase):
    """wherry(1) comes from the same tables."""

    def setUp(self):
        status, self.roff, error = run(WHERRY, "--man")
        self.assertEqual((status, error), (0, ""))

    @unittest.skipUnless(shutil.which("groff"), "no groff")
    def test_it_renders_without_a_warning(self):
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-c", "-rLL=100n"], input=self.roff, capture_output=True,
                              timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        text = re.sub(r".\x08", "", done.stdout.decode())
        usage = run(WHERRY, "--help")[1].decode()
        for flag in re.findall(r"(?m)^ +(?:-\w, )?(--[\w-]+)", usage.partition("Subcommands")[0]):
            self.assertRegex(text, rf"(?m)^ +(-\w, )?{flag}\b")
        for name in SUBCOMMANDS:
            self.assertRegex(text, rf"(?m)^   {name}\b")
        for line in examples_of(usage) + re.findall(r"(?m)^  (\d+ .*)", usage):
            self.assertIn(line, text)

    def test_nothing_of_it_is_taken_for_a_request(self):
        known = {'\\"', "TH", "SH", "SS", "PP", "TP", "B", "RS", "RE", "nf", "fi", "nh", "ad"}
        for line in self.roff.decode().splitlines():
            if line.startswith((".", "'")):
                self.assertIn(line[1:].split()[0], known, line)

    def test_it_is_installed(self):
        if not os.path.exists(os.path.join(BUILD, "clients", "said")):
            self.skipTest("a sanitized build installs none")
        with tempfile.TemporaryDirectory() as prefix:
            script = os.path.join(BUILD, "clients", "cmake_install.cmake")
            done = subprocess.run(["cmake", f"-DCMAKE_INSTALL_PREFIX={prefix}", "-P", script], capture_output=True, text=True,
                                  timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            share = os.path.join(prefix, "share")
            for path, args in [("man/man1/wherry.1", ["--man"]), ("zsh/site-functions/_wherry", ["completion", "zsh"]),
                               ("bash-completion/completions/wherry", ["completion", "bash"]),
                               ("fish/vendor_completions.d/wherry.fish", ["completion", "fish"])]:
                with open(os.path.join(share, path), "rb") as file:
                    self.assertEqual(file.read(), run(WHERRY, *args)[1], path)


if __name__ == "__main__":
    unittest.main()
