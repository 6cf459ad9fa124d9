#!/usr/bin/python3
"""A worker: worker.py NAME.  Works off the queue `squares` until it is stopped (SIGTERM, Ctrl-C).

It may be killed at any moment: the job it had is done by another.  The acknowledgement, the result and the event are one
transaction, so a job has one result even if two have worked on it.
"""

import signal
import sys
import time

import wherry


class Worker:
    def __init__(self, name):
        self.name = name
        self.client = wherry.connect(name=f"worker {name}")

    def run(self):
        with self.client, self.client.consume("squares") as jobs:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: jobs.stop())
            jobs.run(self.work)
        print(f"{self.name} goes home", flush=True)

    def work(self, job):
        """What it raises gives the job back, to be tried again later."""
        square = self.square(job.value)
        with self.client.transaction() as done:
            done.ack(job)
            done.kv.set(("square", job.value), square)
            done.pubsub.publish("squares.done", job.value)
        print(f"{self.name}: {job.value} -> {square}, attempt {job.attempt}", flush=True)

    def square(self, number):
        time.sleep(0.02)  # as if it were hard
        if number == 13:
            raise ValueError("thirteen is unlucky")
        return number * number


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Worker(sys.argv[1]).run()
