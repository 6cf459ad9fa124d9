#!/usr/bin/python3
"""Completion in bash, zsh and fish: what Tab would offer.  Run by tests/support/run_python."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import terminal
from servers import Wherryd, free_port
from test_cli import BUILD, WHERRY, run
from terminal import Terminal


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd(BUILD).start()
        run(WHERRY, "ns.create", "orders", url=cls.broker.url)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        for name in ("file one", "filetwo"):
            open(os.path.join(self.directory.name, name), "w").close()

    def offered(self, *words, url=None):
        status, out, error = run(WHERRY, "__complete", "--", *words, url=url or self.broker.url)
        self.assertEqual((status, error), (0, ""))
        return [line.split("\t")[0] for line in out.decode().splitlines()]

    def shell(self, program, script, url=None):
        environment = os.environ | {"WHERRY_URL": url or self.broker.url,
                                    "PATH": os.path.join(BUILD, "bin") + ":" + os.environ["PATH"], "HOME": self.directory.name}
        done = subprocess.run([*program, script], cwd=self.directory.name, env=environment, capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
        return done.stdout.decode().splitlines()

    # --- what the program offers ---

    def test_first_words(self):
        self.assertEqual(self.offered("kv.mg"), ["kv.mget"])
        self.assertEqual(self.offered("be"), ["bench"])
        self.assertEqual(self.offered("-t", "5", "--no-color", "com"), ["completion"])
        everything = self.offered("")
        for name in ("help", "pipe", "kv.get", "sys.ping", "module", "module.list"):
            self.assertIn(name, everything)
        self.assertNotIn("__complete", everything)
        self.assertEqual(self.offered(), everything)
        self.assertEqual(self.offered("--tls-"), ["--tls-ca", "--tls-unverified"])

    def test_arguments_of_flags(self):
        self.assertEqual(self.offered("-o", ""), ["table", "json", "raw"])
        self.assertEqual(self.offered("--output", "j"), ["json"])
        self.assertEqual(self.offered("--ns", "o"), ["orders"])
        self.assertEqual(self.offered("--tls-ca", ""), [":files"])

    def test_options_of_commands(self):
        self.assertEqual(self.offered("kv.set", "a", "1", "--k"), ["--keep-ttl"])
        self.assertIn("--ns", self.offered("kv.count", "--"))
        self.assertEqual(self.offered("kv.get", "a", "--ns", ""), ["default", "orders"])
        self.assertEqual(self.offered("kv.get", "a"), [])
        self.assertEqual(self.offered("kv.nope", "--"), [])

    def test_subcommands(self):
        self.assertEqual(self.offered("completion", ""), ["bash", "zsh", "fish"])
        self.assertEqual(self.offered("module", "n"), ["new"])
        self.assertEqual(self.offered("pipe", "--q"), ["--quiet"])
        self.assertEqual(self.offered("pipe", ""), [":files"])
        self.assertIn("--seconds", self.offered("bench", "--"))
        self.assertEqual(self.offered("help", "kv.se"), ["kv.set"])
        self.assertEqual(self.offered("help", "ns"), ["ns", "ns.create", "ns.list"])

    def test_without_a_broker(self):
        url = f"tcp://127.0.0.1:{free_port()}"
        self.assertEqual(self.offered("kv.", url=url), [])
        self.assertEqual(self.offered("pro", url=url), ["prompt"])
        self.assertEqual(self.offered("-u", "nonsense", "pro", url=url), ["prompt"])

    def test_a_broker_that_says_nothing_is_not_waited_for(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            begun = time.monotonic()
            self.assertEqual(self.offered("pro", url="tcp://127.0.0.1:%d" % silent.getsockname()[1]), ["prompt"])
            self.assertLess(time.monotonic() - begun, 5)  # not the minute that a call may take

    # --- what shells make of it ---

    def bash(self, *words, url=None):
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
        return self.shell(["bash", "--norc", "-c"], "source <(wherry completion bash)\n"
                          f"COMP_WORDS=(wherry {quoted}); COMP_CWORD={len(words)}\n_wherry wherry\n"
                          'printf "%s\\n" "${COMPREPLY[@]}"', url)

    def test_bash(self):
        self.assertEqual(self.bash("kv.mg"), ["kv.mget"])
        self.assertEqual(self.bash("kv.set", "a", "1", "--ttl"), ["--ttl-ms"])
        self.assertEqual(self.bash("kv.nope"), [""])
        self.assertEqual(self.bash("kv.mg", url=f"tcp://127.0.0.1:{free_port()}"), [""])
        self.assertEqual(sorted(self.bash("kv.set", "a", "@fi")), ["@file one", "@filetwo"])
        self.assertEqual(self.bash("pipe", "filet"), ["filetwo"])
        port = self.broker.url.rpartition(":")[2]
        taken_apart = ["-u", "tcp", ":", "//127.0.0.1", ":", port]
        self.assertEqual(self.bash(*taken_apart, "kv.mg", url="tcp://127.0.0.1:1"), ["kv.mget"])
        self.assertIn("complete -F _wherry wherry",
                      self.shell(["bash", "--norc", "-c"], "source <(wherry completion bash); complete -p wherry"))

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    @unittest.skipIf(terminal.missing, terminal.missing)
    def test_bash_on_a_terminal(self):
        environment = {"WHERRY_URL": self.broker.url, "PS1": "> ",
                       "PATH": os.path.join(BUILD, "bin") + ":" + os.environ["PATH"]}
        with Terminal(["bash", "--norc", "--noprofile", "-i"], env=environment) as shell:
            shell.await_match("^> $|^>$|[$#] ?$")
            shell.type('PS1="> "; source <(wherry completion bash); clear', "Enter")
            shell.await_true(lambda: shell.rows() == [">"], "an empty screen")
            shell.type("wherry kv.mg", "Tab")
            shell.await_text("> wherry kv.mget")
            shell.type("", "C-u")
            shell.type("wherry kv.set k v --", "Tab", "Tab")
            shell.await_text("--ttl-ms", "--keep-ttl", "--nx")
            shell.type("ttl", "Tab")
            shell.await_text("kv.set k v --ttl-ms")
            shell.type("500", "Enter")  # a blank came with it
            shell.await_match("^1$")

    def test_zsh(self):
        def offers(*words):
            quoted = " ".join("'" + word + "'" for word in words)
            return self.shell(["zsh", "-f", "-c"], "compdef() { }\n_files() { print FILES }\n"
                              "_describe() { print -l -- \"${(@P)2}\" }\ncompset() { }\n"
                              f"source <(wherry completion zsh)\nwords=(wherry {quoted}); CURRENT={len(words) + 1}\n"
                              f"PREFIX=${{words[-1]}}\n_wherry || true")
        self.assertEqual(offers("kv.mg"), ["kv.mget:Answers the values in place, nil for missing ones"])
        self.assertEqual(offers("kv.set", "a", "1", "--ttl"), ["--ttl-ms:gone after so many milliseconds"])
        self.assertEqual(offers("kv.nope"), [])
        self.assertEqual(offers("pipe", ""), ["FILES"])
        self.assertEqual(offers("kv.set", "a", "@f"), ["FILES"])

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh_takes_it_as_it_is_installed(self):
        functions = os.path.join(self.directory.name, "functions")
        os.mkdir(functions)
        with open(os.path.join(functions, "_wherry"), "wb") as out:
            out.write(run(WHERRY, "completion", "zsh")[1])
        self.assertEqual(self.shell(["zsh", "-f", "-c"], f"fpath=({functions} $fpath); autoload -U compinit; compinit -u -D; "
                                                         "print -- ${_comps[wherry]}"), ["_wherry"])

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_fish(self):
        def offers(line):
            lines = self.shell(["fish", "--no-config", "-c"], f"wherry completion fish | source; complete -C'{line}'")
            return [line.split("\t")[0] for line in lines]
        self.assertEqual(offers("wherry kv.mg"), ["kv.mget"])
        self.assertEqual(offers("wherry kv.set a 1 --ttl"), ["--ttl-ms"])
        self.assertEqual(offers("wherry kv.nope"), [])
        self.assertEqual(offers("wherry -o "), ["json", "raw", "table"])
        self.assertEqual(offers("wherry pipe filet"), ["filetwo"])
        self.assertEqual(offers("wherry kv.set a @filet"), ["@filetwo"])


if __name__ == "__main__":
    unittest.main()
