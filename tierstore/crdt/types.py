"""Which module does which type. A new type is one file beside this one, and one line here."""

from __future__ import annotations

from tierstore.record import COUNTER, DOCUMENT, SET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.crdt.protocol import Type

_MODULES = {
    COUNTER: "counter",
    SET: "set",
    DOCUMENT: "document",
}
_loaded: dict[int, Type] = {}


def is_typed(code: int) -> bool:
    """Whether `code` is of a type that this table knows: any but the register."""
    return code in _MODULES


def type_of(code: int) -> Type:
    """The type with this code; its module is imported when it is first needed."""
    known = _loaded.get(code)
    if known is None:
        known = _loaded[code] = _load(_MODULES[code])
    return known


def _load(name: str) -> Type:
    module: Type = __import__(f"tierstore.crdt.{name}", fromlist=["CODE"])
    return module
