"""What clients keep of earlier versions is read by later ones: the spelling is pinned."""

from __future__ import annotations

import pytest

from tierstore.errors import InvalidArgumentError
from tierstore.store.cursor import decode_cursor, encode_cursor
from tierstore.store.watching import CURSOR

SCAN = "lAKocHJvZmlsZS_DxAlwcm9maWxlLzc"
WATCH = "lQHZIGFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFizwAAAYvP5WgAzTA5o3YvcA"
PLACE = ("ab" * 16, 1_700_000_000_000, 12_345, "v/p")


def test_cursors_of_scans():
    assert encode_cursor("profile/", True, "profile/7") == SCAN
    assert decode_cursor(SCAN, "profile/", True) == "profile/7"


def test_cursors_of_watches():
    assert CURSOR.encode(1, *PLACE) == WATCH
    assert CURSOR.decode(WATCH) == [1, *PLACE]


def test_each_names_itself_where_another_is_handed_in():
    with pytest.raises(InvalidArgumentError, match="since: "):
        CURSOR.decode(SCAN)
    with pytest.raises(InvalidArgumentError, match="cursor: "):
        decode_cursor(WATCH, "profile/", True)
