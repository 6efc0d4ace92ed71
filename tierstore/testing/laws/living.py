"""Lives of keys, of whatever type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.record import REGISTER
from tierstore.testing.laws.life import Life
from tierstore.testing.laws.register_life import RegisterLife

if TYPE_CHECKING:
    from tierstore.testing.laws.steps import Script
    from tierstore.testing.laws.under_test import TypeUnderTest


def begin(under_test: TypeUnderTest, script: Script) -> Life:
    """A life in which nothing has happened yet."""
    kind = RegisterLife if under_test.type.CODE == REGISTER else Life
    return kind(under_test, script)


def live(under_test: TypeUnderTest, script: Script, *, settles: bool = True) -> Life:
    """The life that `script` tells, to its end, and settled."""
    life = begin(under_test, script)
    for step in script.steps:
        life.take(step)
    if settles:
        life.settle()
    return life
