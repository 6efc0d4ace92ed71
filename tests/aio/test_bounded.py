"""Bounded counters for event loops."""

from __future__ import annotations

import asyncio

import pytest

import tierstore
from tierstore.errors import InsufficientRightsError, InvalidArgumentError

POLICY = {
    "timeouts": {"regional": "60s"},
    "rules": [{"match": "stock", "type": "bounded_counter"}],
}


async def test_many_tasks_sell_each_unit_once(tmp_path):
    async with tierstore.open_async(POLICY, base_dir=tmp_path) as store:
        stock = store.bounded_counter("stock")
        assert repr(stock) == "<tierstore.AsyncBoundedCounter 'stock'>"
        await stock.give(20)
        taken = await asyncio.gather(*[stock.try_take() for _ in range(30)])
        assert (sum(taken), await stock.get(), await stock.rights()) == (20, 0, 0)
        with pytest.raises(InsufficientRightsError):
            await stock.take(1)
        with pytest.raises(InvalidArgumentError):
            await stock.take(0)
