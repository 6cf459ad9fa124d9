"""Servers that tests and measurements run against: each has a directory and a port of its own, on the loopback
interface, and ends with the test.

    with Wherryd(build, max_frame="1MiB") as broker:
        socket = broker.connect()
"""

import atexit
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from wherry_py import Client

SP_PAIR1, SP_REQ = 0x11, 0x30
START_S, STOP_S = 30, 30
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:")


def default_build():
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    return os.path.abspath(os.environ.get("WHERRY_BUILD", os.path.join(top, "build", "release")))


def interruptible():
    """SIGTERM unwinds like Ctrl-C, so that servers are stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that answers on self.port; the directory self.dir is its own."""

    def __init__(self):
        self.process = None

    def start(self):
        atexit.register(self._end)  # Ctrl-C takes ways on which unittest cleans nothing up
        self.dir = tempfile.mkdtemp(prefix="wherry-test-")
        self.port = free_port()
        self.log = os.path.join(self.dir, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.dir)
        try:
            self._await_port()
        except BaseException:
            self.stop()
            raise
        return self

    def _await_port(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.peer} ended at once, {self.process.returncode}:\n{self.read_log()}")
            try:
                self.connect().close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self.peer} does not answer:\n{self.read_log()}")

    def read_log(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """Ends it.  Answers its exit status; a sanitizer's report is printed and is an error."""
        if self.process is None:
            return 0
        if self.alive():
            self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        status, log = self.process.returncode, self.read_log()
        self.process = None
        shutil.rmtree(self.dir, ignore_errors=True)
        if any(report in log for report in REPORTS):
            sys.stderr.write(log)
            raise AssertionError(f"{self.peer}: a sanitizer reported")
        return status

    def _end(self):
        try:
            self.stop()
        except AssertionError as report:
            print(report, file=sys.stderr)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind:
            sys.stderr.write(self.read_log()[-4000:])
        self.stop()

    # --- what /proc says ---

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        """Resident memory in bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))

    def pin(self, cpus):
        """All its threads run only there."""
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            os.sched_setaffinity(int(thread), cpus)

    def switches(self):
        """How often its threads went to sleep."""
        count = 0
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{thread}/status") as status:
                count += next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))
        return count

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Wherryd(Server):
    peer = "wherry"

    def __init__(self, build=None, config="", **options):
        """Options by name, and lines for its configuration file."""
        super().__init__()
        self.build, self.config, self.options = build or default_build(), config, options

    def command(self):
        config = os.path.join(self.dir, "wherryd.conf")
        with open(config, "w") as out:
            out.writelines(f'{name} = "{value}"\n' if isinstance(value, str) else f"{name} = {value}\n"
                           for name, value in self.options.items())
            out.write(self.config)
        data = os.path.join(self.dir, "data")
        os.mkdir(data)
        return [os.path.join(self.build, "bin", "wherryd"), "-l", self.url, "-d", data, "-c", config]

    def call(self, method, *params, **options):
        """One request on a connection of its own."""
        with Client(self.url) as client:
            return client.call(method, *params, **options)

    def memory(self):
        """What it accounts for its data, in bytes."""
        return self.call("sys.info")["memory"]

    def sanitized(self):
        """The sanitizers it was built with, "" without one: with one it is slow and large."""
        with open(os.path.join(self.build, "CMakeCache.txt")) as cache:
            found = [line.split("=", 1)[1].strip() for line in cache if line.startswith("WHERRY_SANITIZE:")]
        return found[0] if found else ""

    @property
    def url(self):
        return f"tcp://127.0.0.1:{self.port}"

    def connect(self, protocol=SP_PAIR1, timeout_s=30):
        """A plain socket after SP's handshake."""
        stream = socket.create_connection(("127.0.0.1", self.port), timeout_s)
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.sendall(b"\0SP\0" + protocol.to_bytes(2, "big") + b"\0\0")
            if len(stream.recv(8, socket.MSG_WAITALL)) != 8:
                raise ConnectionError("the broker closed the handshake")
        except BaseException:
            stream.close()
            raise
        return stream


class Redis(Server):
    peer = "redis"

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--dir", self.dir]

    def connect(self, timeout_s=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)

    def memory(self):
        """What it accounts for its data, in bytes."""
        text = subprocess.run(["redis-cli", "-p", str(self.port), "info", "memory"], stdout=subprocess.PIPE,
                              text=True, check=True).stdout
        return next(int(line.split(":")[1]) for line in text.splitlines() if line.startswith("used_memory:"))


class Nats(Server):
    peer = "nats"

    def command(self):
        return ["nats-server", "-a", "127.0.0.1", "-p", str(self.port)]

    def connect(self, timeout_s=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)


class Mosquitto(Server):
    peer = "mqtt"

    def command(self):
        config = os.path.join(self.dir, "mosquitto.conf")
        with open(config, "w") as out:
            out.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
                      f"set_tcp_nodelay true\nlog_type error\nuser {getpass.getuser()}\n")
        return ["mosquitto", "-c", config]

    def connect(self, timeout_s=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)


class Beanstalkd(Server):
    peer = "beanstalkd"

    def command(self):
        return ["beanstalkd", "-l", "127.0.0.1", "-p", str(self.port)]

    def connect(self, timeout_s=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)
