#!/usr/bin/python3
"""A dashboard: dashboard.py COUNT.  Shows so many readings of all sensors as they come, then the last of each."""

import sys

import wherry


def show(client, count):
    latest = {}
    with client.subscribe("sensor.>") as readings:
        for reading in readings:
            if reading.gap:
                print(f"(missed: {reading.gap})")
            latest[reading.topic] = float(reading.payload)
            count -= 1
            if not count:
                break
    for topic, value in sorted(latest.items()):
        print(f"{topic:24} {value:6.1f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with wherry.connect(name="dashboard") as broker:
        show(broker, int(sys.argv[1]))
