"""What an error says to whoever logs it."""

from __future__ import annotations


def told(error: BaseException) -> list[str]:
    """The texts of an error and of all that caused it or that it interrupted."""
    texts: list[str] = []
    following: list[BaseException | None] = [error]
    while following:
        one = following.pop()
        if one is not None:
            texts += [str(one), repr(one), *getattr(one, "__notes__", [])]
            following += [one.__cause__, one.__context__]
    return texts
