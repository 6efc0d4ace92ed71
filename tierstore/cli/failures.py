"""How errors are told, and which exit code each class has: one table."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from tierstore import errors
from tierstore.cli.output import emit, flush_output, note, silence_output

OK = 0
ABSENT = 1
USAGE = 2
UNAVAILABLE = 3
UNKNOWN = 4
OTHER = 5
INTERRUPTED = 130

DEBUG_VARIABLE = "TIERSTORE_DEBUG"

# The first row that matches counts. What is in no row is 5.
_EXIT_CODES: tuple[tuple[int, tuple[type[Exception], ...]], ...] = (
    (UNKNOWN, (errors.OutcomeUnknownError,)),
    (
        UNAVAILABLE,
        (errors.UnavailableError, errors.OverloadedError, errors.StaleReplicaError),
    ),
    (
        USAGE,
        (
            click.ClickException,
            errors.PolicyError,
            errors.InvalidKeyError,
            errors.InvalidArgumentError,
            errors.EncodingError,
            errors.ValueTooLargeError,
            errors.TypeMismatchError,
            errors.ConsistencyMismatchError,
            errors.NoMatchingRuleError,
        ),
    ),
)


def exit_code(error: BaseException | None) -> int:
    """The exit code that stands for `error`; None is something wrong that raised nothing."""
    for code, classes in _EXIT_CODES:
        if isinstance(error, classes):
            return code
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else OTHER


def report(error: Exception, *, is_json: bool) -> int:
    """The exit code of `error`, which is told as text on standard error.

    Or, if asked for, as JSON on standard output, unless that takes nothing.
    """
    if os.environ.get(DEBUG_VARIABLE):
        _show_traceback(error)
    if is_json and _can_emit(describe(error)):
        return exit_code(error)
    if isinstance(error, click.ClickException):
        error.show()
    else:
        note(message(error))
        tell_notes(error)
    return exit_code(error)


def _can_emit(document: dict[str, Any]) -> bool:
    """Whether `document` was printed; if standard output takes nothing, that is given up."""
    try:
        emit(document)
        flush_output()
    except OSError:
        silence_output()
        return False
    return True


def tell_notes(error: BaseException | None) -> None:
    """Tell what else went wrong on the way of `error`, such as while the store was closed."""
    for text in getattr(error, "__notes__", ()):
        note(text)


def describe(error: BaseException) -> dict[str, Any]:
    """`{"error": {type, message, outcome, retry, …}}`, the document that tells `error`."""
    told: dict[str, Any] = {
        "type": type(error).__name__,
        "message": message(error),
        "outcome": getattr(error, "outcome", "none"),
        "retry": getattr(error, "retry", "never"),
    }
    if isinstance(error, errors.PolicyError):
        told["faults"] = list(error.faults)
    if isinstance(error, errors.OutcomeUnknownError):
        told["operation_id"] = error.operation_id
    if hasattr(error, "__notes__"):
        told["notes"] = list(error.__notes__)
    return {"error": told}


def message(error: BaseException) -> str:
    """What happened and what to do, without a traceback."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, errors.OutcomeUnknownError):
        return f"{error}; here: tierstore outcome {error.operation_id}"
    if isinstance(error, errors.TierStoreError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}"
    advice = f"{DEBUG_VARIABLE}=1 shows where; please report it"
    return f"a fault of tierstore itself: {type(error).__name__}: {error}; {advice}"


def _show_traceback(error: Exception) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)
