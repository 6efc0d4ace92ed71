"""The inner loop of a replay: each request to a store, at its time, its answer to the model."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tierstore.runtime.manual import ManualRuntime
from tierstore.store.arguments import OMITTED
from tierstore.trace.model import MISSING
from tierstore.trace.reader import DELETE, GET
from tierstore.trace.scaling import scaled
from tierstore.trace.values import make_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.trace.reader import Request
    from tierstore.trace.staging import Stage

CHUNK_REQUESTS = 8192


class Counts:
    """What the requests were and how reads ended, by replica; `reads` less `absent` were found."""

    __slots__ = ("absent", "deletes", "reads", "requests", "sets", "wrong")

    def __init__(self, replicas: int) -> None:
        self.requests = 0
        self.deletes = 0
        self.wrong = 0
        self.reads = [0] * replicas
        self.absent = [0] * replicas
        self.sets = [0] * replicas


class Drive:
    """Sends requests to the stores of a stage, in turn."""

    def __init__(self, stage: Stage, first_s: float) -> None:
        self.counts = Counts(len(stage.stores))
        self._stage = stage
        self._now_s = first_s
        self._offset_s = stage.runtime.monotonic() - first_s
        self._rule_for = stage.stores[0]._core.rule_for

    def run(self, requests: Iterator[Request], on_chunk: Callable[[int], object]) -> None:
        """Send all requests; `on_chunk` is told how many are done."""
        while chunk := list(islice(requests, CHUNK_REQUESTS)):
            self._run(chunk)
            on_chunk(self.counts.requests)

    def _run(self, chunk: list[Request]) -> None:
        gets = [store.get for store in self._stage.stores]
        model = self._stage.model
        is_right = model.is_right if model is not None else _trusted
        counts = self.counts
        reads, number, replicas, wrong = counts.reads, counts.requests, len(gets), 0
        now_s = self._now_s
        for time_s, op, key, size_bytes, ttl_s in chunk:
            if time_s != now_s:
                self._let_pass(time_s)
                now_s = time_s
            turn = number % replicas
            number += 1
            if op == GET:
                value = gets[turn](key, MISSING)
                reads[turn] += 1
                if value is MISSING:
                    counts.absent[turn] += 1
                if not is_right(turn, key, value):
                    wrong += 1
            else:
                self._write(turn, op, key, number, size_bytes, ttl_s)
        counts.requests = number
        counts.wrong += wrong

    def _let_pass(self, time_s: float) -> None:
        """Bring virtual time to `time_s` of the trace; background steps run on the way.

        Real time passes by itself: requests then follow each other at once.
        """
        self._now_s = time_s
        runtime = self._stage.runtime
        if isinstance(runtime, ManualRuntime):
            runtime.advance(max(0.0, self._offset_s + time_s - runtime.monotonic()))

    def _write(
        self, turn: int, op: str, key: str, version: int, size_bytes: int, ttl_s: int | None
    ) -> None:
        store, model = self._stage.stores[turn], self._stage.model
        if op == DELETE:
            self.counts.deletes += 1
            store.delete(key)
            if model is not None:
                model.delete(turn, key)
            return
        self.counts.sets[turn] += 1
        size_bytes = scaled(size_bytes, self._stage.scale)
        value = make_value(key, version, size_bytes)
        store.put(key, value, ttl=OMITTED if ttl_s is None else ttl_s)
        if model is not None:
            model.put(turn, key, version, size_bytes, self._lifetime(key, ttl_s))

    def _lifetime(self, key: str, ttl_s: int | None) -> tuple[float, float] | None:
        """The shortest and longest time that a set lets `key` live, by its TTL or its rule's."""
        if ttl_s is not None:
            return ttl_s, ttl_s
        rule = self._rule_for(key)
        if rule.ttl_s is None:
            return None
        return rule.ttl_s * (1 - rule.ttl_jitter), rule.ttl_s


def _trusted(turn: int, key: str, value: object) -> bool:
    return True
