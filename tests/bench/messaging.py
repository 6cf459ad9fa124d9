"""Publish/subscribe and queues, measured against what people would use otherwise: Redis, NATS, mosquitto, NNG's own PUB0,
beanstalkd.  One client drives each of them in its own protocol (messaging/fanout.c, messaging/jobs.c); ours and the peer
run in turn, and the ratio is that of each turn.  Every message is verified: what is lost, twice or out of order ends the run.
"""

import json
import os
import shutil
import subprocess
import threading

from rows import TIMEOUT_S, number, run, say, spread
from servers import Beanstalkd, Mosquitto, Nats, Redis, Server, Wherryd, free_port

HEAD = ("row", "Wherry", "the other", "", "ratio", "goal", "")
NOTE = ("Each row: ours and the other in turn, the median of all rounds (the least .. the most), and the ratio of each turn "
        "likewise. One client, `messaging/fanout.c` or `messaging/jobs.c`, drives all of them and verifies counts, order and "
        "content. The peers are Debian's and run as they come: mosquitto with quality of service 0, beanstalkd without its log.")
MIB = 1 << 20


class Versus:
    """One line of the table: a figure of ours beside the same of another, and their ratio of each turn."""

    def __init__(self, name, field, other=None, goal=None, less=True):
        self.name, self.field, self.other, self.goal, self.less = name, field, other, goal, less
        self.ours, self.theirs = [], []

    def add(self, ours, theirs=None):
        self.ours.append(ours[self.field])
        if theirs is not None:
            self.theirs.append(theirs[self.field])

    def ratios(self):
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs) if theirs]

    def reached(self):
        if self.goal is None:
            return ""
        values = sorted(self.ratios() or self.ours)
        median = values[len(values) // 2] if len(values) % 2 else sum(values[len(values) // 2 - 1:][:2]) / 2
        return "ok" if (median <= self.goal if self.less else median >= self.goal) else "miss"

    def cells(self):
        yield self.name
        yield spread(self.ours)
        yield self.other or ""
        yield spread(self.theirs)
        yield spread(self.ratios())
        yield f"{'<=' if self.less else '>='} {number(self.goal)}" if self.goal is not None else ""
        yield self.reached()


class Measure:
    """`ours` in turn with each of `others`; a function of none answers a measurement by field."""

    def __init__(self, ours, others, rows):
        self.ours, self.others = ours, others
        self._rows = [row for row in rows if row.other in others or row.other is None]

    def rows(self):
        return self._rows

    def round(self):
        for other, theirs in self.others.items():
            measured = self.ours(), theirs()
            for row in self._rows:
                if row.other == other:
                    row.add(*measured)
        alone = [row for row in self._rows if row.other is None]
        if alone:
            measured = self.ours()
            for row in alone:
                row.add(measured)


# --- the servers -------------------------------------------------------------------------------------------------------


class Program(Server):
    """A program of the benchmark's own."""

    def __init__(self, build, name, *options):
        super().__init__()
        self.peer, self.words = name, [os.path.join(build, "tests", name)]
        self.more = [str(option) for option in options]

    def command(self):
        return [*self.words, str(self.port), *self.more]

    def connect(self, timeout_s=30):
        return Redis.connect(self, timeout_s)


PEERS = {"Redis": (Redis, "redis-server"), "NATS": (Nats, "nats-server"), "mosquitto": (Mosquitto, "mosquitto"),
         "beanstalkd": (Beanstalkd, "beanstalkd")}


class Peers:
    """Those that are installed, running."""

    def __enter__(self):
        self.running = {}
        for name, (server, program) in PEERS.items():
            if shutil.which(program) or os.access(f"/usr/sbin/{program}", os.X_OK):
                self.running[name] = server().start()
            else:
                say(f"SKIPPED: {program} is not installed: nothing is measured against {name}")
        return self

    def __exit__(self, *_):
        for server in self.running.values():
            server.stop()


def broker(build):
    return Wherryd(build, max_subscriptions=200_000, max_wildcards=200_000, max_subscription_messages=1_000_000,
                   max_subscription_bytes="256MiB", outbox_bytes="64MiB")


# --- the loads ---------------------------------------------------------------------------------------------------------


class Load:
    """Runs a load program against a server."""

    def __init__(self, build, program, seconds):
        self.program, self.seconds = os.path.join(build, "tests", program), seconds

    def command(self, server, *options, peer=None, timed=True):
        words = [self.program, "--peer", peer or server.peer, "--port", server.port, *options]
        return [str(word) for word in words + (["--seconds", self.seconds] if timed else [])]

    def __call__(self, server, *options, cpu=None, **more):
        words = self.command(server, *options, **more)
        return json.loads(run(words if cpu is None else ["taskset", "--cpu-list", cpu, *words]))


class FanOut:
    """The rows of publishing and subscribing."""

    LOADED = ("--window", 16, "--payload", 4096, "--warmup-ms", 500)  # fills what the kernel keeps for the stopped ones

    def __init__(self, build, wherry, peers, options):
        self.build, self.wherry, self.peers = build, wherry, peers.running
        self.load, self.quick = Load(build, "fanout", options.seconds), options.quick

    def against(self, names, *options):
        return {name: lambda server=self.peers[name]: self.load(server, *options)
                for name in names if name in self.peers}

    def _beside(self, name, field, goals, *options, less=True):
        rows = [Versus(f"{name}, {field.replace('_', ' ')}", field, other, goal, less) for other, goal in goals.items()]
        return Measure(lambda: self.load(self.wherry, "--bound", 100_000, *options), self.against(goals, *options), rows)

    def pipelined(self):
        any_goal = {"Redis": None, "NATS": None}
        yield self._beside("100 subscribers, 64 bytes, 256 in flight", "us_a_publish",
                           {"Redis": 0.5, "NATS": 0.2, "mosquitto": None})
        yield self._beside("1 subscriber, 64 bytes, 256 in flight", "per_second",
                           {"Redis": 1.5, "NATS": 1.5, "mosquitto": None}, "--subscribers", 1, less=False)
        yield self._beside("1,000 subscribers, 64 bytes, 256 in flight", "us_a_publish", any_goal,
                           "--subscribers", 1000)
        yield self._beside("100 subscribers, 16 KiB, 256 in flight", "us_a_publish", any_goal, "--payload", 16384)

    def one_by_one(self):
        options = ("--window", 1, "--acked")
        rows = [Versus(f"100 subscribers, 64 bytes, one in flight, {what}, p50 us", field, other, goal)
                for what, field, goals in (("until all have it", "all_p50_us", {"Redis": 0.3}),
                                           ("until it is acknowledged", "answer_p50_us", {}))
                for other in ("Redis", "NATS", "mosquitto") for goal in (goals.get(other),)]
        return Measure(lambda: self.load(self.wherry, *options),
                       self.against(("Redis", "NATS", "mosquitto"), *options), rows)

    def _pub0(self):
        feed = free_port()
        with Program(self.build, "pub0", feed, 100) as server:
            return self.load(server, "--publish-port", feed, peer="nng")

    def stock(self):
        return Measure(lambda: self.load(self.wherry, peer="wherry-sub"), {"NNG's PUB0": self._pub0},
                       [Versus("100 stock SUB clients, 64 bytes, 256 in flight, publishes/s", "per_second", "NNG's PUB0",
                               5, less=False)])

    def no_match(self):
        quiet = ("--subscribers", 0)
        exact, wild = (2_000, 500) if self.quick else (100_000, 10_000)
        one = lambda: self.load(self.wherry, *quiet, "--exact", 1)  # noqa: E731
        for kind, count, goal in (("exact", exact, 2), ("wildcards", wild, None)):
            yield Measure(lambda kind=kind, count=count: self.load(self.wherry, *quiet, f"--{kind}", count),
                          {"1 subscription": one},
                          [Versus(f"no match, {count:,} subscriptions ({kind}), us a publish", "us_a_publish",
                                  "1 subscription", goal)])

    def _with_stopped(self):
        before, most = self.wherry.resident(), [0]
        over = threading.Event()

        def look():
            while not over.wait(0.01):
                most[0] = max(most[0], self.wherry.resident())

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            measured = self.load(self.wherry, *self.LOADED, "--stopped", 10)
        finally:
            over.set()
            watcher.join()
        return {**measured, "grown": (most[0] - before) / MIB}

    def stopped(self):
        return Measure(self._with_stopped, {"without them": lambda: self.load(self.wherry, *self.LOADED)},
                       [Versus("100 that read and 10 that do not, 4 KiB, 16 in flight, p99 us of those that read", "p99_us",
                               "without them", 1.2),
                        Versus("the same, memory that the broker grew by, MiB", "grown", None, 10),
                        Versus("the same, messages dropped and told", "lost")])

    def parts(self):
        stopped = self.stopped()  # before anything else has made the broker grow
        return [stopped, *self.pipelined(), self.one_by_one(), *self.no_match()]


class Jobs:
    """The rows of queues."""

    def __init__(self, build, wherry, peers, options):
        self.wherry, self.peers, self.load = wherry, peers.running, Load(build, "jobs", options.seconds)
        self.echo = Program(build, "echo").start()
        self.many = 20_000 if options.quick else 1_000_000
        self.wakes = 50 if options.quick else 1000
        cpus = sorted(os.sched_getaffinity(0))
        self.first, self.last, self.all = cpus[0], cpus[-1], set(cpus)

    def _others(self, *options):
        others = {"beanstalkd": self.peers.get("beanstalkd"), "echo, three round trips": self.echo}
        return {name: lambda server=server: self.load(server, *options) for name, server in others.items() if server}

    def work(self):
        for name, batch, whole, goals in (
                ("frames of 64 commands", 64, (), {"beanstalkd": 3}),
                ("a command for 64 jobs", 64, ("--whole",), {"beanstalkd": 3}),
                ("one by one", 1, (), {"beanstalkd": None, "echo, three round trips": 0.8})):
            options = ("--workers", 8, "--batch", batch)
            rows = [Versus(f"8 workers push, pop, ack: {name}, jobs/s", "per_second", other, goal, less=False)
                    for other, goal in goals.items()]
            others = {other: theirs for other, theirs in self._others(*options).items() if other in goals}
            yield Measure(lambda options=options, whole=whole: self.load(self.wherry, *options, *whole), others, rows)

    def _wakes(self, server, client_cpu):
        server.pin({self.first})
        try:
            return self.load(server, "--wakes", self.wakes, cpu=client_cpu, timed=False)
        finally:
            server.pin(self.all)

    def woken(self):
        for place, cpu in {"one processor": self.first, "different processors": self.last}.items():
            if cpu == self.first and place != "one processor":
                continue
            others = {"bare round trip": self.echo, "beanstalkd": self.peers.get("beanstalkd")}
            yield Measure(lambda cpu=cpu: self._wakes(self.wherry, cpu),
                          {name: lambda server=server, cpu=cpu: self._wakes(server, cpu)
                           for name, server in others.items() if server},
                          [Versus(f"a blocked pop wakes, client and server on {place}, p50 us", "p50_us", other, goal)
                           for other, goal in (("bare round trip", 1.5), ("beanstalkd", None))])

    def _depth(self, server, depth):
        return self.load(server, "--workers", 1, "--prefill", depth)

    def depth(self):
        yield Measure(lambda: self._depth(self.wherry, self.many), {"of 10": lambda: self._depth(self.wherry, 10)},
                      [Versus(f"a pop of a queue of {self.many:,}, p50 us", "pop_p50_us", "of 10", 1.2)])

    def parts(self):
        return [*self.work(), *self.woken(), *self.depth()]


def measure(build, options, rounds):
    """The rows, all rounds of them."""
    with broker(build) as wherry, Peers() as peers:
        fan_out, jobs = FanOut(build, wherry, peers, options), Jobs(build, wherry, peers, options)
        try:
            return rounds([*fan_out.parts(), fan_out.stock(), *jobs.parts()], options)
        finally:
            jobs.echo.stop()
