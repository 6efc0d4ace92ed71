"""A progress bar on standard error, where a person can see it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


class StageBar:
    """Shows the stages of a long run, each as a bar; nothing if standard error is no terminal."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._bar: Any = None

    @property
    def callback(self) -> Callable[[str, int, int], None] | None:
        """What to call with (stage, done, total); None if nobody would see it."""
        return self.show if sys.stderr.isatty() else None

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
        if total < 1:
            click.echo(label, err=True)
            return
        bar: Any = click.progressbar(length=total, label=label, file=sys.stderr)
        self._bar = bar.__enter__()

    def _end(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.__exit__(None, None, None)
