"""`get(type=…)`: a value as the type that the caller names, whichever tier it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import attrs
import msgspec
import pydantic
import pytest

from tierstore.errors import DecodingError
from tierstore.testing import MemoryRegion, memory_store


@dataclass
class Data:
    name: str
    size: int


class Struct(msgspec.Struct):
    name: str
    size: int


@attrs.define
class Attrs:
    name: str
    size: int


class Typed(TypedDict):
    name: str
    size: int


class Model(pydantic.BaseModel):
    name: str
    size: int


TYPES = [Data, Struct, Attrs, Typed, Model]


@pytest.fixture(params=["edge", "regional"])
def filled(request, runtime):
    """A store that holds `good`, `bad` and `none` at the edge, or only in its region."""
    region = MemoryRegion(runtime)
    with (
        memory_store(region=region, runtime=runtime) as writer,
        memory_store(region=region, runtime=runtime) as reader,
    ):
        writer.put_many({"good": {"name": "n", "size": 3}, "bad": {"name": 1}, "none": None})
        writer.flush()
        yield writer if request.param == "edge" else reader


@pytest.mark.parametrize("type_", TYPES)
def test_a_value_of_that_shape(filled, type_):
    assert filled.get("good", type=type_) == type_(name="n", size=3)
    assert filled.get("good", type=type_) is not filled.get("good", type=type_)


@pytest.mark.parametrize("type_", TYPES)
def test_a_value_of_another_shape(filled, type_):
    for key in ("bad", "none"):
        with pytest.raises(DecodingError):
            filled.get(key, type=type_)
    assert filled.get("bad") == {"name": 1}


def test_the_default_is_not_converted(filled):
    assert filled.get("absent", type=Data) is None
    assert filled.get("absent", "default", type=Data) == "default"
