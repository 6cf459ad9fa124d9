"""The Python package as tests see it: one test for both clients.

A class of tests is written once, over self.connect(); both() makes one of it for the blocking client and one for asyncio,
whose loop runs in a thread of its own and whose coroutines are waited for, so that a test reads the same.
"""

import asyncio
import inspect
import os
import sys
import threading
import time
import unittest

from cutting import Cutting
from servers import Wherryd

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "clients", "python"))

import wherry  # noqa: E402

WAIT_S = 60


class Blocking:
    """The blocking client, as it is."""

    name = "blocking"

    def connect(self, url, **settings):
        return wherry.connect(url, **settings)

    def close(self):
        pass


class Asyncio:
    """The asyncio client behind blocking calls."""

    name = "asyncio"

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def connect(self, url, **settings):
        async def connect():
            return await wherry.aio.connect(url, **settings)
        return self.wrap(self.wait(connect()))

    def wait(self, awaitable):
        async def run():
            return await awaitable
        future = asyncio.run_coroutine_threadsafe(run(), self.loop)
        return future.result(WAIT_S)

    def run(self, function, *args, **named):
        """Calls it inside the loop and waits for what it answers."""
        args = [arg.inner if isinstance(arg, Waited) else arg for arg in args]

        async def run():
            made = function(*args, **named)
            return await made if inspect.isawaitable(made) else made
        return self.wrap(asyncio.run_coroutine_threadsafe(run(), self.loop).result(WAIT_S))

    def wrap(self, made):
        return Waited(self, made) if type(made).__module__.startswith("wherry.aio") else made

    def close(self):
        left = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        assert not left, f"tasks are left: {left}"


class Waited:
    """An object of the asyncio client whose methods are waited for."""

    def __init__(self, flavour, inner):
        self.__dict__.update(_flavour=flavour, inner=inner)

    def __getattr__(self, name):
        found = getattr(self.inner, name)
        if type(found).__name__ == "Module":
            return WaitedModule(self._flavour, found)
        if callable(found):
            return lambda *args, **named: self._flavour.run(found, *args, **named)
        return found

    def __setattr__(self, name, value):
        setattr(self.inner, name, value)

    def __enter__(self):
        return self._flavour.run(self.inner.__aenter__)

    def __exit__(self, *why):
        return self._flavour.run(self.inner.__aexit__, *why)

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self._flavour.run(self.inner.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def __len__(self):
        return len(self.inner)


class WaitedModule:
    def __init__(self, flavour, module):
        self._flavour, self._module = flavour, module

    def __getattr__(self, name):
        return lambda *args, **named: self._flavour.run(getattr(self._module, name), *args, **named)


class Clients(unittest.TestCase):
    """self.connect() for a class of tests; set `flavour`, and answer self.url."""

    flavour = Blocking

    def setUp(self):
        self.made = self.flavour()
        self.addCleanup(self.made.close)

    def connect(self, url=None, **settings):
        client = self.made.connect(url or self.url, **settings)
        self.addCleanup(client.close)
        return client


def until(condition):
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it does not happen")
        time.sleep(0.002)


class Served:
    """A broker for each test, and threads of its own."""

    def setUp(self):
        super().setUp()
        self.broker = self.enterContext(Wherryd())
        self.url = self.broker.url

    def proxied(self, **settings):
        """A client behind self.proxy, which can cut it off."""
        self.proxy = self.enterContext(Cutting(self.broker.port))
        return self.connect(self.proxy.url, **{"backoff": 0.01, "backoff_max": 0.1, **settings})

    def in_thread(self, function, *args, **named):
        """Runs it; .result() waits for what it answers or raises."""
        done = wherry.Answer()

        def run():
            try:
                done.set_result(function(*args, **named))
            except BaseException as error:
                done.set_exception(error)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, WAIT_S)
        return done


def both(tests):
    """Decorates a mixin of tests: the module gets a class for each client instead."""
    module = sys.modules[tests.__module__]
    for flavour in (Blocking, Asyncio):
        name = f"{tests.__name__}_{flavour.name}"
        made = type(name, (tests, Clients), {"flavour": flavour, "__module__": tests.__module__, "__doc__": tests.__doc__})
        setattr(module, name, made)
    return tests
