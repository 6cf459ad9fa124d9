"""What the broker's commands do and which of their arguments are keys, learned from sys.commands on each connection."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from .errors import ArgumentError
from .values import is_key

_KEY_KINDS = {"int", "float", "str", "bin", "tuple"}


class _Command:
    """plain: for each argument by position whether it is a key; rest: the same for those that come again and again."""

    def __init__(self, entry: Dict[str, Any]):
        args = [arg for arg in entry["args"] if "option" not in arg["flags"]]
        self.reads = entry["verb"] == "read"
        self.plain = [self._is_key(arg) for arg in args if "rest" not in arg["flags"]]
        self.rest = [self._is_key(arg) for arg in args if "rest" in arg["flags"]]

    @staticmethod
    def _is_key(arg: Dict[str, Any]) -> bool:
        return set(arg["kinds"]) == _KEY_KINDS

    def keys(self, params: Sequence[Any]) -> List[Any]:
        first = [param for param, key in zip(params, self.plain) if key]
        for place, key in enumerate(self.rest):
            if key:
                first += params[len(self.plain) + place::len(self.rest)]
        return first


class Catalog:
    """Empty until it has learned; it has an answer for every command, and a careful one for those it does not know."""

    def __init__(self) -> None:
        self._commands: Dict[str, _Command] = {}

    def learn(self, entries: Any) -> None:
        try:
            self._commands = {entry["name"]: _Command(entry) for entry in entries}
        except (TypeError, KeyError):
            self._commands = {}

    def only_reads(self, method: str) -> bool:
        """Whether running it twice can do no harm."""
        return method in self._commands and self._commands[method].reads

    def check_keys(self, method: str, params: Sequence[Any]) -> None:
        """Refuses what can't be a key before it is sent."""
        command = self._commands.get(method)
        for key in command.keys(params) if command else ():
            if not is_key(key):
                raise ArgumentError(f"{method}: {key!r:.100} can't be a key: a key is a str, bytes, int, float (not NaN)"
                                    " or a tuple of these")

    def names(self, module: str = "") -> List[str]:
        """The commands of a module; without one, the modules."""
        if module:
            return sorted(name[len(module) + 1:] for name in self._commands if name.startswith(module + "."))
        return sorted({name.partition(".")[0] for name in self._commands})
