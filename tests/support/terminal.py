"""A program in a terminal that tests can see: tmux, on a socket of its own.

    with Terminal([WHERRY, "prompt"], env={"WHERRY_URL": url}) as terminal:
        terminal.await_text("> ")
        terminal.type("sys.ping", "Enter")
"""

import os
import re
import shutil
import subprocess
import tempfile
import time

WAIT_S = 30
missing = None if shutil.which("tmux") else "tmux is not installed: nothing that draws on a terminal is tested"


class Terminal:
    def __init__(self, command, env=None, columns=100, rows=30):
        self.dir = tempfile.mkdtemp(prefix="wherry-test-")
        self.socket = os.path.join(self.dir, "tmux")
        unset = ("WHERRY_URL", "NO_COLOR", "WHERRY_HISTORY", "WHERRY_HISTORY_SIZE", "TMUX", "EDITRC")
        self.env = {name: value for name, value in os.environ.items() if name not in unset}
        # The terminal is tmux's; HOME and the state are the test's.
        self.env |= {"HOME": self.dir, "XDG_STATE_HOME": self.dir, "LC_ALL": "C.UTF-8"} | (env or {})
        options = ["-f", "/dev/null", "start-server", ";", "set-option", "-g", "remain-on-exit", "on", ";",
                   "set-option", "-g", "history-limit", "0", ";"]
        # The status through a file: tmux loses some.  Ctrl-C is for the program, not for this shell.
        self.status = os.path.join(self.dir, "status")
        wrapped = ["sh", "-c", 'trap : INT; "$@"; echo $? > "$0"', self.status]
        if env and "TERM" in env:
            wrapped += ["env", f"TERM={env['TERM']}"]
        try:
            self.tmux(*options, "new-session", "-d", "-x", str(columns), "-y", str(rows), *wrapped, *command)
        except BaseException:
            self.close()
            raise

    def tmux(self, *arguments):
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *arguments], capture_output=True, text=True,
                              timeout=WAIT_S, env=self.env, cwd=self.dir)
        if done.returncode != 0:
            raise AssertionError(f"tmux {arguments}: {done.stderr}")
        return done.stdout

    def type(self, text, *keys):
        """Text as it stands, then keys as tmux names them: Enter, Tab, C-c."""
        if text:
            self.tmux("send-keys", "-l", "--", text)
        if keys:
            self.tmux("send-keys", *keys)

    def paste(self, text):
        path = os.path.join(self.dir, "pasted")
        with open(path, "w", encoding="utf-8") as pasted:
            pasted.write(text)
        self.tmux("load-buffer", path, ";", "paste-buffer")

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def rows(self):
        """What is on the screen, without blanks at the ends of rows and without empty rows below."""
        return [row.rstrip() for row in self.tmux("capture-pane", "-p").rstrip().split("\n")]

    def text(self):
        return "\n".join(self.rows())

    def styled(self):
        """The screen with the sequences that give it colour."""
        return self.tmux("capture-pane", "-p", "-e")

    def await_true(self, condition, what):
        end = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"{what} does not come; the screen is\n{self.text()}")
            time.sleep(0.02)

    def await_text(self, *wanted):
        for text in wanted:
            self.await_true(lambda: text in self.text(), repr(text))

    def await_gone(self, text):
        self.await_true(lambda: text not in self.text(), f"the end of {text!r}")

    def await_match(self, pattern):
        self.await_true(lambda: re.search(pattern, self.text(), re.M), pattern)

    def await_end(self):
        """The program's exit status, negative of a signal."""
        self.await_true(lambda: os.path.exists(self.status) and os.path.getsize(self.status), "the program's end")
        with open(self.status) as status:
            number = int(status.read())
        return 128 - number if number > 128 else number

    def pid(self):
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        with open(f"/proc/{shell}/task/{shell}/children") as children:
            return int(children.read().split()[0])

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, timeout=WAIT_S)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
