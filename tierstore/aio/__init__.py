"""The store for event loops: the verbs of `Store` as coroutines."""

from __future__ import annotations

from tierstore.aio.opening import open_async
from tierstore.aio.scanning import AsyncScan
from tierstore.aio.store import AsyncStore

__all__ = ["AsyncScan", "AsyncStore", "open_async"]
