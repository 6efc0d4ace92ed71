"""Background steps: whatever one raises, the others go on, and it is tried again."""

from __future__ import annotations

import logging

import pytest

from tierstore.errors import CorruptionError, TierStoreError, UnavailableError
from tierstore.replica.breaker import PAUSE_S_MAX
from tierstore.replica.schedule import BACKOFF_S_MAX, Schedule, Step
from tierstore.testing import ManualRuntime


class Work:
    """Counts its runs and raises what it is told to."""

    def __init__(self):
        self.runs, self.error = 0, None

    def __call__(self):
        self.runs += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def runtime():
    return ManualRuntime(seed=1)


@pytest.fixture
def works():
    return Work(), Work()


@pytest.fixture
def schedule(runtime, works):
    steps = [Step(name, 1.0, work, lambda: True) for name, work in zip("ab", works, strict=True)]
    schedule = Schedule(runtime, steps)
    runtime.drive(schedule, "test")
    return schedule


@pytest.mark.parametrize(
    "error", [UnavailableError("away"), CorruptionError("damaged"), TypeError("a bug")]
)
def test_a_step_that_fails_stops_nothing_and_is_tried_again(runtime, works, schedule, error):
    first, second = works
    first.error = error
    runtime.advance(100)
    assert second.runs >= 99
    assert 3 < first.runs < (45 if isinstance(error, UnavailableError) else 20)
    assert schedule.last_error is error or schedule.last_error.__cause__ is error
    first.error = None
    runtime.advance(BACKOFF_S_MAX + 10)
    assert first.runs > 20 - 10


def test_work_that_waits_for_a_tier_is_tried_every_few_seconds(runtime, works, schedule):
    """Whatever the outage took, what was wanted is done soon after it."""
    first, _ = works
    first.error = UnavailableError("away")
    runtime.advance(3600)
    first.error, runs = None, first.runs
    runtime.advance(PAUSE_S_MAX)
    assert first.runs > runs


def test_a_step_that_says_when_it_is_wanted_is_tried_again_within_its_interval(runtime):
    """It has a pause of its own for what fails; the rest of its work should not wait longer."""
    work = Work()
    work.error = UnavailableError("full")
    runtime.drive(Schedule(runtime, [Step("move", 1.0, work, lambda: True, lambda: 1.0)]), "test")
    runtime.advance(100)
    assert 99 <= work.runs <= 201


def test_a_step_that_cannot_say_whether_it_is_needed_fails(runtime):
    schedule = Schedule(runtime, [Step("odd", 1.0, print, lambda: 1 / 0)])
    (failure,) = schedule.run_all()
    assert isinstance(failure, TierStoreError)
    assert isinstance(failure.__cause__, ZeroDivisionError)


def test_it_is_told_once_that_a_step_fails_and_once_that_it_works(runtime, works, schedule, caplog):
    caplog.set_level(logging.INFO, "tierstore")
    first, _ = works
    for error in (UnavailableError("away"), TypeError("a bug"), KeyError("another"), None, None):
        first.error = error
        runtime.advance(2 * BACKOFF_S_MAX)
    assert [(record.levelname, bool(record.exc_info)) for record in caplog.records] == [
        ("ERROR", True),
        ("INFO", False),
    ]
    assert "'a' fails" in caplog.text
    assert "TypeError: a bug" in caplog.text


@pytest.mark.parametrize("slices", [0, 1, 5])
def test_run_all_runs_a_step_to_its_end(runtime, slices):
    left, work = [slices], Work()

    def next_slice():
        left[0] -= 1
        return work if left[0] >= 0 else None

    step = Step("sliced", 1.0, work, lambda: True, next_slice=next_slice)
    assert Schedule(runtime, [step]).run_all() == []
    assert work.runs == 1 + slices


def test_what_runs_in_the_background_runs_one_slice(runtime):
    work = Work()
    step = Step("sliced", 1.0, work, lambda: True, next_slice=lambda: work)
    runtime.drive(Schedule(runtime, [step]), "test")
    runtime.advance(3.5)
    assert work.runs == 3


def test_a_slice_that_fails_is_the_last_and_other_steps_go_on(runtime, works):
    first, second = works
    broken = Work()
    broken.error = UnavailableError("away")
    steps = [
        Step("sliced", 1.0, first, lambda: True, next_slice=lambda: broken),
        Step("other", 1.0, second, lambda: True),
    ]
    assert Schedule(runtime, steps).run_all() == [broken.error]
    assert (first.runs, broken.runs, second.runs) == (1, 1, 1)


def test_no_slice_begins_once_the_budget_is_used_up(runtime, works):
    slow, other = works
    step = Step("sliced", 1.0, lambda: (slow(), runtime.sleep(1)), lambda: True)
    step.next_slice = lambda: step.work
    schedule = Schedule(runtime, [step, Step("other", 1.0, other, lambda: True)])
    assert schedule.run_all(2.5) == []
    assert (slow.runs, other.runs) == (3, 0)
