#!/usr/bin/python3
"""The prompt and a broker that is slow, goes away, comes back or is not there; and how a prompt ends.

    WHERRY_BUILD=build/debug tests/e2e/test_prompt_connection.py
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import terminal  # noqa: E402
from servers import Wherryd, default_build, free_port  # noqa: E402
from terminal import Terminal  # noqa: E402

BUILD = default_build()
WHERRY = os.path.join(BUILD, "bin", "wherry")
FOR_EVER = "parker.sleep 600000"


class Broker(Wherryd):
    """On the port it is told, with parker.sleep, which waits."""

    def __init__(self, port):
        super().__init__(BUILD)
        self.told_port = port

    def command(self):
        self.port = self.told_port
        return super().command() + ["-m", os.path.join(BUILD, "tests", "modules", "parker.so")]


class Mute:
    """Takes connections and never says a word."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.taken = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        try:
            while True:
                self.taken.append(self.listener.accept()[0])
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for stream in self.taken:
            stream.close()


@unittest.skipIf(terminal.missing, terminal.missing)
class Connection(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.prompt = f"wherry {self.url}>"

    def broker(self):
        broker = Broker(self.port).start()
        self.addCleanup(broker.stop)
        return broker

    def start(self, *flags, **env):
        screen = Terminal([WHERRY, *flags, "prompt"], {"WHERRY_URL": self.url} | env)
        self.addCleanup(screen.close)
        return screen

    def await_prompt(self, screen):
        screen.await_true(lambda: screen.rows()[-1] == self.prompt, "the prompt")

    def ask(self, screen, line, answer):
        screen.type(line, "Enter")
        screen.await_true(lambda: screen.rows()[-3:] == [f"{self.prompt} {line}", answer, self.prompt], answer)

    def test_control_c_ends_waiting_and_nothing_else(self):
        self.broker()
        screen = self.start()
        self.await_prompt(screen)
        for _ in range(3):
            screen.type(FOR_EVER, "Enter")
            screen.await_true(lambda: screen.rows()[-1].endswith(FOR_EVER), "the wait")
            screen.type("", "C-c")
            screen.await_true(lambda: screen.rows()[-3:] == ["^C", "parker.sleep is no longer waited for; it may "
                                                             "still run.", self.prompt], "the prompt")
        self.ask(screen, "sys.ping", "PONG")
        screen.type(f"\\watch 1 {FOR_EVER}", "Enter")
        screen.type("", "C-c")
        self.await_prompt(screen)
        self.ask(screen, "sys.ping", "PONG")
        screen.type("", "C-d")
        self.assertEqual(screen.await_end(), 0)

    def test_an_answer_that_takes_too_long(self):
        self.broker()
        screen = self.start("-t", "0.3")
        self.await_prompt(screen)
        screen.type(FOR_EVER, "Enter")
        screen.await_text("ETIMEOUT", "whether the command ran is not known")
        self.await_prompt(screen)
        self.ask(screen, "sys.ping", "PONG")

    def test_the_broker_restarts_while_nobody_types(self):
        broker = self.broker()
        screen = self.start()
        self.await_prompt(screen)
        broker.call("ns.create", "orders")
        broker.stop()
        screen.await_text("no connection to the broker; it is tried again")
        broker = self.broker()
        screen.await_gone("no connection")
        screen.type("sys.ping", "Enter")
        screen.await_match("^PONG$")
        self.await_prompt(screen)
        screen.await_text("The connection was lost", "Connected again.")

    def test_the_broker_goes_while_it_is_asked(self):
        broker = self.broker()
        screen = self.start("--no-color")
        self.await_prompt(screen)
        screen.type("kv.set a 1", "Enter")
        screen.await_match("^1$")
        screen.type("parker.wait a", "Enter")
        screen.await_true(lambda: broker.call("sys.info")["parked"] == 1, "the wait")
        broker.process.kill()
        broker.stop()
        screen.await_text("The connection was lost", "commands wait for it")
        screen.type("", "C-c")
        self.await_prompt(screen)
        screen.type("kv.count", "Enter")
        self.broker()
        screen.await_match("^0$")
        self.await_prompt(screen)
        screen.await_text("Connected again.")

    def test_there_is_no_broker_yet(self):
        screen = self.start()
        screen.await_text(f"no broker answers at {self.url}", "Start one with 'wherryd'", "Trying again")
        self.broker()
        self.await_prompt(screen)
        self.ask(screen, "sys.ping", "PONG")

    def test_there_never_is_a_broker(self):
        for key in ("C-d", "C-c"):
            screen = self.start()
            screen.await_text("Trying again")
            screen.type("", key)
            self.assertEqual(screen.await_end(), 75)
            screen.close()

    def test_what_answers_is_no_broker(self):
        mute = Mute(self.port)
        self.addCleanup(mute.close)
        screen = self.start("-t", "0.3")
        screen.await_text("no broker answers")
        screen.type("", "C-c")
        self.assertEqual(screen.await_end(), 75)
        screen = self.start("-u", "gopher://here")
        self.assertEqual(screen.await_end(), 2)

    def test_control_c_while_it_connects(self):
        mute = Mute(self.port)
        self.addCleanup(mute.close)
        screen = self.start()
        screen.await_true(lambda: mute.taken, "the connection")
        screen.type("", "C-c")
        self.assertEqual(screen.await_end(), 75)
        self.assertNotIn("no broker answers", screen.text())

    def test_suspended_while_it_waits(self):
        self.broker()
        screen = Terminal(["bash", "--norc", "-i"], {"WHERRY_URL": self.url, "PS1": "shell$ "})
        self.addCleanup(screen.close)
        screen.type(f"{WHERRY} prompt", "Enter")
        self.await_prompt(screen)

        def flags():
            return screen.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}").strip()

        for line, drawn in ((FOR_EVER, "0 1 1"), ("\\watch 0.2 sys.ping", "1 0 0"), (f"\\watch 1 {FOR_EVER}", "1 0 0")):
            screen.type("", "C-l")
            screen.await_true(lambda: screen.rows() == [self.prompt], "an empty screen")
            screen.type(line, "Enter")
            screen.await_true(lambda: flags() == drawn, "its screen")
            screen.await_true(lambda: self.prompt != screen.rows()[-1], "the wait")
            screen.type("", "C-z")
            screen.await_text("Stopped")
            self.assertEqual(flags(), "0 1 1")
            screen.type("fg", "Enter")
            screen.await_true(lambda: flags() == drawn, "its screen")
            screen.type("", "C-c")
            self.await_prompt(screen)
        screen.type("", "C-d")
        screen.await_true(lambda: screen.rows()[-1] == "shell$", "the shell")

    def test_ctrl_z_gives_the_terminal_back_as_it_was(self):
        self.broker()
        screen = Terminal(["bash", "--norc", "-i"], {"WHERRY_URL": self.url, "PS1": "shell$ "})
        self.addCleanup(screen.close)
        # This shell changes nothing of the terminal by itself.
        script = 'set -m; stty -a > before; "$0" prompt; stty -a > after; fg'
        screen.type(f"exec sh -c '{script}' {WHERRY}", "Enter")
        self.await_prompt(screen)
        screen.type("sys.pi")
        screen.await_text("sys.pi")
        screen.type("", "C-z")
        screen.await_true(lambda: screen.rows()[-1].endswith("sys.pi"), "the line")
        screen.type("ng", "Enter")
        screen.await_match("^PONG$")
        before, after = (open(os.path.join(screen.dir, name)).read() for name in ("before", "after"))
        self.assertEqual(before, after)

    def test_ctrl_z_without_a_shell_stops_nothing(self):
        self.broker()
        screen = self.start()
        self.await_prompt(screen)
        screen.type("sys.pi")
        screen.await_text("sys.pi")
        screen.type("", "C-z")
        screen.type("ng", "Enter")
        screen.await_match("^PONG$")

    def test_not_a_terminal(self):
        self.broker()
        done = subprocess.run([WHERRY, "-u", self.url, "prompt"], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=30)
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(b"wherry pipe", done.stderr)

    def test_is_ended_from_outside(self):
        self.broker()
        for line, end in [("", signal.SIGTERM), ("sys.pi", signal.SIGTERM), (FOR_EVER + "\n", signal.SIGTERM)]:
            screen = self.start()
            self.await_prompt(screen)
            screen.type(line)
            if line:
                screen.await_text(line.strip())
            os.kill(screen.pid(), end)
            self.assertEqual(screen.await_end(), -end)
            screen.close()

    def test_leaves_the_terminal_as_it_was(self):
        self.broker()
        for keys in (["C-d"], ["kill"]):
            screen = Terminal(["sh", "-c", 'stty -a > before; "$0" prompt; stty -a > after', WHERRY],
                              {"WHERRY_URL": self.url})
            self.addCleanup(screen.close)
            self.await_prompt(screen)
            if keys == ["kill"]:
                with open(f"/proc/{screen.pid()}/task/{screen.pid()}/children") as children:
                    os.kill(int(children.read()), signal.SIGTERM)
            else:
                screen.type("", *keys)
            screen.await_end()
            before, after = (open(os.path.join(screen.dir, name)).read() for name in ("before", "after"))
            self.assertEqual(before, after)


if __name__ == "__main__":
    unittest.main()
