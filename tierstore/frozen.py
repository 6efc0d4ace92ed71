"""`@frozen`: small immutable value classes that cost nothing to import.

`dataclasses` alone takes longer to import than the whole edge path may take to start
(docs/benchmarks.md, cold start), so the classes that a handler needs before its first read are
made with this decorator. Type checkers see an ordinary frozen dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_: object):
        return lambda decorator: decorator


_set = object.__setattr__


@dataclass_transform(frozen_default=True, eq_default=True)
def frozen(cls: type[T]) -> type[T]:
    """A slotted, immutable, comparable copy of `cls`, built from its annotations and defaults.

    Construction takes fields by position or by name; equality and hash are by field. Inheritance
    of fields and mutable defaults are not supported.
    """
    names = tuple(cls.__annotations__)
    defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    skipped = {*names, "__dict__", "__weakref__"}
    namespace: dict[str, Any] = {k: v for k, v in cls.__dict__.items() if k not in skipped}
    namespace.update(_METHODS, __slots__=names, __match_args__=names, _defaults=defaults)
    made: type[T] = type(cls.__name__, cls.__bases__, namespace)
    return made


def replace(instance: T, **changes: object) -> T:
    """A copy of a frozen `instance` with the named fields changed."""
    names: tuple[str, ...] = instance.__slots__  # type: ignore[attr-defined]
    fields: dict[str, Any] = {name: getattr(instance, name) for name in names}
    return type(instance)(**{**fields, **changes})


def as_dict(instance: object) -> dict[str, Any]:
    """The fields of a frozen `instance` by name, in declaration order."""
    return {name: getattr(instance, name) for name in instance.__slots__}  # type: ignore[attr-defined]


def _init(self: Any, *args: object, **kwargs: object) -> None:
    names = self.__slots__
    given = dict(zip(names, args, strict=False))
    fields = {**self._defaults, **given, **kwargs}
    is_odd = len(args) > len(names) or len(fields) != len(names)
    if is_odd or not given.keys().isdisjoint(kwargs):
        raise TypeError(_fault(self, args, kwargs))
    for name, value in fields.items():
        try:
            _set(self, name, value)
        except AttributeError:  # as many as there are, but others
            raise TypeError(_fault(self, args, kwargs)) from None


def _fault(self: Any, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
    """Why an instance cannot be made of these."""
    names, cls = self.__slots__, type(self).__name__
    if len(args) > len(names):
        return f"{cls} takes at most {len(names)} fields"
    for name in kwargs:
        if name in names[: len(args)] or name not in names:
            return f"{cls}: unexpected or repeated field {name!r}"
    known = {*names[: len(args)], *kwargs, *self._defaults}
    missing = next(name for name in names if name not in known)
    return f"{cls}: field {missing!r} is missing"


def _values(self: Any) -> tuple[object, ...]:
    return tuple(getattr(self, name) for name in self.__slots__)


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    inner = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
    return f"{type(self).__name__}({inner})"


def _refuse(self: Any, *_: object) -> None:
    raise AttributeError(f"{type(self).__name__} is immutable; use tierstore.frozen.replace")


def _reduce(self: Any) -> tuple[type, tuple[object, ...]]:
    return type(self), _values(self)


_METHODS: dict[str, Any] = {
    "__init__": _init,
    "__eq__": _eq,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__reduce__": _reduce,
}
