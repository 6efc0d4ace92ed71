"""Progress of a long run on standard error: bars on a terminal, else a line a stage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from typing import Self


class StageBar:
    """Shows the stages of a long run: as bars on a terminal, else as one line when each begins."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._bar: Any = None

    def show(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` of `stage`; a total of zero is one that is not known."""
        if stage != self._stage:
            self._end()
            self._stage = stage
            self._begin(stage, total)
        if self._bar is not None:
            self._bar.update(min(done, self._bar.length) - self._bar.pos)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _begin(self, stage: str, total: int) -> None:
        label = f"{stage:12}"
        if total < 1 or not sys.stderr.isatty():
            click.echo(f"{label}{total:>11,}".rstrip() if total > 0 else stage, err=True)
            return
        bar: Any = click.progressbar(length=total, label=label, file=sys.stderr)
        self._bar = bar.__enter__()

    def _end(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.__exit__(None, None, None)
