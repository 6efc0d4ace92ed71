"""Loading keys into the region before a replay, by the way that any write takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.opening import wire
from tierstore.trace.scaling import with_journal
from tierstore.trace.values import make_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from tierstore.policy.model import Policy
    from tierstore.runtime import Runtime
    from tierstore.store.store import Store

CHUNK_KEYS = 5_000
CHUNK_BYTES = 8 * 2**20
SETTLE_S = 1.0
"""Virtual time after loading: many stamps of one instant run ahead of the clock."""


def preload(
    policy: Policy,
    runtime: Runtime,
    sizes: Mapping[str, int],
    on_loaded: Callable[[int], object] = lambda _: None,
) -> None:
    """Bring version 0 of every key of `sizes` to its home tier; they never expire.

    A store of its own writes them, without a journal: if loading fails, the replay does.
    """
    loaded = 0
    with wire(with_journal(policy, None), runtime) as store:
        for chunk in _chunks(sizes):
            store.put_many(chunk, ttl=None)
            store.flush()
            loaded += len(chunk)
            on_loaded(loaded)
        runtime.sleep(SETTLE_S)
        _settle(store, runtime)


def _settle(store: Store, runtime: Runtime) -> None:
    """Let the mover bring every key to its home tier, as far as the policy's residency lets it."""
    moving = store._core.replica.moving
    if moving is None:
        return
    moving.step()
    while moving.pause_s() < store._core.policy.movement.interval_s / 2:
        runtime.sleep(moving.pause_s())
        moving.step()
    moving.release(store._core.policy.timeouts.regional_s)


def _chunks(sizes: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    chunk: dict[str, Any] = {}
    chunk_bytes = 0
    for key, size_bytes in sizes.items():
        if len(chunk) >= CHUNK_KEYS or chunk_bytes >= CHUNK_BYTES:
            yield chunk
            chunk, chunk_bytes = {}, 0
        chunk[key] = make_value(key, 0, size_bytes)
        chunk_bytes += size_bytes
    if chunk:
        yield chunk
