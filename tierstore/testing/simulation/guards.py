"""Nothing real inside a simulation: no clock, chance, thread or socket of the machine.

What reads them would make a run depend on more than its seed. Within `sealed()` they raise.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_REAL = {
    "time": (
        "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep",
        "gmtime", "localtime",
    ),
    "random": (
        "random", "uniform", "randrange", "randint", "choice", "choices", "sample", "shuffle",
        "getrandbits", "randbytes", "gauss", "expovariate", "triangular", "SystemRandom",
    ),
    "os": ("urandom", "fork"),
    "uuid": ("uuid1", "uuid4"),
    "secrets": ("token_bytes", "token_hex", "token_urlsafe", "randbits", "randbelow", "choice"),
    "threading": ("Thread.start",),
    "_thread": ("start_new_thread",),
    "socket": ("socket", "socketpair", "create_connection", "getaddrinfo"),
    "subprocess": ("Popen",),
}  # fmt: skip


class EscapeError(BaseException):
    """Code under simulation reached for the real world. Not an Exception: nobody may hide it."""


@contextmanager
def sealed() -> Iterator[None]:
    """Let every use of a real clock, chance, thread or socket raise EscapeError.

    They are loaded first, so that code which imports one only when it needs it gets no other. What
    code has imported by name before is out of reach, and so is `datetime.now`. Nothing is logged
    meanwhile: a log line has the time.
    """
    before: list[tuple[Any, str, Any]] = []
    modules = {name: import_module(name) for name in _REAL}
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        for module_name, paths in _REAL.items():
            for path in paths:
                owner, name = _find(modules[module_name], path)
                before.append((owner, name, getattr(owner, name)))
                setattr(owner, name, _forbidden(f"{module_name}.{path}"))
        yield
    finally:
        logging.disable(level)
        for owner, name, real in reversed(before):
            setattr(owner, name, real)


def _find(module: Any, path: str) -> tuple[Any, str]:
    *owners, name = path.split(".")
    for owner in owners:
        module = getattr(module, owner)
    return module, name


def _forbidden(name: str) -> Callable[..., Any]:
    def forbidden(*arguments: object, **keywords: object) -> Any:
        raise EscapeError(f"{name} was called inside a simulation: go through the Runtime")

    return forbidden
