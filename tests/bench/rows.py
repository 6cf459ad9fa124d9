"""What the benchmarks share: lines of the tables, and running a command."""

import statistics
import subprocess
import sys

TIMEOUT_S = 120


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(str(w) for w in command)}: exit status {done.returncode}")
    return done.stdout


class Row:
    """One line of the table: samples of each contender; a goal on the ratio of ours to the peer's median."""

    def __init__(self, name, goal=None, peer=None, less=False):
        self.name, self.goal, self.peer, self.less = name, goal, peer, less
        self.samples = {}

    def add(self, who, value):
        self.samples.setdefault(who, []).append(value)

    def median(self, who):
        return statistics.median(self.samples[who])

    def ratio(self, peer):
        if peer not in self.samples or not self.median(peer):
            return None
        return self.median("wherry") / self.median(peer)

    def reached(self):
        if self.goal is None:
            return ""
        value = self.ratio(self.peer) if self.peer else self.median("wherry")
        return "ok" if (value <= self.goal if self.less else value >= self.goal) else "miss"

    def goal_text(self):
        if self.goal is None:
            return ""
        sign = "<=" if self.less else ">="
        return f"{sign} {self.goal:g} x {PEERS[self.peer]}" if self.peer else f"{sign} {number(self.goal)}"

    def cells(self):
        yield self.name
        for who in ("wherry", "benchmark", "lean"):
            yield spread(self.samples.get(who))
        for peer in ("benchmark", "lean"):
            ratio = self.ratio(peer)
            yield f"{ratio:.2f}" if ratio is not None else ""
        yield self.goal_text()
        yield self.reached()


PEERS = {"benchmark": "redis-benchmark", "lean": "Redis, lean"}
HEAD = ("row", "Wherry", "redis-benchmark", "Redis, lean client", "ratio", "ratio lean", "goal", "")


def number(value):
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def spread(values):
    if not values:
        return ""
    if len(values) == 1:
        return number(values[0])
    return f"{number(statistics.median(values))} ({number(min(values))} .. {number(max(values))})"
