"""What kind of violation a text tells, whatever the values, names and times in it."""

from __future__ import annotations

import re

_BY = r"by \S+ at [\d.]+ to [\d.?]+ ms"
_ITEM = r"(?:-?\d+|b?'(?:[^'\s]|only )*'?)"
_REPLACED = (
    (re.compile(rf"\w+ of \S+ {_BY} → (?:nothing|{_ITEM}(?:, {_ITEM})*)"), "a look"),
    (re.compile(rf"\((?:delete|touch|put \S+|(?:add|discard)[^()]*?) {_BY}\)"), "a write"),
    (re.compile(r"\bn\d+(?:\.\d+)?(?:/\w+)?"), "a node"),
    (re.compile(r"\b[a-z]/\d+\b"), "a key"),
    (re.compile(r"[0-9a-f]{16,}\S*"), "an object"),
    (re.compile(r"'[^']*'?"), "'…'"),
    (re.compile(r"\d+(?:\.\d+)?"), "#"),
    (re.compile(r"\s+"), " "),
)
_FRAME = re.compile(r'File ".*[/\\](\w+\.py)", line \d+, in (\w+)')


def signature_of(violation: str) -> str:
    """The same for two violations of one kind.

    >>> signature_of("n0 still has 3 writes that did not reach the region")
    'a node still has # writes that did not reach the region'

    What broke with a traceback is known by the class of the error and where it was raised.
    """
    if "Traceback (most recent call last)" in violation:
        return _of_traceback(violation)
    for pattern, word in _REPLACED:
        violation = pattern.sub(word, violation)
    return violation.strip()


def signature(violations: list[str]) -> str | None:
    """The kind of the first of `violations`; None if there is none."""
    return signature_of(violations[0]) if violations else None


def _of_traceback(violation: str) -> str:
    frames = _FRAME.findall(violation)
    where = "{} in {}".format(*frames[-1]) if frames else "somewhere"
    last = violation.strip().splitlines()[-1]
    return f"{last.partition(':')[0]} from {where}"
