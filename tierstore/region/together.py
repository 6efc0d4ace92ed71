"""Several requests at once, by a few threads of the runtime and the caller's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from tierstore.errors import DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.region.deadline import Deadline
    from tierstore.runtime import Runtime

T = TypeVar("T")


def run_together(
    jobs: Sequence[Callable[[], T]], runtime: Runtime, threads_max: int, deadline: Deadline
) -> list[T]:
    """What each of `jobs` returns, in their order; one by one on a runtime that is `inline`.

    Raises what the first one that failed raised; the others that are under way end by themselves.
    """
    threads = min(threads_max, len(jobs))
    if threads <= 1 or runtime.inline:
        return [job() for job in jobs]
    work = _Work(jobs, runtime, threads)
    for number in range(1, threads):
        runtime.spawn(work.run, f"tierstore-request-{number}")
    work.run()
    return work.results(deadline)


class _Work(Generic[T]):
    def __init__(self, jobs: Sequence[Callable[[], T]], runtime: Runtime, threads: int) -> None:
        self._waiting = list(enumerate(jobs))[::-1]  # popped from the end, which is atomic
        self._done: dict[int, T] = {}
        self._count = len(jobs)
        self._failure: BaseException | None = None
        self._threads = threads
        self._lock = runtime.lock()
        self._over = runtime.event()

    def run(self) -> None:
        """Do what waits until nothing does."""
        try:
            while self._failure is None:
                try:
                    index, job = self._waiting.pop()
                except IndexError:
                    break
                self._done[index] = job()
        except BaseException as failure:
            self._failure = self._failure or failure
        finally:
            with self._lock:
                self._threads -= 1
                if not self._threads or self._failure:
                    self._over.set()

    def results(self, deadline: Deadline) -> list[T]:
        """What was done, when all is."""
        if not self._over.wait(deadline.remaining_s()):
            raise DeadlineExceededError(f"no answer within {deadline.timeout_s:g} s")
        if self._failure is not None:
            raise self._failure
        return [self._done[index] for index in range(self._count)]
