"""What is asked of pycrdt, which may panic: an exception that is none to `except Exception`.

It only ever sees updates that `update` has read and written anew and `places` has found whole. So
counts that would make it reserve memory beyond the update's size, content that makes it panic and
changes that it would keep waiting for others in silence do not reach it, as far as we know of them;
what is left is caught here.
"""

from __future__ import annotations

from tierstore.crdt.update import ROOT, Update, read_vector, write_update
from tierstore.errors import DecodingError, EncodingError, TierStoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from pycrdt import Doc, Map

    T = TypeVar("T")

SCRATCH_CLIENT = 0
"""The client of documents that are only read."""


def hydrated(update: Update, client_id: int = SCRATCH_CLIENT) -> Doc[Any]:
    """A fresh document of `client_id` that holds `update`, all of it.

    Raises DecodingError if pycrdt cannot make one of it.
    """
    from pycrdt import Doc

    written = write_update(update)

    def make() -> Doc[Any]:
        document: Doc[Any] = Doc(client_id=client_id)
        document.apply_update(written)
        return document

    document = decoding(make)
    clocks = {client: structs[-1].end for client, structs in update.structs.items()}
    if decoding(lambda: read_vector(document.get_state())) != clocks:
        raise DecodingError("a document is malformed: it has changes that wait for others")
    return document


def root_of(document: Doc[Any]) -> Map[Any]:
    """The map at the root of a document."""
    from pycrdt import Map

    root: Map[Any] = document.get(ROOT, type=Map)
    return root


def decoding(ask: Callable[[], T]) -> T:
    """What `ask` returns. Raises DecodingError in place of what pycrdt raises."""
    try:
        return ask()
    except (DecodingError, MemoryError):
        raise
    except BaseException as exc:
        if not _is_of_pycrdt(exc):
            raise
        fault = exc
    raise DecodingError(f"a document is malformed: {_first_line(fault)}") from fault


def encoding(ask: Callable[[], T]) -> T:
    """What `ask` returns. Raises EncodingError in place of what pycrdt raises."""
    try:
        return ask()
    except (TierStoreError, MemoryError):
        raise
    except BaseException as exc:
        if not _is_of_pycrdt(exc):
            raise
        fault = exc
    raise EncodingError(f"a document cannot hold this: {_first_line(fault)}") from fault


def _is_of_pycrdt(exc: BaseException) -> bool:
    """Whether `exc` is an error, or a panic; not what stops a task, a thread or the process."""
    return isinstance(exc, Exception) or type(exc).__name__ == "PanicException"


def _first_line(exc: BaseException) -> str:
    lines = str(exc).splitlines()
    return lines[0][:200] if lines else type(exc).__name__
