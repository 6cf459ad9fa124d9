"""What people touch, measured against what they would otherwise use: the client library against a bare socket, `wherry <
file` against redis-cli --pipe, and requests while their module is reloaded."""

import json
import os
import subprocess
import tempfile
import time

from rows import TIMEOUT_S, Row, run, spread

HEAD = ("row", "ours", "the other", "ratio", "goal", "")


class Edge(Row):
    """A row with one peer of its own."""

    def __init__(self, name, goal, other=None, less=False):
        super().__init__(name, goal, "other" if other else None, less)
        self.other = other

    def goal_text(self):
        sign = "<=" if self.less else ">="
        return f"{sign} {self.goal:g} x {self.other}" if self.other else f"{sign} {self.goal:g}"

    def cells(self):
        ratio = self.ratio("other")
        yield self.name
        yield spread(self.samples.get("wherry"))
        yield spread(self.samples.get("other"))
        yield f"{ratio:.2f}" if ratio is not None else ""
        yield self.goal_text()
        yield self.reached()


class Caller:
    """Runs caller.c, the client library's user."""

    def __init__(self, build, seconds):
        self.program, self.seconds = os.path.join(build, "tests", "caller"), seconds

    def __call__(self, server, mode, *options, cpu=None):
        words = [self.program, "--url", server.url, "--mode", mode, "--seconds", self.seconds, *options]
        return json.loads(run(words if cpu is None else ["taskset", "--cpu-list", cpu, *words]))


class Blocking:
    """One blocking call after another, against the bare client of load.c on the same broker."""

    def __init__(self, client, caller, wherry):
        self.client, self.caller, self.wherry = client, caller, wherry
        cpus = sorted(os.sched_getaffinity(0))
        self.first, self.last, self.all = cpus[0], cpus[-1], set(cpus)
        places = {"on one processor": self.first}
        if self.first != self.last:
            places["on different processors"] = self.last
        self.places = {cpu: Edge(f"blocking call, client and broker {place}, p50 us", 1.1, "the bare client", less=True)
                       for place, cpu in places.items()}

    def rows(self):
        return list(self.places.values())

    def round(self):
        self.wherry.pin({self.first})
        for cpu, row in self.places.items():
            row.add("wherry", self.caller(self.wherry, "call", cpu=cpu)["p50_us"])
            row.add("other", self.client.ping_pong(self.wherry, "get", cpu)["p50_us"])
        self.wherry.pin(self.all)


class Asynchronous:
    """64 in flight through callbacks, against 64 in one hand-made frame."""

    def __init__(self, client, caller, wherry, op):
        self.client, self.caller, self.wherry, self.op = client, caller, wherry, op
        self.row = Edge(f"asynchronous {op}, 64 in flight, requests/s", 0.8, "hand-made frames of 64")

    def rows(self):
        return [self.row]

    def round(self):
        self.row.add("wherry", self.caller(self.wherry, "send", "--op", self.op)["per_second"])
        self.row.add("other", self.client.lean(self.wherry, self.op, 1, 1, 64)["per_second"])


class Pipe:
    """A file of sets, one a line, against the same sets in Redis's own format."""

    def __init__(self, build, wherry, redis, lines):
        self.wherry, self.redis, self.lines = wherry, redis, lines
        self.program = os.path.join(build, "bin", "wherry")
        self.row = Edge(f"wherry < file, {lines:,} sets, lines/s", 1.0, "redis-cli --pipe")

    def rows(self):
        return [self.row]

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory()
        self.plain, self.resp = (os.path.join(self.dir.name, name) for name in ("plain", "resp"))
        with open(self.plain, "w") as plain, open(self.resp, "w", newline="") as resp:
            for number in range(self.lines):
                key = f"pipe:{number:011d}"
                value = key + "v" * 48
                plain.write(f"kv.set {key} {value}\n")
                resp.write(f"*3\r\n$3\r\nSET\r\n$16\r\n{key}\r\n$64\r\n{value}\r\n")
        return self

    def __exit__(self, *_):
        self.dir.cleanup()

    def _time(self, words, path):
        began = time.monotonic()
        with open(path) as source:
            done = subprocess.run([str(word) for word in words], stdin=source, stdout=subprocess.DEVNULL,
                                  timeout=TIMEOUT_S)
        if done.returncode != 0:
            raise SystemExit(f"bench: {words[0]}: exit status {done.returncode}")
        return self.lines / (time.monotonic() - began)

    def round(self):
        self.row.add("wherry", self._time([self.program, "-u", self.wherry.url], self.plain))
        self.row.add("other", self._time(["redis-cli", "-p", self.redis.port, "--pipe"], self.resp))


class Reload:
    """The longest that a request took meanwhile, of each reload; beside it, of as many waits without one."""

    RELOADS = 200

    def __init__(self, caller, wherry):
        self.caller, self.wherry = caller, wherry
        self.row = Edge("longest request around a reload of kv, p99 us", 5000, less=True)

    def rows(self):
        return [self.row]

    def round(self):
        for who, module in (("wherry", "kv"), ("other", "-")):
            result = self.caller(self.wherry, "reload", "--module", module, "--count", self.RELOADS)
            self.row.add(who, result["p99_us"])
