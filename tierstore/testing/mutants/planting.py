"""Putting a wrong function in the place of a right one, and taking it away again.

Production code knows nothing of this. A function of a module is replaced in every module that has
imported it by name; a method, in its class.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    Plant: TypeAlias = Callable[[], AbstractContextManager[None]]
    Wrong: TypeAlias = Callable[[Any], Any]
    """What makes the wrong function out of the right one."""

PRODUCT = "tierstore"


@contextmanager
def patched(owner: Any, name: str, wrong: Wrong, *, is_local: bool = False) -> Iterator[None]:
    """Let `owner.name`, in a class or a module, be `wrong(right)` inside the block.

    `is_local`: other modules keep the right one. Raises AttributeError if there is no such name:
    what a mutant stands for has moved, and nothing would be planted.
    """
    if name not in vars(owner):
        raise AttributeError(f"{owner.__name__} has no {name} of its own: plant it elsewhere")
    right = vars(owner)[name]
    planted = wrong(right)
    is_shared = isinstance(owner, ModuleType) and not is_local
    _replace(owner, name, right, planted, is_shared=is_shared)
    try:
        yield
    finally:  # again everywhere: a module that was loaded meanwhile has imported the wrong one
        _replace(owner, name, planted, right, is_shared=is_shared)


def plants(owner: Any, name: str, *, is_local: bool = False) -> Callable[[Wrong], Plant]:
    """Make a plant of what makes the wrong `owner.name` out of the right one; see `patched`."""
    return lambda wrong: lambda: patched(owner, name, wrong, is_local=is_local)


def both(*plants_: Plant) -> Plant:
    """Several wrong functions at once, where each alone is made up for by the others."""

    @contextmanager
    def plant() -> Iterator[None]:
        with ExitStack() as stack:
            for each in plants_:
                stack.enter_context(each())
            yield

    return plant


def _replace(owner: Any, name: str, old: Any, new: Any, *, is_shared: bool) -> None:
    setattr(owner, name, new)
    if not is_shared:
        return
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith(PRODUCT):
            known = [key for key, value in vars(module).items() if value is old]
            for key in known:
                setattr(module, key, new)
