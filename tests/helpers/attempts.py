"""Verbs of a model test, which fail only where something went wrong."""

from __future__ import annotations

from tierstore.errors import OutcomeUnknownError, UnavailableError


def attempt(work, plan, *, is_excused):
    """(result, error) of a verb; an error must have a fault of `plan` for a cause, or an excuse."""
    fired = plan.fired
    try:
        return work(), None
    except (UnavailableError, OutcomeUnknownError) as exc:
        if not (is_excused or plan.is_region_down) and plan.fired == fired:
            raise AssertionError(f"{exc!r} though nothing went wrong") from exc
        return None, exc
