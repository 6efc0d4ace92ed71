"""The threads of one async store: where journaled writes and I/O run, so that no loop waits.

Nothing here belongs to one event loop: coroutines of several loops may share the same workers.
Work that has begun always ends, whatever becomes of the coroutine that waits for it; work that has
not begun when its coroutine is cancelled or its time is up never does.
"""

from __future__ import annotations

from asyncio import CancelledError, get_running_loop, sleep
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from tierstore.errors import DeadlineExceededError, StoreClosedError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from tierstore.replica.deadline import Deadline
    from tierstore.runtime import Runtime

R = TypeVar("R")

WORKERS = 8
THREAD_NAME = "tierstore-aio"


class Workers:
    """A bounded executor, made when it is first needed and made anew after a fork."""

    def __init__(self, runtime: Runtime, count: int) -> None:
        self._runtime = runtime
        self._count = count
        self._begin()

    def _begin(self) -> None:
        self._process = self._runtime.process_id()
        self._lock = self._runtime.lock()
        self._executor: ThreadPoolExecutor | None = None
        self._jobs: set[Future[Any]] = set()
        self._closer: ThreadPoolExecutor
        self._ending: Future[None] | None = None

    async def run(self, work: Callable[[], R], deadline: Deadline | None = None) -> R:
        """What `work` returns, run in a worker with a copy of the caller's context variables.

        Raises DeadlineExceededError if no worker was free by `deadline`, StoreClosedError if the
        store closed first; then `work` never runs. Whatever `work` raises.
        """
        if self._runtime.inline:
            return work()
        loop = get_running_loop()
        left_s = None if deadline is None else deadline.remaining_s()
        job = self._submit(work)
        timer = None if left_s is None else loop.call_later(left_s, job.cancel)
        try:
            await _settled(job, loop)
        finally:
            if timer is not None:
                timer.cancel()
            job.cancel()  # has an effect only if the caller was cancelled before the work began
        if job.cancelled():
            raise self._refusal(deadline)
        return _result(job)

    async def pause(self, delay_s: float) -> None:
        """Return after `delay_s` seconds, without a worker."""
        if self._runtime.inline:
            self._runtime.sleep(delay_s)
        else:
            await sleep(delay_s)

    def begin(self, work: Callable[[], object]) -> None:
        """Let `work` run in a worker, unobserved; never if the store is closing."""
        if self._runtime.inline:
            work()
            return
        try:
            self._submit(work)
        except StoreClosedError:
            return

    def _submit(self, work: Callable[[], R]) -> Future[R]:
        self._notice_fork()
        with self._lock:
            self.refuse_closing()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._count, THREAD_NAME)
            executor = self._executor
        try:
            job = executor.submit(copy_context().run, work)
        except RuntimeError:  # it was shut down meanwhile, by `close` or the interpreter's end
            raise StoreClosedError("the store is closed") from None
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job

    def refuse_closing(self) -> None:
        """Raise StoreClosedError once `close` has been called."""
        if self._ending is not None:
            raise StoreClosedError("the store is closed")

    def _notice_fork(self) -> None:
        if self._process != self._runtime.process_id():
            self._begin()  # a forked child has none of its parent's threads

    def _refusal(self, deadline: Deadline | None) -> Exception:
        if self._ending is not None or deadline is None:
            return StoreClosedError("the store was closed before this could begin")
        return DeadlineExceededError(
            f"none of {self._count} workers was free within {deadline.timeout_s:g} s"
        )

    async def close(self, finish: Callable[[], None], patience_s: float) -> None:
        """Refuse what has not begun, wait for the rest, run `finish`, end the threads.

        Work still under way after `patience_s` is left behind; its thread ends with it. Being
        cancelled once only delays the CancelledError until all is done; cancelled again, the
        closing goes on in its thread. Later calls do nothing, concurrent ones wait.
        """
        if self._runtime.inline:
            finish()
            return
        self._notice_fork()
        with self._lock:
            if self._ending is not None and self._ending.done():
                return
            if self._ending is None:
                self._closer = ThreadPoolExecutor(1, f"{THREAD_NAME}-close")
                end = copy_context().run
                self._ending = self._closer.submit(end, self._end, finish, patience_s)
            ending, closer = self._ending, self._closer
        try:
            await _despite_one_cancellation(ending)
        finally:
            closer.shutdown(wait=ending.done())
        _result(ending)

    def _end(self, finish: Callable[[], None], patience_s: float) -> None:
        executor, under_way = self._executor, set(self._jobs)
        for job in list(under_way):
            if job.cancel():
                under_way.discard(job)
        _, stuck = wait(under_way, patience_s)
        try:
            finish()
        finally:
            if executor is not None:
                executor.shutdown(wait=not stuck, cancel_futures=True)


async def _settled(job: Future[Any], loop: AbstractEventLoop) -> None:
    """Return when `job` is done, however it ended."""
    settled = loop.create_future()

    def settle() -> None:
        if not settled.done():
            settled.set_result(None)

    def notify(_: Future[Any]) -> None:
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            return  # the loop was closed: nobody waits any more

    job.add_done_callback(notify)
    await settled


async def _despite_one_cancellation(job: Future[Any]) -> None:
    loop = get_running_loop()
    try:
        await _settled(job, loop)
    except CancelledError:
        await _settled(job, loop)
        raise


def _result(job: Future[R]) -> R:
    try:
        return job.result()
    finally:
        del job  # an exception refers to this frame, the frame to the job, the job to it
