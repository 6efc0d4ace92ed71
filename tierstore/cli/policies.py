"""`policy check` and `policy compile`: what is wrong before anything runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from tierstore.cli.failures import OK, USAGE
from tierstore.cli.output import emit, emit_text, note
from tierstore.cli.settings import Settings, common_options
from tierstore.errors import PolicyError

if TYPE_CHECKING:
    from tierstore.policy import Policy

STDOUT = "-"


@click.group()
def policy() -> None:
    """Check or compile a policy."""


@policy.command()
@click.argument("path", metavar="[P]", required=False)
@common_options
@click.pass_obj
def check(settings: Settings, path: str | None) -> int:
    """Print every fault and warning of a policy with its place. Exit 2 if it has faults.

    Without P: the policy that other verbs would use.
    """
    from tierstore.policy import check as check_policy

    named = path if path is not None else settings.policy_path()
    checked = check_policy(named)
    name = named or "the embedded default"
    if settings.is_json:
        emit(
            {
                "policy": named,
                "ok": not checked.faults,
                "faults": checked.faults,
                "warnings": checked.warnings,
            }
        )
    else:
        lines = [*checked.faults, *(f"warning: {line}" for line in checked.warnings)]
        emit_text("".join(f"{line}\n" for line in [*lines, _verdict(name, checked.policy)]))
    return USAGE if checked.faults else OK


@policy.command("compile")
@click.argument("path", metavar="P")
@click.option("-o", "--output", metavar="FILE", default=STDOUT, help="Write there, atomically.")
@common_options
@click.pass_obj
def compile_(settings: Settings, path: str, output: str) -> int:
    """Print policy P as JSON that loads without YAML."""
    from tierstore.policy import check as check_policy
    from tierstore.policy.compiled import compile_policy

    checked = check_policy(path)
    if checked.policy is None:
        raise PolicyError("\n".join(checked.faults), faults=checked.faults)
    for warning in checked.warnings:
        note(f"warning: {warning}")
    text = compile_policy(checked.policy)
    if output == STDOUT:
        emit_text(text)
        return OK
    write_atomically(output, text)
    if settings.is_json:
        emit({"policy": path, "output": output, "warnings": checked.warnings})
    return OK


def write_atomically(path: str, text: str) -> None:
    """Let `path` hold all of `text`, or what it held before. Raises UsageError if it cannot."""
    from tierstore.runtime import Runtime

    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise click.UsageError(f"{path}: not a file; without -o it goes to standard output")
    spare = f"{target}.{Runtime().random_bytes(6).hex()}.tmp"
    try:
        _write_new(spare, text)
        os.replace(spare, target)
    except OSError as exc:
        raise click.UsageError(f"{path}: cannot be written: {exc.strerror}") from exc
    finally:
        if os.path.lexists(spare):
            os.unlink(spare)


def _write_new(path: str, text: str) -> None:
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _verdict(name: str, policy: Policy | None) -> str:
    if policy is None:
        return f"{name}: cannot be used"
    declared = len(policy.rules) - 1
    return f"{name}: ok, {declared} rule{'' if declared == 1 else 's'} and the implicit default"
