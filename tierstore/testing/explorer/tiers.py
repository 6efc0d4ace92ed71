"""Tiers whose calls are the places where actors hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.explorer.steps import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.explorer.turns import Explorer


class ExploredTier:
    """`inner` with a boundary before and after each call of a public method.

    Attributes that are no methods are those of `inner`. An iterator that a call returns, as of a
    streamed read, is read within that call: its chunks are no boundaries of their own.
    """

    def __init__(self, explorer: Explorer, inner: Any, name: str) -> None:
        self._explorer = explorer
        self._inner = inner
        self._name = name

    def __repr__(self) -> str:
        return f"ExploredTier({self._name!r})"

    def __getattr__(self, verb: str) -> Any:
        attribute = getattr(self._inner, verb)
        if verb.startswith("_") or not callable(attribute):
            return attribute
        call = self._explored(verb, attribute)
        self.__dict__[verb] = call
        return call

    def _explored(self, verb: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            return self._explorer.call(
                Call(self._inner, self._name, verb, arguments, keywords),
                lambda: _drained(method(*arguments, **keywords)),
            )

        return call


def _drained(reply: Any) -> Any:
    return iter(list(reply)) if hasattr(reply, "__next__") else reply
