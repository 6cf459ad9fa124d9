#!/usr/bin/python3
"""wherryd as an operator configures it: layers of configuration, what it checks and prints about itself.

    WHERRY_BUILD=build/debug tests/e2e/test_daemon.py
"""

import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from daemon import BUILD, TEST_MODULES, WAIT_S, WHERRYD, Case, await_true, environment, run  # noqa: E402


class Layers(Case):
    def test_flag_then_environment_then_file_then_default(self):
        path = self.listening("max_parked = 1\nmax_key = 101\nmax_args = 201\nmodule \"kv\" { max_keys = 11 max_value = 1MiB }")
        with self.running("-c", path, "--set", "max_parked=3", "--set", "kv.max_keys=13", WHERRY_MAX_PARKED="2",
                          WHERRY_MAX_KEY="102", WHERRY_KV_MAX_KEYS="12", WHERRY_KV_MAX_VALUE="2MiB") as broker:
            got = broker.call("sys.config")
            self.assertEqual([got[name] for name in ("max_parked", "max_key", "max_args", "max_depth", "kv.max_keys",
                                                     "kv.max_value", "kv.max_answer")],
                             [3, 102, 201, 24, 13, 2 << 20, 16 << 20])
            self.assertEqual(broker.end(), 0)

    def test_the_environment_names_file_and_listeners(self):
        path = self.file('listen "ipc:///nonexistent/w.sock" { }\nmax_parked = 5')
        urls = f"ipc://{self.dir}/w.sock ipc://{self.dir}/v.sock"
        with self.running(WHERRY_CONFIG=path, WHERRY_LISTEN=urls, WHERRY_URL="x") as broker:
            self.assertEqual(broker.call("sys.info")["listeners"], urls.split())
            self.assertEqual(broker.call("sys.config", "max_parked"), 5)
            self.assertNotIn("WHERRY_", broker.read())

    def test_strange_variables_are_warnings_wrong_ones_are_not(self):
        with self.running(WHERRY_MAX_FRAM="1", WHERRY_KV_MAX_VALU="1") as broker:
            self.assertIn("did you mean WHERRY_MAX_FRAME?", broker.read())
            self.assertIn('did you mean \\"max_value\\"?', broker.read())
        status, _, error = run("-l", "ipc:///nonexistent/w.sock", WHERRY_MAX_FRAME="soon")
        self.assertEqual(status, 1)
        self.assertIn("environment, WHERRY_MAX_FRAME: max_frame: \"soon\" is not a size", error)

    def test_included_files(self):
        self.file("max_parked = 7\n", "conf.d/b.conf")
        self.file("max_parked = 6\nmax_key = 66\n", "conf.d/a.conf")
        with self.running("-c", self.listening('include "conf.d/*.conf"\n')) as broker:
            self.assertEqual((broker.call("sys.config", "max_parked"), broker.call("sys.config", "max_key")), (7, 66))


class Printed(Case):
    def test_a_fine_configuration(self):
        path = self.listening('module "kv" { max_keys = 5 }\ndata_dir = "' + self.path("data") + '"\n')
        with self.running("-c", path) as broker:  # its socket and its data are not touched
            self.assertEqual(run("-t", "-c", path), (0, "wherryd: the configuration is fine\n", ""))
            self.assertEqual(broker.call("sys.ping"), "PONG")
            self.assertEqual(broker.end(), 0)

    def test_all_that_is_wrong(self):
        path = self.file('max_frame = soon\nlisten "tcp://0.0.0.0:4" { }\nmodule "nosuch" { }\nmodule "kv" { max_kes = 5 }\n'
                         'listen "tls+tcp://127.0.0.1:5" { tls_cert = "/nonexistent/c" tls_key = "/nonexistent/k" }\n')
        status, out, error = run("-t", "-c", path, WHERRY_MAX_KEY="x")
        self.assertEqual((status, out), (1, ""))
        for words in (f"{path}:1: max_frame:", "WHERRY_MAX_KEY: max_key:", "tcp://0.0.0.0:4 is reachable",
                      "/nonexistent/c can't be read", 'no module "nosuch"', 'did you mean "max_keys"?'):
            self.assertIn(words, error)
        self.assertEqual(run("-t", "--bogus")[0], 2)

    def test_flags_for_authors_of_modules(self):
        with self.running("--check-modules") as broker:
            self.assertIs(broker.call("sys.config", "check_modules"), True)
            self.assertEqual((broker.call("kv.set", "k", 1), broker.end()), (1, 0))
        status, out, _ = run("--conformance", "/nonexistent/m.so")
        self.assertEqual(status, 1)
        self.assertIn("/nonexistent/m.so", out)
        status, _, error = run("--conformance", f"{TEST_MODULES}/counter.so", "--seed", "x")
        self.assertEqual((status, error), (2, "wherryd: --seed and --seconds take a whole number\n"))

    def test_print_config_round_trip(self):
        path = self.listening("max_frame = 32MiB\nlog_level = warn\nmax_memory = 1GiB\nidle_timeout = 90s\n"
                              "data_dir = '" + self.path("da'ta$") .replace("'", "\\'") + "'\n"
                              'module "kv" { max_keys = 5 }\nnamespace "orders" { }\n'
                              f'module "{TEST_MODULES}/counter.so" {{ }}\n')
        flags = ("-c", path, "--set", "kv.max_value=2MiB", "--log-level", "info")
        status, out, error = run(*flags, "--print-config", WHERRY_MAX_KEY="1KiB")
        self.assertEqual((status, error), (0, ""))
        again = self.file(out, "again.conf")
        self.assertEqual(run("-t", "-c", again)[0], 0)
        self.assertEqual(run("-c", again, "--print-config"), (0, out, ""))
        with self.running(*flags, WHERRY_MAX_KEY="1KiB") as broker:
            want = broker.call("sys.config"), broker.call("ns.list"), broker.call("sys.info")["modules"]
            self.assertEqual(broker.end(), 0)
        with self.running("-c", again) as broker:
            self.assertEqual((broker.call("sys.config"), broker.call("ns.list"), broker.call("sys.info")["modules"]), want)

    def test_print_config_has_every_option_and_all_may_be_taken_out_of_comments(self):
        _, out, _ = run("--print-config")
        with self.running() as broker:
            for name in broker.call("sys.config"):
                self.assertRegex(out, rf"(?m)^[#\t]*{name.split('.')[-1]} = ")
        taken = re.sub(r"(?m)^#(?=[\tm}])", "", out)  # the sections of modules
        taken = re.sub(r"(?m)^(\t?)#(?=\w+ = )", r"\1", taken)
        self.assertNotRegex(taken, r"(?m)^[#\t]*#\w+ = ")
        status, out, error = run("-t", "-c", self.file(taken))
        self.assertEqual((status, error), (0, ""), taken)

    def test_manual_pages(self):
        for flags in (("--man",), ("--man-config",), ("--print-commands=man",)):
            status, page, error = run(*flags)
            self.assertEqual((status, error), (0, ""))
            if not shutil.which("groff"):
                continue
            done = subprocess.run(["groff", "-ww", "-man", "-Tutf8"], input=page, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertGreater(len(done.stdout), 2000)
        self.assertIn("wherryd \\- ", run("--man")[1])

    def test_the_command_reference_is_current(self):
        modules = sorted(os.path.basename(path)[:-3] for path in glob.glob(f"{BUILD}/lib/wherry/modules/*.so"))
        status, out, error = run("--print-commands", "--set", f"modules={' '.join(modules)}")
        self.assertEqual((status, error), (0, ""))
        with open(os.path.join(TOP, "modules", "COMMANDS.md")) as kept:
            self.assertEqual(kept.read(), out, "run: cmake --build BUILD --target commands")
        for name in ("kv.set key value", "sys.config [name] [value]", "## session", "kv.mset"):
            self.assertIn(name, out)
        self.assertEqual(run("--print-commands=html")[0], 2)

    def test_examples_of_the_help_run(self):
        status, out, _ = run("--help")
        self.assertEqual(status, 0)
        examples = re.search(r"\nExamples:\n((?:  .*\n)+)", out)[1].strip().splitlines()
        self.assertGreater(len(examples), 4)
        shutil.copy(os.path.join(TEST_MODULES, "counter.so"), self.path("hello.so"))
        self.listening("max_parked = 5\n", "wherry.conf")
        for example in examples:
            with self.subTest(example=example.strip()):
                self.example(example.strip())

    def example(self, text):
        """As it stands, but for the port of others and the place of the default listeners."""
        words = text.replace("tcp://127.0.0.1:4000", "tcp://127.0.0.1:0")
        own = {} if "-c" in words or "-l" in words else {"WHERRY_LISTEN": f"ipc://{self.dir}/w.sock"}
        prints = text.startswith("wherryd -") and ("-t" in words or "--print" in words)
        shell = "exec env " + words.replace("wherryd", shlex.quote(WHERRYD), 1)
        with open(self.path("out"), "w+") as errors:
            process = subprocess.Popen(["/bin/sh", "-c", shell], cwd=self.dir, stderr=errors, stdout=errors,
                                       stdin=subprocess.DEVNULL, env=environment(**own))
            try:
                if prints:
                    self.assertEqual(process.wait(WAIT_S), 0)
                    return
                def ready():
                    with open(self.path("out")) as log:
                        return "ready" in log.read() or process.poll() is not None
                await_true(ready, lambda: text)
                self.assertIsNone(process.poll(), text)
            finally:
                process.terminate()
            self.assertEqual(process.wait(WAIT_S), 0)
            if "--print-config" in text:
                self.listening("", "wherry.conf")


if __name__ == "__main__":
    unittest.main()
