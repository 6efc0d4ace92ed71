"""`get`: one value, raw or with its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tierstore.cli.document import dumps
from tierstore.cli.failures import ABSENT, OK
from tierstore.cli.output import emit, emit_bytes, emit_text, is_terminal, note, shown_key
from tierstore.cli.settings import Settings, common_options, duration_option, timeout_option
from tierstore.frozen import as_dict

if TYPE_CHECKING:
    from tierstore.store.results import Reading


@click.command()
@click.argument("key")
@duration_option("--max-age", "max_age_s", "Do not accept a copy that may lag further behind.")
@timeout_option
@common_options
@click.pass_obj
def get(settings: Settings, key: str, max_age_s: float | None, timeout_s: float | None) -> int:
    """Print the value of KEY. Exit 1 if it is absent.

    Text and bytes are printed as they are, anything else as JSON.

    With --json: the value and its receipt (tier, version, age, expiry, metadata, rule, replica).
    """
    with settings.opened() as store:
        reading = store.read(key, max_age=max_age_s, timeout=timeout_s)
    if settings.is_json:
        emit({"key": key, **_fields(reading)})
    elif reading.found:
        _print_value(reading.value)
    else:
        note(f"{shown_key(key)} is absent")
    return OK if reading.found else ABSENT


def _fields(reading: Reading) -> dict[str, Any]:
    return {**as_dict(reading), "metadata": dict(reading.metadata)}


def _print_value(value: Any) -> None:
    if isinstance(value, bytes):
        emit_bytes(value)
    elif isinstance(value, str):
        emit_text(value + "\n" if is_terminal() else value)
    else:
        emit_text(dumps(value) + "\n")
