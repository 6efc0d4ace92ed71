"""Where a file of SQLite is, taken from a url."""

from __future__ import annotations

from tierstore.errors import PolicyError

_PREFIX = "sqlite:///"


def path_of(url: str) -> str:
    """The path of the database's file. Raises PolicyError if `url` names none."""
    path = url.removeprefix(_PREFIX)
    if path == url or path in ("", ":memory:") or "\0" in path or "?" in path:
        raise PolicyError(
            f"{mask_url(url)!r} names no database file; "
            "write sqlite:///relative/path.db or sqlite:////absolute/path.db"
        )
    return path


def mask_url(url: str) -> str:
    """`url` with userinfo, query and fragment, which may hold a password, replaced by `***`.

    Errs on the side of hiding: everything up to the last `@` counts as userinfo.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***"
    if not rest.startswith("/") and "@" in rest:
        rest = f"***@{rest.rpartition('@')[2]}"
    cut = min((rest.find(mark) for mark in "?#" if mark in rest), default=len(rest))
    return f"{scheme}://{rest[:cut]}" + ("" if cut == len(rest) else f"{rest[cut]}***")
