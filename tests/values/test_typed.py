"""Values as the types that callers ask for, and refusals that never quote what is stored."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import subprocess
import sys
import traceback
import uuid
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import msgspec
import pytest

from tierstore.errors import DecodingError, InvalidArgumentError
from tierstore.values.typed import convert

SECRET = "canary-4711"
NOW = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
STORED = {"name": "Ada", "tags": ["a", "b"], "age": 36, "since": NOW, "photo": b"\xff"}
T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class DataPerson:
    name: str
    tags: list[str]
    age: float
    since: datetime.datetime
    photo: bytes
    nick: str = "none"


class StructPerson(msgspec.Struct):
    name: str
    tags: list[str]
    age: float
    since: datetime.datetime
    photo: bytes
    nick: str = "none"


class DictPerson(TypedDict):
    name: str
    tags: list[str]
    age: float
    since: datetime.datetime
    photo: bytes


class Point(NamedTuple):
    x: int
    y: int


class Unknown:
    pass


@dataclasses.dataclass
class Picky:
    name: str

    def __post_init__(self):
        raise ValueError(f"Expected better than {self.name}")


def attrs_person():
    attrs = pytest.importorskip("attrs")
    return attrs.make_class(
        "AttrsPerson",
        {
            name: attrs.field(type=kind)
            for name, kind in (
                ("name", str),
                ("tags", list[str]),
                ("age", float),
                ("since", datetime.datetime),
                ("photo", bytes),
            )
        }
        | {"nick": attrs.field(type=str, default="none")},
    )


def pydantic_person():
    pydantic = pytest.importorskip("pydantic")
    return pydantic.create_model(
        "PydanticPerson",
        name=str,
        tags=list[str],
        age=float,
        since=datetime.datetime,
        photo=bytes,
        nick=(str, "none"),
    )


KINDS = {
    "dataclass": lambda: DataPerson,
    "msgspec": lambda: StructPerson,
    "attrs": attrs_person,
    "pydantic": pydantic_person,
}


def refusal(value, target, error=DecodingError):
    with pytest.raises(error) as caught:
        convert(value, target)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_instance_of_each_kind(kind):
    target = KINDS[kind]()
    person = convert(STORED, target)
    assert type(person) is target
    assert {name: getattr(person, name) for name in STORED} == STORED
    assert person.nick == "none"


def test_a_typed_dict_keeps_what_it_names():
    assert convert({**STORED, "other": 1}, DictPerson) == STORED


@pytest.mark.parametrize("kind", KINDS)
def test_a_generic_of_each_kind(kind):
    target = KINDS[kind]()
    assert [type(one) for one in convert([STORED, STORED], list[target])] == [target, target]
    assert type(convert({"a": STORED}, dict[str, target])["a"]) is target
    assert convert(None, target | None) is None
    assert type(convert(STORED, target | None)) is target


@pytest.mark.parametrize("kind", [*KINDS, "typed dict"])
def test_a_misfit_names_the_path_and_not_the_content(kind):
    target = {**KINDS, "typed dict": lambda: DictPerson}[kind]()
    message = refusal({**STORED, "age": [SECRET]}, target)
    assert message.startswith("value.age: ")
    message = refusal([STORED, {**STORED, "tags": ["a", {SECRET: SECRET}]}], list[target])
    assert message.startswith("value[1].tags[1]: ")
    missing = {name: item for name, item in STORED.items() if name != "photo"}
    assert "missing" in refusal(missing, target)
    assert "photo" in refusal(missing, target)


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [
        (5, int, 5),
        (5, float, 5.0),
        ([1, 2], set[int], {1, 2}),
        ([1, 2], tuple[int, int], (1, 2)),
        ([1, 2], Point, Point(1, 2)),
        ({"7": 1}, dict[int, int], {7: 1}),
        ("red", Colour, Colour.RED),
        ("red", Literal["red"], "red"),
        ("1.50", decimal.Decimal, decimal.Decimal("1.50")),
        (str(uuid.UUID(int=9)), uuid.UUID, uuid.UUID(int=9)),
        (NOW, datetime.datetime, NOW),
        (b"\xff", bytes, b"\xff"),
        ({"a": [1]}, Any, {"a": [1]}),
        ({"a": [1]}, object, {"a": [1]}),
        (4, Annotated[int, msgspec.Meta(gt=3)], 4),
    ],
)
def test_builtins_and_generics(value, target, expected):
    result = convert(value, target)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "target", "reason"),
    [
        (SECRET, int, "value: expected `int`, got `str`"),
        ({"a": [0, SECRET]}, dict[str, list[int]], "value[...][1]: expected `int`, got `str`"),
        ({SECRET: 1}, dict[int, int], "expected `int`, got `str`"),
        (SECRET, Colour, "value: invalid enum value"),
        (SECRET, Literal["a"], "value: invalid enum value"),
        (SECRET, uuid.UUID, "value: invalid UUID"),
        (47114711, Literal[1], "value: invalid enum value"),
        (2, Annotated[int, msgspec.Meta(gt=3)], "value: expected `int` >= 4"),
        ({"name": SECRET}, Picky, "value: refused by a check of the type"),
        ([{"name": SECRET}], list[Picky], "value[0]: refused by a check of the type"),
    ],
)
def test_a_misfit_says_why(value, target, reason):
    message = refusal(value, target)
    assert message.endswith(reason)
    assert "4711" not in message


def test_checks_of_pydantic_are_not_quoted():
    pydantic = pytest.importorskip("pydantic")

    class Strict(pydantic.BaseModel):
        name: str
        count: int = 0

        @pydantic.field_validator("name")
        @classmethod
        def check(cls, name):
            raise ValueError(f"{name} is not allowed")

    assert refusal({"name": SECRET}, Strict) == "value.name: value_error"
    assert refusal({"name": SECRET, "count": SECRET}, Strict).endswith(" (and 1 more)")

    holder = dataclasses.make_dataclass("Holder", [("inner", list[Strict])])
    assert refusal({"inner": [{"name": SECRET}]}, holder) == "value.inner[0].name: value_error"


def test_generic_models_and_dataclasses_of_pydantic():
    pydantic = pytest.importorskip("pydantic")

    class Box(pydantic.BaseModel, Generic[T]):
        content: T

    row = pydantic.dataclasses.dataclass(dataclasses.make_dataclass("Row", [("x", int)]))
    assert convert({"content": 1}, Box[int]).content == 1
    assert convert({"x": "1"}, row).x == 1
    assert convert([{"x": "1"}], list[row])[0].x == 1


@pytest.mark.parametrize(
    ("value", "target"),
    [
        (1, Unknown),
        ({}, Unknown),
        ([SECRET], list[Unknown]),
        ({"a": SECRET}, dict[str, Unknown]),
        (SECRET, "name"),
        (SECRET, 3),
        (SECRET, [int]),
        (STORED, DataPerson | Picky),
    ],
)
def test_a_type_that_cannot_be_built_is_the_callers_mistake(value, target):
    assert refusal(value, target, InvalidArgumentError).startswith("type: ")


def test_a_model_of_unsupported_parts_is_the_callers_mistake():
    model = pydantic_person()
    assert refusal(1, list[model | Unknown], InvalidArgumentError).startswith("type: ")


def test_without_msgspec_it_says_what_to_install():
    program = """if True:
        import sys
        sys.modules["msgspec"] = None
        from tierstore.errors import InvalidArgumentError
        from tierstore.values.typed import convert
        assert "pydantic" not in sys.modules
        try:
            convert(1, int)
        except InvalidArgumentError as error:
            assert "pip install msgspec" in str(error)
        else:
            raise SystemExit("accepted")
    """
    subprocess.run([sys.executable, "-c", program], check=True)
