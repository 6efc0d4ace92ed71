"""Documents that stay open between edits, so that an editor keeps its name.

Each opening for edits takes a new client of Yjs, which stays in the document until it is made
compact: about 23 bytes each time. So an opened document is kept for the next edit of its key in
this process, which takes it only if nothing else happened to the key meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from typing import Any

    from tierstore.runtime import Runtime

OPENED_MAX = 64


class Opened:
    """The documents of a store that nobody edits now, by key. Thread-safe."""

    def __init__(self, runtime: Runtime) -> None:
        self._lock = runtime.lock()
        self._documents: LRUCache[str, Any] = LRUCache(OPENED_MAX)

    def take(self, key: str) -> Any:
        """The document of `key`, which from now on is the caller's alone; None if there is none."""
        with self._lock:
            return self._documents.pop(key, None)

    def give(self, key: str, document: Any) -> None:
        """Keep a document whose edits were all acknowledged."""
        with self._lock:
            self._documents[key] = document
