"""Edges that sell of one stock, are killed and cut off: no unit is sold twice, none is lost."""

from __future__ import annotations

import pytest
from selling_edges import check, sell, sell_to_fifty_thousand

pytestmark = pytest.mark.further


def test_two_edges_sell_a_stock(tmp_path):
    edges = sell(tmp_path, 120, 2, 200, kills_max=2, pause_s=0.01)
    check(tmp_path, edges, 120)


@pytest.mark.campaign
def test_eight_edges_sell_ten_thousand_units_to_fifty_thousand_takers(tmp_path):
    sell_to_fifty_thousand(tmp_path)
