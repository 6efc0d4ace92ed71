"""What a replay runs on: virtual time, a filled region, open stores, the model of their answers."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

from tierstore.opening import region_source, wire
from tierstore.runtime import Runtime
from tierstore.runtime.manual import ManualRuntime
from tierstore.tiers.registry import SHARED_EDGES
from tierstore.trace.model import SharedModel, SoleModel
from tierstore.trace.observed import ObservedRegion
from tierstore.trace.preload import preload
from tierstore.trace.reader import TraceError
from tierstore.trace.scaling import relocate, scale_for, scale_policy, scaled, with_journal
from tierstore.units import format_size

if TYPE_CHECKING:
    from tierstore.policy.model import Policy
    from tierstore.region.protocol import Region
    from tierstore.store.store import Store
    from tierstore.trace.model import Model
    from tierstore.trace.options import Options
    from tierstore.trace.survey import Survey

MEMORY_FOLDER = "/dev/shm"  # noqa: S108 - a folder with a random name is made in it
MEMORY_BYTES_MIN = 2 << 30


class Stage:
    """Open stores for one replay; `close` also removes its temporary directory."""

    def __init__(self, policy: Policy, options: Options, survey: Survey) -> None:
        has_real_time = _has_clock_of_its_own(policy)
        self.runtime: Runtime = Runtime() if has_real_time else ManualRuntime()
        self.scale = scale_for(survey.size_bytes_max, options.value_cap)
        self.stores: list[Store] = []
        self.model = _make_model(options, self.runtime)
        self.preloaded = 0
        self._exits = ExitStack()
        _require_judge(policy, options)
        _check_largest(policy, survey.size_bytes_max, self.scale)
        try:
            self.policy = relocate(scale_policy(policy, self.scale), self._directory(options))
            self._load(options, survey)
            self._open(options)
        except BaseException:
            self._exits.close()
            raise

    def close(self) -> None:
        """Close the stores and remove what is temporary. Idempotent."""
        self._exits.close()

    def _directory(self, options: Options) -> str:
        if options.base_dir is None:
            folder = tempfile.TemporaryDirectory(prefix="tierstore-", dir=_scratch_root())
            return self._exits.enter_context(folder)
        directory = os.path.abspath(os.fsdecode(options.base_dir))
        os.makedirs(directory, exist_ok=True)
        return directory

    def _load(self, options: Options, survey: Survey) -> None:
        if not options.preload:
            survey.first_sizes.clear()
            return
        sizes = survey.first_sizes
        for key, size_bytes in sizes.items():
            sizes[key] = scaled(size_bytes, self.scale)
        self.preloaded = len(sizes)
        if sizes:
            preload(
                self.policy,
                self.runtime,
                sizes,
                lambda done: options.tell("loading", done, len(sizes)),
            )
        if self.model is not None:
            for key, size_bytes in sizes.items():
                self.model.load(key, size_bytes)
        sizes.clear()

    def _open(self, options: Options) -> None:
        for turn in range(options.replicas):
            policy = with_journal(self.policy, f"journal-{turn}")
            region = None
            if isinstance(self.model, SharedModel):
                observed = ObservedRegion(region_source(policy, self.runtime).get(), self.model)
                region = cast("Region", observed)
            store = self._exits.enter_context(wire(policy, self.runtime, region=region))
            store._core.connect()
            self.stores.append(store)
            if isinstance(self.model, SharedModel):
                self.model.states.append(store._core.replica.state)


def _scratch_root() -> str | None:
    """A folder in memory, where it is roomy; None for the system's usual one.

    What a replay writes is removed at its end, and its time is virtual: waiting for a disk would
    take real time and show nothing.
    """
    root = MEMORY_FOLDER
    try:
        is_roomy = shutil.disk_usage(root).free >= MEMORY_BYTES_MIN
    except OSError:
        return None
    return root if is_roomy and os.access(root, os.W_OK | os.X_OK) else None


def _has_clock_of_its_own(policy: Policy) -> bool:
    """Whether a server of the policy tells the time, which no virtual clock can change."""
    schemes = {policy.regional.url.scheme, policy.coordinator.url.scheme}
    return not schemes <= {"", "sqlite"} or _is_shared(policy)


def _is_shared(policy: Policy) -> bool:
    return policy.edge.url.scheme in SHARED_EDGES


def _require_judge(policy: Policy, options: Options) -> None:
    if options.verify and options.replicas > 1 and _is_shared(policy):
        raise TraceError(
            "reads of several replicas of one shared edge cannot be checked: a near copy may be"
            " some milliseconds old; replay with one replica, or without --verify"
        )


def _make_model(options: Options, runtime: Runtime) -> Model | None:
    if not options.verify:
        return None
    if options.replicas > 1:
        return SharedModel(runtime.monotonic)
    return SoleModel(runtime.monotonic)


def _check_largest(policy: Policy, size_bytes_max: int, scale: float) -> None:
    largest, limit = scaled(size_bytes_max, scale), policy.limits.value_bytes
    if largest > limit:
        raise TraceError(
            f"the largest value of the trace has {largest:,} bytes, limits.value is"
            f" {format_size(limit)}: replay it with a value cap"
        )
