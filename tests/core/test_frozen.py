"""Frozen classes take every field once, by position or by name, and say what is wrong."""

from __future__ import annotations

import pytest

from tierstore.frozen import as_dict, frozen, replace


@frozen
class Point:
    x: int
    y: int
    name: str = "here"

    def far(self):
        return self.x > 9


@pytest.mark.parametrize(
    "made",
    [
        Point(1, 2),
        Point(1, y=2),
        Point(y=2, x=1),
        Point(1, 2, "here"),
        replace(Point(5, 2, name="here"), x=1),
    ],
)
def test_fields_come_by_position_by_name_or_by_default(made):
    assert as_dict(made) == {"x": 1, "y": 2, "name": "here"}
    assert made == Point(1, 2)
    assert hash(made) == hash(Point(1, 2))


@pytest.mark.parametrize(
    ("args", "fields", "fault"),
    [
        ((1,), {}, "Point: field 'y' is missing"),
        ((), {"y": 1, "name": ""}, "Point: field 'x' is missing"),
        ((1, 2, "", 4), {}, "Point takes at most 3 fields"),
        ((1, 2), {"x": 3}, "Point: unexpected or repeated field 'x'"),
        ((1, 2), {"z": 3}, "Point: unexpected or repeated field 'z'"),
        ((1,), {"z": 3}, "Point: unexpected or repeated field 'z'"),
        ((1,), {"far": 3}, "Point: unexpected or repeated field 'far'"),
    ],
)
def test_what_is_missing_unknown_or_given_twice_is_named(args, fields, fault):
    with pytest.raises(TypeError) as caught:
        Point(*args, **fields)
    assert str(caught.value) == fault
