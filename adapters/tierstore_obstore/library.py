"""obstore itself, anew in a forked child: the threads that its requests run in are the parent's.

What was loaded before a fork waits for ever in the child
(https://github.com/tokio-rs/tokio/issues/4301), so the child loads the library from a copy of its
file, which the system takes for another library.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import obstore
import obstore.store

from tierstore.runtime import Runtime, fork

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = "obstore"
_EXTENSION = "obstore._obstore"


class Library:
    """The one of this process: `module()` is the package obstore."""

    def __init__(self) -> None:
        self._lock = Runtime().lock()
        self._module: Any = obstore
        fork.register(self)

    def module(self) -> Any:
        """The package, which may be used in this process."""
        with self._lock:
            if self._module is None:
                self._module = _load_copy()
            return self._module

    def before_fork(self) -> None:
        """Let nothing be half loaded in the child."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Use nothing of the parent's."""
        self._module = None
        self._lock.release()


LIBRARY = Library()


def leave_alone(inherited: object) -> None:
    """Never free `inherited`, which a forked child has of its parent: freeing it takes locks that
    a thread of the parent may have held."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def _load_copy() -> Any:
    original = sys.modules[_EXTENSION].__file__
    assert original is not None
    with TemporaryDirectory(prefix="tierstore-") as folder, _copied(original, folder) as path:
        return _import_from(path)


@contextmanager
def _copied(original: str, folder: str) -> Iterator[str]:
    """The path of a copy: in memory where the system has that, else in `folder`."""
    with open(original, "rb") as file:
        content = file.read()
    if not hasattr(os, "memfd_create"):
        path = os.path.join(folder, os.path.basename(original))
        with open(path, "wb") as copy:
            copy.write(content)
        yield path
        return
    descriptor = os.memfd_create(_PACKAGE)
    try:
        with open(descriptor, "wb", closefd=False) as copy:
            copy.write(content)
        yield f"/proc/{os.getpid()}/fd/{descriptor}"  # by its own id: paths are remembered
    finally:
        os.close(descriptor)


def _import_from(path: str) -> Any:
    """The package once more, with its extension from `path`; others keep the one they have."""
    before = _taken_out()
    finder = _Finder(path)
    sys.meta_path.insert(0, finder)
    try:
        import obstore.store as copied

        assert copied.__spec__ is not None
        return sys.modules[_PACKAGE]
    finally:
        sys.meta_path.remove(finder)
        _taken_out()
        sys.modules.update(before)


def _taken_out() -> dict[str, Any]:
    names = [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]
    return {name: sys.modules.pop(name) for name in names}


class _Finder:
    """Finds the extension at another place."""

    def __init__(self, path: str) -> None:
        self._path = path

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Where the extension is; None for all else."""
        if name != _EXTENSION:
            return None
        return spec_from_file_location(
            name, self._path, loader=ExtensionFileLoader(name, self._path)
        )
