#!/usr/bin/python3
"""What a module's author holds in hand: `wherry module new` and `check`, and the gates that keep the ABI as it was
frozen."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import default_build  # noqa: E402

FILES = {"CMakeLists.txt", "README.md", "test", "transcript.txt"}
STRICT = ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror"]


def run(words, directory=None, **options):
    return subprocess.run(words, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300, **options)


class Kit(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.bin = os.path.join(default_build(), "bin")

    def module(self, *words, **options):
        return run([os.path.join(self.bin, "wherry"), "module", *words], self.directory, **options)

    def new(self, name):
        done = self.module("new", name)
        self.assertEqual(done.returncode, 0, done.stdout)
        return os.path.join(self.directory, name)

    def built(self, folder):
        build = os.path.join(folder, "build")
        for words in (["cmake", "-B", build, f"-DWHERRY_INCLUDE={os.path.join(TOP, 'include')}",
                       f"-DCMAKE_PROGRAM_PATH={self.bin}", "-DCMAKE_C_FLAGS=-Werror"], ["cmake", "--build", build]):
            done = run(words, folder)
            self.assertEqual(done.returncode, 0, done.stdout)
        return build

    def ran_its_test(self, build):
        return run(["ctest", "--test-dir", build, "--output-on-failure"])

    def change(self, path, old, new):
        with open(path, encoding="utf-8") as source:
            text = source.read()
        self.assertIn(old, text)
        with open(path, "w", encoding="utf-8") as source:
            source.write(text.replace(old, new))


class New(Kit):
    def test_what_is_written(self):
        folder = self.new("visits")
        self.assertEqual(set(os.listdir(folder)), FILES | {"visits.c"})
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            self.assertEqual(os.access(path, os.X_OK), name == "test", name)
            with open(path, encoding="utf-8") as text:
                self.assertNotIn("skeleton", text.read(), name)

    def test_it_builds_and_its_test_passes(self):
        done = self.ran_its_test(self.built(self.new("visits")))
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_its_test_notices(self):
        folder = self.new("visits")
        self.change(os.path.join(folder, "visits.c"), "number(key.head) + 1", "number(key.head) + 2")
        done = self.ran_its_test(self.built(folder))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("-3\n+6\n", done.stdout)

    def test_names_that_mean_something_elsewhere(self):
        for name in ("int", "test", "all", "a", "x" * 32):
            with self.subTest(name):
                build = self.built(self.new(name))
                self.assertTrue(os.path.exists(os.path.join(build, f"{name}.so")))

    def test_strict_compilers_like_it(self):
        folder = self.new("visits")
        for compiler in filter(shutil.which, ("gcc", "clang")):
            done = run([compiler, *STRICT, f"-I{os.path.join(TOP, 'include')}", "-fsyntax-only", "visits.c"], folder)
            self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_dir(self):
        os.mkdir(os.path.join(self.directory, "there"))
        for words in (("--dir", "there", "one"), ("two", "--dir=there")):
            self.assertEqual(self.module("new", *words).returncode, 0)
        self.assertEqual(set(os.listdir(os.path.join(self.directory, "there"))), {"one", "two"})

    def test_what_is_refused(self):
        for name in ("Visits", "1st", "a-b", "", "../up", "x" * 33, "a/b"):
            done = self.module("new", name)
            self.assertEqual(done.returncode, 2, name)
            self.assertIn(f'"{name}" is no module\'s name: it must be [a-z][a-z0-9_]{{0,31}}', done.stdout)
        for words in (("new",), ("new", "a", "b"), ("new", "a", "--dri", "x"), ("new", "a", "--dir", ""), (),
                      ("check",), ("check", "a", "b"), ("check", "a", "--seed"), ("check", "a", "--sede", "1"), ("nwe",)):
            self.assertEqual(self.module(*words).returncode, 2, words)
        self.assertIn("the broker has module.reload", self.module("reload", "kv").stdout)
        self.assertEqual(os.listdir(self.directory), [])

    def test_what_is_there_stays(self):
        os.mkdir(os.path.join(self.directory, "visits"))
        done = self.module("new", "visits")
        self.assertEqual((done.returncode, done.stdout), (1, "wherry: visits is there already: it stays as it is\n"))
        self.assertEqual(os.listdir(os.path.join(self.directory, "visits")), [])

    def test_nothing_is_left_half_written(self):
        done = self.module("new", "visits", restore_signals=False,  # else the limit's signal ends it
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)))
        self.assertEqual((done.returncode, done.stdout), (1, "wherry: visits/visits.c: File too large\n"))
        self.assertEqual(os.listdir(self.directory), [])
        done = self.module("new", "visits", "--dir", "nowhere")
        self.assertEqual((done.returncode, done.stdout), (1, "wherry: nowhere/visits: No such file or directory\n"))


class Check(Kit):
    def test_the_verdict_is_passed_on(self):
        modules = os.path.join(default_build(), "tests", "modules")
        done = self.module("check", os.path.join(modules, "other.so"), "--seconds", "1", "--seed=7")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("seed 7", done.stdout)
        done = self.module("check", os.path.join(modules, "nosymbol.so"))
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("is no module: it has no wherry_module_query()", done.stdout)

    def test_without_the_broker_s_program(self):
        alone = os.path.join(self.directory, "wherry")
        shutil.copy(os.path.join(self.bin, "wherry"), alone)
        done = run([alone, "module", "check", "x.so"], env=os.environ | {"PATH": self.directory})
        self.assertEqual((done.returncode, done.stdout),
                         (1, "wherry: no wherryd beside this program, nor in PATH: it does the checking\n"))


class Frozen(Kit):
    def setUp(self):
        super().setUp()
        for folder in ("include/wherry", "tests/abi"):
            shutil.copytree(os.path.join(TOP, folder), os.path.join(self.directory, folder))
        self.header = os.path.join(self.directory, "include", "wherry", "module.h")

    def faults(self):
        done = run([os.path.join(self.directory, "tests", "abi", "freeze"), "--check"])
        self.assertEqual(done.returncode != 0, "is as it was frozen" not in done.stdout)
        return done.stdout

    def golden(self):
        return run(["cc", "-fsyntax-only", "-Iinclude", "tests/abi/0.2/golden.c"], self.directory).stdout

    def test_as_it_was(self):
        self.assertEqual(self.faults(), "ABI 0.2 is as it was frozen\n")
        self.assertEqual(self.golden(), "")

    def test_a_changed_abi_is_named(self):
        for old, new, named in (
                ("uint32_t size, kinds, flags, reserved0;", "uint32_t size, flags, kinds, reserved0;",
                 "wherry_arg.kinds is at 4"),
                ("#define WHERRY_ARG_REST (1u << 3)", "#define WHERRY_ARG_REST (1u << 7)", "WHERRY_ARG_REST is 8"),
                ("WHERRY_WHY_SIGNAL, WHERRY_WHY_WAKE", "WHERRY_WHY_WAKE, WHERRY_WHY_SIGNAL", "WHERRY_WHY_SIGNAL is 1"),
                ("int64_t now_ms; ", "uint64_t now_ms; ", "wherry_call.now_ms is int64_t"),
                ("(*put_head)(wherry_call *, uint32_t arg,", "(*put_head)(wherry_call *, uint64_t arg,",
                 "wherry_keys.put_head is"),
                ("void (*revision)(wherry_out *);  ", "void (*revision)(wherry_out *); void (*more)(void);",
                 "wherry_write has 112 bytes"),
                ("} wherry_arg;", "} __attribute__((packed)) wherry_arg;", "wherry_arg is aligned to 8 bytes")):
            with self.subTest(named):
                self.change(self.header, old, new)
                self.assertIn(f"ABI 0.2: {named}", self.golden())
                self.assertIn("golden.c is not what the header gives", self.faults())
                self.change(self.header, new, old)

    def test_what_is_frozen_is_not_written_over(self):
        freeze = [os.path.join(self.directory, "tests", "abi", "freeze")]
        self.change(self.header, "#define WHERRY_CMD_PARKS (1u << 2)", "#define WHERRY_CMD_PARKS (1u << 6)")
        done = run(freeze)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ABI 0.2 is frozen: raise WHERRY_ABI_MINOR, or --anew if nobody has it yet", done.stdout)
        self.assertIn("WHERRY_CMD_PARKS is 4", self.golden())
        self.assertEqual(run(freeze + ["--anew"]).returncode, 0)
        self.assertEqual(self.faults(), "ABI 0.2 is as it was frozen\n")

    def test_what_the_freezer_can_not_read(self):
        self.change(self.header, "uint64_t opaque[8];", "uint64_t opaque[8] __attribute__((aligned(16)));")
        self.assertIn("wherry_cursor is aligned to 8 bytes", self.golden())
        self.assertIn("a declaration in a form that is not understood: uint64_t opaque[8] __attr", self.faults())

    def test_a_comment_may_change(self):
        self.change(self.header, "// [frozen] Bytes lent.", "// [frozen] Bytes on loan.")
        self.assertEqual(self.faults(), "ABI 0.2 is as it was frozen\n")


if __name__ == "__main__":
    unittest.main()
