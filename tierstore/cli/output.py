"""Standard output and standard error: UTF-8 whatever the locale, and flushed before the end."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from tierstore.cli.document import dumps


def emit(data: Any) -> None:
    """Print `data` as one JSON document."""
    emit_text(dumps(data) + "\n")


def emit_text(text: str) -> None:
    """Print `text` as it is."""
    click.echo(text.encode(), nl=False)


def emit_bytes(data: bytes) -> None:
    """Print `data` as it is."""
    click.echo(data, nl=False)


def note(text: str) -> None:
    """Tell the user something on standard error."""
    click.echo(f"tierstore: {text}", err=True)


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def shown_key(key: str) -> str:
    """`key` on one line: as it is, or as a JSON string where that could be misread.

    Different keys are shown differently, and none can send control characters to a terminal.
    """
    return key if key.isprintable() and not key.startswith('"') else dumps(key)


def flush_output() -> None:
    """Let errors of standard output come now, where they can still be told."""
    if sys.stdout is not None:  # None: the process was started with it closed
        sys.stdout.flush()


def silence_output() -> None:
    """Send what is still buffered for a reader that went away to nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return  # standard output is no file, as in a test runner
