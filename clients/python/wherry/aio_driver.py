"""What brings the engine and an event loop together."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Optional, Set

from .address import parse
from .engine import Engine, run_events
from .errors import WherryError
from .link import Link, known_targets, targets
from .settings import Settings
from .timers import NEVER


class Driver:
    """After whatever touched the engine, touched() has it looked after."""

    def __init__(self, url: Optional[str], settings: Settings):
        self.loop = asyncio.get_running_loop()
        self.engine = Engine(parse(url), settings, self.loop.time)
        self._link = Link(self.engine, self._closing)
        self._watched: Optional[socket.socket] = None
        self._writes = self._scheduled = False
        self._timer: Optional[asyncio.TimerHandle] = None
        self._tasks: Set["asyncio.Task[Any]"] = set()

    def touched(self) -> None:
        """Once in this turn of the loop, however often it is called."""
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._turn)

    def run(self, coroutine: Any) -> "asyncio.Task[Any]":
        """A task that is kept until it is done."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _turn(self) -> None:
        self._scheduled = False
        self._link.flush()
        if self.engine.wants_connection:
            self.engine.opening()
            self.run(self._connect())
        run_events(self.engine.take_events())
        if self.engine.is_over:
            self._link.close()
        self._watch()
        self._set_timer()

    async def _connect(self) -> None:
        try:
            found = await self._targets()
            if not self.engine.is_over:
                self._link.open(found)
        except WherryError as error:
            self._link.fail(error)
        self.touched()

    async def _targets(self) -> Any:
        where = self.engine.address
        return known_targets(where) or await self.loop.run_in_executor(None, targets, where)

    def _watch(self) -> None:
        wanted = self._link.socket
        if wanted is not None and wanted is not self._watched:
            self.loop.add_reader(wanted, self._ready, True)
            self._watched = wanted
        if wanted is not None and self._link.writes != self._writes:
            self._writes = not self._writes
            if self._writes:
                self.loop.add_writer(wanted, self._ready, False)
            else:
                self.loop.remove_writer(wanted)

    def _closing(self, closed: socket.socket) -> None:
        if closed is self._watched:
            self.loop.remove_reader(closed)
            self.loop.remove_writer(closed)
            self._watched, self._writes = None, False

    def _ready(self, read: bool) -> None:
        self._link.ready(read, not read)
        self._turn()

    def _set_timer(self) -> None:
        due = NEVER if self.engine.is_over else self.engine.next_wake()
        if self._timer is not None and (self._timer.when() > due or self._timer.cancelled()):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and due != NEVER:
            self._timer = self.loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.engine.tick()
        self._link.check()
        self._turn()

    async def finish(self) -> None:
        """After the engine's end: nothing of ours stays in the loop."""
        self._turn()
        if self._timer is not None:
            self._timer.cancel()
        mine = asyncio.current_task()
        for task in [task for task in self._tasks if task is not mine]:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
