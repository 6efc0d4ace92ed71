"""The sketch against a dict of exact decayed counts."""

from __future__ import annotations

import random
from math import e

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.placement.heat import decayed
from tierstore.placement.sketch import Sketch

HALF_LIFE_S = 100.0
ROUNDING = 1 - 1e-9

accesses = st.tuples(
    st.floats(0, 3 * HALF_LIFE_S), st.integers(0, 12).map(str), st.integers(0, 9), st.integers(0, 9)
)


class Exact:
    """Decayed counts by key."""

    def __init__(self):
        self.counts = {}

    def advance(self, elapsed_s):
        for key, pair in self.counts.items():
            self.counts[key] = [decayed(count, elapsed_s, HALF_LIFE_S) for count in pair]

    def add(self, key, reads, writes):
        pair = self.counts.setdefault(key, [0.0, 0.0])
        pair[0] += reads
        pair[1] += writes


def zipf_keys(keys, count, seed):
    rng = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(keys)]
    return rng.choices([f"product/{rank}" for rank in range(keys)], weights, k=count)


@given(st.lists(accesses, max_size=60), st.sampled_from([1, 4, 64]))
def test_it_never_counts_too_little(stream, width):
    sketch, exact, now_s = Sketch(HALF_LIFE_S, 50.0, width=width), Exact(), 50.0
    for elapsed_s, key, reads, writes in stream:
        now_s += elapsed_s
        sketch.advance(now_s)
        exact.advance(elapsed_s)
        sketch.add(key, reads, writes)
        exact.add(key, reads, writes)
    for key, (reads, writes) in exact.counts.items():
        estimated_reads, estimated_writes = sketch.estimate(key)
        assert estimated_reads >= reads * ROUNDING
        assert estimated_writes >= writes * ROUNDING


@given(st.lists(accesses, max_size=60))
def test_it_is_exact_while_keys_do_not_collide(stream):
    sketch, exact, now_s = Sketch(HALF_LIFE_S, 0.0), Exact(), 0.0
    for elapsed_s, key, reads, writes in stream:
        now_s += elapsed_s
        sketch.advance(now_s)
        exact.advance(elapsed_s)
        sketch.add(key, reads, writes)
        exact.add(key, reads, writes)
    for key, pair in exact.counts.items():
        assert sketch.estimate(key) == pytest.approx(pair)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_error_on_a_zipf_stream_is_within_its_bound(seed):
    sketch, exact = Sketch(HALF_LIFE_S, 0.0, width=256), Exact()
    for number, key in enumerate(zipf_keys(5_000, 12_000, seed)):
        if number % 400 == 0:
            sketch.advance(number / 400)
            exact.advance(1.0 if number else 0.0)
        sketch.add(key)
        exact.add(key, 1, 0)
    total = sum(reads for reads, _ in exact.counts.values())
    errors = [sketch.estimate(key)[0] - reads for key, (reads, _) in exact.counts.items()]
    assert min(errors) >= -1e-6
    beyond = sum(error > e / sketch.width * total for error in errors)
    assert beyond <= len(errors) * e**-4


def test_with_a_column_a_key_most_estimates_are_right():
    sketch, exact = Sketch(HALF_LIFE_S, 0.0, width=8192), Exact()
    for key in zipf_keys(8_192, 20_000, 3):
        sketch.add(key)
        exact.add(key, 1, 0)
    errors = [sketch.estimate(key)[0] - reads for key, (reads, _) in exact.counts.items()]
    assert sum(error < 0.5 for error in errors) >= 0.95 * len(errors)


def test_it_decays_over_any_time_and_never_backwards():
    sketch = Sketch(HALF_LIFE_S, 0.0)
    for step in range(2000):
        sketch.advance(step * HALF_LIFE_S)  # far beyond the range of a double
        sketch.add("k", 1, 2)
    assert sketch.estimate("k") == pytest.approx((2.0, 4.0))

    sketch.advance(0.0)
    assert sketch.estimate("k") == pytest.approx((2.0, 4.0))

    sketch.advance(1e300)
    assert sketch.estimate("k") == (0.0, 0.0)


def test_its_cells_are_the_same_in_every_process():
    assert Sketch(1.0, 0.0, width=1024)._cells("product/7") == (833, 1842, 2297, 3977)


def test_its_memory_is_fixed():
    sketch = Sketch(HALF_LIFE_S, 0.0)
    for number in range(20_000):
        sketch.add(str(number))
    cells = sketch._reads.itemsize * (len(sketch._reads) + len(sketch._writes))
    assert sketch.size_bytes == cells == 512 * 1024


@pytest.mark.parametrize("width", [0, -2, 3, 1000, 2**25])
def test_a_width_that_is_no_power_of_two_is_refused(width):
    with pytest.raises(ValueError, match="power of two"):
        Sketch(HALF_LIFE_S, 0.0, width=width)
