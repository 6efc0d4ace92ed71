"""`explain`, `stats`, `check`, `flush`, `maintain`, `outcome`: what a store tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tierstore.cli.failures import OK, UNKNOWN, describe, exit_code
from tierstore.cli.output import emit, emit_text, note
from tierstore.cli.settings import Settings, common_options, duration_option, timeout_option
from tierstore.frozen import as_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tierstore.store.results import Finding


@click.command()
@click.argument("key")
@timeout_option
@common_options
@click.pass_obj
def explain(settings: Settings, key: str, timeout_s: float | None) -> int:
    """Tell where KEY is, what is declared for it, and why."""
    with settings.opened() as store:
        explanation = store.explain(key, timeout=timeout_s)
    if settings.is_json:
        emit(as_dict(explanation))
    else:
        emit_text(f"{explanation}\n")
    return OK


@click.command()
@common_options
@click.pass_obj
def stats(settings: Settings) -> int:
    """Print counts and sizes of this replica.

    docs/operations.md explains each.
    """
    with settings.opened() as store:
        numbers = store.stats()
    if settings.is_json:
        emit(numbers)
    else:
        emit_text("".join(f"{name:28} {value}\n" for name, value in _flat(numbers)))
    return OK


@click.command()
@timeout_option
@common_options
@click.pass_obj
def check(settings: Settings, timeout_s: float | None) -> int:
    """Tell what works and what waits for an operator.

    The exit code is that of the first error, as for any verb: 3 if the region does not answer.
    """
    with settings.opened() as store:
        report = store.check(timeout=timeout_s)
    if settings.is_json:
        emit({"ok": report.ok, "findings": [finding_as_json(f) for f in report.findings]})
    else:
        emit_text("".join(f"{finding_as_text(finding)}\n" for finding in report.findings))
    wrong = [finding for finding in report.findings if not finding.ok]
    return exit_code(wrong[0].error) if wrong else OK


def finding_as_text(finding: Finding) -> str:
    """One line of what a check found."""
    return f"{'ok   ' if finding.ok else 'WRONG'} {finding.subject}: {finding.detail}"


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """The fields of what a check found, with the error as other verbs print one."""
    error = None if finding.error is None else describe(finding.error)["error"]
    return {**as_dict(finding), "error": error}


@click.command()
@timeout_option
@common_options
@click.pass_obj
def flush(settings: Settings, timeout_s: float | None) -> int:
    """Bring journaled writes to the region.

    Those are what earlier processes acknowledged and the region does not have yet.
    """
    with settings.opened() as store:
        store.flush(timeout_s)
    if settings.is_json:
        emit({"flushed": True})
    return OK


@click.command()
@duration_option("--budget", "budget_s", "Begin no further step after so long.")
@common_options
@click.pass_obj
def maintain(settings: Settings, budget_s: float | None) -> int:
    """Run every background step now, to its end.

    They are flush, pull, adoption of journals of dead processes, upkeep of the region, telling it
    how hot keys are, and moving and sweeping, as far as the policy's movement.budget allows.
    """
    with settings.opened() as store:
        failures = store.maintain(budget_s).failures
    if settings.is_json:
        emit({"ok": not failures, "failures": [describe(exc)["error"] for exc in failures]})
    else:
        for failure in failures:
            note(str(failure))
    return exit_code(failures[0]) if failures else OK


@click.command()
@click.argument("operation_id")
@timeout_option
@common_options
@click.pass_obj
def outcome(settings: Settings, operation_id: str, timeout_s: float | None) -> int:
    """Tell what became of a write with exit code 4.

    That is applied, pending or quarantined; exit 4 again if it is still unknown.
    """
    with settings.opened() as store:
        found = store.outcome(operation_id, timeout=timeout_s)
    if settings.is_json:
        emit({"operation_id": operation_id, "outcome": found})
    else:
        emit_text(f"{found}\n")
    return UNKNOWN if found == "unknown" else OK


def _flat(numbers: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in numbers.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", "-" if value is None else value
