"""Values as instances of a type that the caller names.

msgspec builds dataclasses, `msgspec.Struct`, attrs classes, `TypedDict`, `NamedTuple`, enums and
the builtin and generic types of them; pydantic builds its own. Both are imported at first use.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, get_args

from tierstore.errors import DecodingError, InvalidArgumentError

if TYPE_CHECKING:
    from msgspec import ValidationError
    from pydantic import TypeAdapter

    from tierstore.values.msgpack import Value

T = TypeVar("T")

_AT = re.compile(r" - at (`key` in )?`\$(?P<path>.*)`$", re.DOTALL)
_WORDS = re.compile(r"[A-Za-z ]+")


class _MisfitError(ValueError):
    """`args`: the path below the value, and the reason."""


class _UnsupportedError(Exception):
    """`args`: the type that nobody can build."""


def convert(value: Value, target: type[T]) -> T:
    """`value` as an instance of `target`.

    As strict as msgspec: an int may become a float and text a UUID, a number never comes out of
    text, except where it is the key of a mapping.

    Raises DecodingError with the path and the reason, never with what is stored there, and
    InvalidArgumentError if `target` is not a type that can be built.
    """
    try:
        instance: T = _convert(value, target)
        return instance
    except _MisfitError as error:
        path, reason = error.args
        problem: Exception = DecodingError(f"value{path}: {reason}")
    except _UnsupportedError as error:
        problem = InvalidArgumentError(f"type: {error.args[0]}")
    # Outside the handlers: the causes quote the value.
    raise problem


def _convert(value: Value, target: Any) -> Any:
    try:
        import msgspec
    except ImportError:
        raise _UnsupportedError("`type=` needs msgspec: pip install msgspec") from None
    if _is_pydantic(target):
        return _validate(value, target)
    try:
        return msgspec.convert(value, target, dec_hook=_build_custom, str_keys=True)
    except msgspec.ValidationError as error:
        _raise_misfit(error)
    except TypeError as error:
        raise _UnsupportedError(str(error)) from None


def _raise_misfit(error: ValidationError) -> NoReturn:
    message = str(error)
    at = _AT.search(message)
    path = at["path"] if at else ""
    if isinstance(error.__cause__, _MisfitError):
        inner, reason = error.__cause__.args
        raise _MisfitError(path + inner, reason)
    reason = message[: at.start()] if at else message
    if error.__cause__ is not None:
        reason = "refused by a check of the type"
    elif not reason.startswith(("Expected ", "Object ")):
        words = _WORDS.match(reason)  # what follows the words is what was stored
        reason = words[0].strip() if words else "does not fit"
    raise _MisfitError(path, reason[0].lower() + reason[1:])


def _build_custom(target: Any, value: Any) -> Any:
    """What msgspec calls for a class that it does not know."""
    if _is_pydantic(target):
        return _validate(value, target)
    if isinstance(value, target):
        return value
    raise _UnsupportedError(f"{target.__qualname__} cannot be built from stored data")


def _is_pydantic(target: Any) -> bool:
    return hasattr(target, "__pydantic_validator__") or any(map(_is_pydantic, get_args(target)))


def _validate(value: Any, target: Any) -> Any:
    from pydantic import ValidationError

    adapter = _adapter_or_refusal(target)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in first["loc"])
        # The kind, not the message: messages of some kinds quote the value.
        reason, more = first["type"], error.error_count() - 1
    raise _MisfitError(path, f"{reason} (and {more} more)" if more else reason)


def _adapter_or_refusal(target: Any) -> TypeAdapter[Any]:
    from pydantic.errors import PydanticUserError

    try:
        return _adapter(target)
    except (PydanticUserError, TypeError) as error:
        raise _UnsupportedError(str(error).partition("\n")[0]) from None


@lru_cache(maxsize=256)
def _adapter(target: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(target)
