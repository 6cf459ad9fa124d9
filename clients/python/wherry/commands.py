"""How commands are written: client.kv.get("a", ns="other") for client.call("kv.get", "a", ns="other").

Names are not known here but to the broker, which answers an unknown one with UnknownCommand and what was probably meant.
What a command takes by name is given by name; `timeout` (seconds), `repeatable` and `options` are the client's own.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

Call = Callable[..., Any]


class Module:
    """The commands of a module, as methods."""

    def __init__(self, owner: "Commands", name: str):
        self._owner, self._name = owner, name

    def __getattr__(self, name: str) -> Call:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Command(self._owner, f"{self._name}.{name.rstrip('_')}")

    def __dir__(self) -> List[str]:
        return self._owner._known(self._name)

    def __repr__(self) -> str:
        return f"<commands {self._name}.*>"


class _Command:
    __slots__ = ("_owner", "_method")

    def __init__(self, owner: "Commands", method: str):
        self._owner, self._method = owner, method

    def __call__(self, *params: Any, **options: Any) -> Any:
        return self._owner.call(self._method, *params, **options)

    def __repr__(self) -> str:
        return f"<command {self._method}>"


class Commands:
    """Gives whatever has call() the modules as attributes."""

    def call(self, method: str, *params: Any, **options: Any) -> Any:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Module:
        if name.startswith("_"):
            raise AttributeError(name)
        return Module(self, name)

    def _known(self, module: str) -> List[str]:
        return []

    def __dir__(self) -> List[str]:
        return [*super().__dir__(), *self._known("")]


def options_of(named: Dict[str, Any], options: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """The options of a request: `if_` stands for `if`, None for an option that is left out."""
    made = {name.rstrip("_"): value for name, value in named.items() if value is not None}
    return {**made, **options} if options else made or None


Line = Tuple[str, Tuple[Any, ...], Optional[Dict[str, Any]]]


class Lines(Commands):
    """Commands that are written down to be sent together."""

    def __init__(self) -> None:
        self.lines: List[Line] = []

    def call(self, method: str, *params: Any, options: Optional[Dict[str, Any]] = None, **named: Any) -> int:
        """Adds a command; answers its place among the results."""
        self.lines.append((method, params, options_of(named, options)))
        return len(self.lines) - 1

    def __len__(self) -> int:
        return len(self.lines)

    def as_params(self) -> List[List[Any]]:
        """As tx.exec takes them."""
        return [[method, list(params), *([options] if options else [])] for method, params, options in self.lines]
