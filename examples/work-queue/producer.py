#!/usr/bin/python3
"""A producer: producer.py COUNT.  Pushes so many numbers, waits until each is done or given up, and says what came of it."""

import sys

import wherry


def produce(client, count):
    client.queue.create("squares", max_attempts=3, backoff=[50])
    with client.subscribe("squares.done") as done:
        client.queue.push("squares", *range(count))
        while left(client):
            done.get(timeout=0.5)


def left(client):
    stats = client.queue.stats("squares")
    return stats["ready"] + stats["delayed"] + stats["reserved"]


def report(client, count):
    squares = client.kv.mget(*[("square", number) for number in range(count)])
    right = sum(square == number * number for number, square in enumerate(squares))
    print(f"{count} jobs: {right} are done, {squares.count(None)} are not")
    for dead in client.queue.peek("squares", state="dead", max=10):
        print(f"given up: {dead['value']}, {dead['headers']['x-error']}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with wherry.connect(name="producer") as broker:
        produce(broker, int(sys.argv[1]))
        report(broker, int(sys.argv[1]))
