#!/usr/bin/python3
"""What others build on: the CMake package and pkg-config files of an installation that was moved, and every program of
clients/README.md, compiled, run, and compared with what it is said to print."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import Wherryd, default_build, free_port  # noqa: E402

CLIENT = """
#include <stdio.h>
#include <wherry/client.h>
int main(int argc, char **argv)
{
	wherry_client *client;
	wherry_reply reply = {0};
	if (argc < 2 || wherry_client_open(argv[1], NULL, &client, &reply.error) != WHERRY_OK)
		return 1;
	wherry_client_call(client, "sys.ping", NULL, 0, NULL, 0, &reply);
	printf("%s %zu\\n", wherry_client_version(), reply.result_len);
	wherry_reply_free(&reply);
	wherry_client_close(client);
	return 0;
}
"""

BROKER = """
#include <stdio.h>
#include <wherry/broker.h>
int main(void)
{
	wherry_broker *broker;
	char *why;
	wherry_config *config = wherry_config_new();
	wherry_config_set(config, "log_level", "error");
	int status = wherry_broker_open(config, &broker, &why);
	wherry_config_free(config);
	if (status != WHERRY_OK)
		return 1;
	printf("open\\n");
	wherry_broker_close(broker);
	return 0;
}
"""

CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(consumer LANGUAGES C CXX)
find_package(wherry {version} REQUIRED)
add_executable(shared client.c)
target_link_libraries(shared PRIVATE wherry::client)
add_executable(static client.c)
target_link_libraries(static PRIVATE wherry::client-static)
add_executable(embed broker.c)
target_link_libraries(embed PRIVATE wherry::broker)
add_library(hello MODULE hello.c)
target_link_libraries(hello PRIVATE wherry::module)
set_target_properties(hello PROPERTIES PREFIX "")
"""


class Listening(Wherryd):
    """Where its file says, too: an address of the command line would take the place of those."""

    def command(self):
        self.config += f'listen "{self.url}" {{}}\n'
        words = super().command()
        at = words.index("-l")
        return words[:at] + words[at + 2:]


def run(words, **more):
    environment = os.environ | more.pop("environment", {})
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, env=environment,
                          **more)


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def sanitized():
    return Wherryd(default_build()).sanitized()


@unittest.skipIf(sanitized(), "a program would have to be sanitized, too")
class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="wherry-test-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        first, cls.prefix = os.path.join(cls.dir, "first"), os.path.join(cls.dir, "moved", "here")
        done = run(["cmake", "--install", default_build(), "--prefix", first])
        assert done.returncode == 0, done.stdout
        os.mkdir(os.path.join(cls.dir, "moved"))
        os.rename(first, cls.prefix)
        cls.source = os.path.join(cls.dir, "source")
        os.mkdir(cls.source)
        write(os.path.join(cls.source, "client.c"), CLIENT)
        write(os.path.join(cls.source, "broker.c"), BROKER)
        shutil.copy(os.path.join(TOP, "examples", "hello", "hello.c"), cls.source)

    def configure(self, version, build):
        write(os.path.join(self.source, "CMakeLists.txt"), CMAKE.format(version=version))
        return run(["cmake", "-S", self.source, "-B", os.path.join(self.dir, build), f"-DCMAKE_PREFIX_PATH={self.prefix}"])

    def folder_of(self, name):
        (found,) = [folder for folder, _, names in os.walk(self.prefix) if name in names]
        return found

    def test_cmake(self):
        done = self.configure("0.1", "build")
        self.assertEqual(done.returncode, 0, done.stdout)
        build = os.path.join(self.dir, "build")
        done = run(["cmake", "--build", build])
        self.assertEqual(done.returncode, 0, done.stdout)
        with Wherryd() as broker:
            for program in ("shared", "static"):
                done = run([os.path.join(build, program), broker.url])
                self.assertEqual((done.returncode, done.stdout), (0, "0.1.0 5\n"), program)
        self.assertEqual(run([os.path.join(build, "embed")]).stdout, "open\n")
        exported = run(["nm", "-D", "--defined-only", os.path.join(build, "hello.so")]).stdout.split()[2::3]
        self.assertEqual(exported, ["wherry_module_query"])
        self.assertNotIn("libwherry", run(["ldd", os.path.join(build, "static")]).stdout)

    def test_versions(self):
        for version, good in (("0.1.0", True), ("0.2", False), ("1.0", False), ("0.0.9", False)):
            done = self.configure(version, "version-" + version)
            self.assertEqual(done.returncode == 0, good, done.stdout)

    @unittest.skipUnless(shutil.which("pkg-config"), "no pkg-config")
    def test_pkg_config(self):
        folder = self.folder_of("wherry.pc")
        libraries = os.path.dirname(folder)
        with Wherryd() as broker:
            for package, source, static, wanted in (("wherry", "client.c", False, "0.1.0 5\n"),
                                                    ("wherry", "client.c", True, "0.1.0 5\n"),
                                                    ("wherry-broker", "broker.c", False, "open\n")):
                words = ["pkg-config", "--cflags", "--libs"] + ["--static"] * static + [package]
                flags = run(words, environment={"PKG_CONFIG_PATH": folder}).stdout.split()
                if static:
                    flags = [os.path.join(libraries, "libwherry.a") if flag == "-lwherry" else flag for flag in flags]
                program = os.path.join(self.dir, "program")
                built = run(["cc", "-Wall", "-Werror", os.path.join(self.source, source), "-o", program, *flags])
                self.assertEqual(built.returncode, 0, built.stdout)
                done = run([program, broker.url], environment={} if static else {"LD_LIBRARY_PATH": libraries})
                self.assertEqual((done.returncode, done.stdout), (0, wanted), flags)

    def test_what_is_exported(self):
        """Only wherry_*, of the shared library and of the static one."""
        static = run(["nm", "-g", "--defined-only", os.path.join(self.folder_of("libwherry.a"), "libwherry.a")]).stdout
        shared = run(["nm", "-D", "--defined-only", os.path.join(self.folder_of("libwherry.so"), "libwherry.so")]).stdout
        names = [sorted(line.split()[2] for line in text.splitlines() if len(line.split()) == 3) for text in (static, shared)]
        self.assertEqual(names[0], names[1])
        self.assertIn("wherry_client_send", names[0])
        self.assertEqual([name for name in names[0] if not name.startswith("wherry_")], [])


class Tour(unittest.TestCase):
    """clients/README.md."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="wherry-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.build = default_build()

    def programs(self):
        """Each with what it prints."""
        with open(os.path.join(TOP, "clients", "README.md"), encoding="utf-8") as text:
            for piece in text.read().split("```c\n")[1:]:
                code, _, rest = piece.partition("```")
                yield code, rest.partition("```text\n")[2].partition("```")[0]

    def compile(self, code):
        source, program = os.path.join(self.dir, "tour.c"), os.path.join(self.dir, "tour")
        write(source, code)
        sanitize = self.sanitizer()
        done = run(["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", *sanitize, source, "-o", program,
                    "-I", os.path.join(TOP, "include"), "-L", os.path.join(self.build, "lib"), "-lwherry", "-lmsgpackc",
                    "-pthread"])
        self.assertEqual(done.returncode, 0, done.stdout)
        return program

    def sanitizer(self):
        with open(os.path.join(self.build, "CMakeCache.txt")) as cache:
            kinds = [line.strip().partition("=")[2] for line in cache if line.startswith("WHERRY_SANITIZE:")]
        return [f"-fsanitize={kind}" for kind in kinds if kind]

    def tls(self):
        cert, key = os.path.join(self.dir, "cert.pem"), os.path.join(self.dir, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        port = free_port()
        return (f'listen "tls+tcp://127.0.0.1:{port}" {{ tls_cert = "{cert}" tls_key = "{key}" }}\n',
                {"WHERRY_TLS_URL": f"tls+tcp://localhost:{port}", "WHERRY_CA": cert})

    def test_every_program(self):
        count = 0
        for code, wanted in self.programs():
            count += 1
            needs_tls = "WHERRY_TLS_URL" in code
            if needs_tls and not shutil.which("openssl"):
                continue
            config, environment = self.tls() if needs_tls else ("", {})
            with self.subTest(code), Listening(config=config) as broker:
                said = self.output(self.compile(code), broker, environment)
                if sanitized():  # so slow a client that each frame leaves before the next request comes
                    said = said.replace("one by one", "in far fewer frames")
                self.assertEqual(said, wanted)
        self.assertGreaterEqual(count, 8)

    def output(self, program, broker, environment):
        """One that waits is shown how the broker ends."""
        environment = os.environ | environment | {"WHERRY_URL": broker.url,
                                                  "LD_LIBRARY_PATH": os.path.join(self.build, "lib")}
        with subprocess.Popen([program], stdout=subprocess.PIPE, text=True, env=environment) as process:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line == "waiting\n":
                    broker.process.terminate()
            self.assertEqual(process.wait(60), 0)
        return "".join(lines)


if __name__ == "__main__":
    unittest.main()
