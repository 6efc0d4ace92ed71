"""Keys and payloads are stored byte for byte: nothing is folded, trimmed, escaped or cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import ValueTooLargeError
from tierstore.region.outcomes import APPLIED
from tierstore.testing.conformance.nasty import KEY_PAIRS, NASTY_KEYS
from tierstore.testing.conformance.region.bench import RegionBench

if TYPE_CHECKING:
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.conformance.region.sender import Sender

SIZES = [1, 2, 127, 128, 255, 256, 4095, 65_535, 65_536, 1 << 20, 5 << 20]


class Storing(RegionBench):
    """What was stored is what was sent."""

    @pytest.mark.parametrize("pair", KEY_PAIRS, ids=ascii)
    def test_two_keys_that_look_alike_are_two_keys(
        self, sender: Sender, pair: tuple[str, str]
    ) -> None:
        """Each is absent while only the other is there, and each is deleted alone."""
        left, right = pair
        sender.write(left)
        assert sender.payloads(left, right) == {left: left.encode()}
        sender.write(right)
        assert sender.payloads(left, right) == {left: left.encode(), right: right.encode()}
        sender.send(sender.put(left, None))
        assert sender.payloads(left) == {left: None}
        assert sender.payloads(right) == {right: right.encode()}

    def test_all_nasty_keys_are_there_at_once(self, sender: Sender, harness: RegionHarness) -> None:
        """Written in one batch, read in one call and one by one, scanned in order."""
        sender.write(*NASTY_KEYS)
        assert sender.payloads(*NASTY_KEYS) == {key: key.encode() for key in NASTY_KEYS}
        assert [row.key for row in sender.scan().rows] == NASTY_KEYS
        for key in NASTY_KEYS:
            assert sender.payloads(key) == {key: key.encode()}

    def test_keys_are_stored_as_their_own_bytes(
        self, sender: Sender, harness: RegionHarness
    ) -> None:
        """The driver finds the UTF-8 of each key and nothing else."""
        sender.write(*NASTY_KEYS)
        assert sorted(harness.raw_keys()) == [key.encode() for key in NASTY_KEYS]
        for key in NASTY_KEYS:
            assert harness.raw_payload(key.encode()) == key.encode()

    def test_nasty_keys_come_back_by_the_feed(self, sender: Sender) -> None:
        """In the order of the batch."""
        sender.write(*NASTY_KEYS)
        assert [change.key for change in sender.changes(0).changes] == NASTY_KEYS

    def test_every_byte_may_stand_in_a_payload(
        self, sender: Sender, harness: RegionHarness
    ) -> None:
        """A payload is no text."""
        payload = bytes(range(256)) * 2
        sender.send(sender.put("k", payload))
        assert sender.payloads("k") == {"k": payload}
        assert harness.raw_payload(b"k") == payload

    @pytest.mark.parametrize("size_bytes", SIZES)
    def test_a_payload_of_any_size_comes_back(self, sender: Sender, size_bytes: int) -> None:
        """Up to `value_bytes_max`, at each size at which encodings change."""
        most = sender.region.capabilities.value_bytes_max
        payload = bytes(size_bytes - 1) + b"\x01"
        if most is not None and size_bytes > most:
            with pytest.raises(ValueTooLargeError):
                sender.send(sender.put("k", payload))
            assert sender.read("k").rows == {}
            return
        assert list(sender.send(sender.put("k", payload)).outcomes) == [APPLIED]
        assert sender.payloads("k") == {"k": payload}
        assert sender.row("k").size == 1 + size_bytes

    def test_a_payload_may_grow_and_shrink(self, sender: Sender) -> None:
        """Nothing of a longer one stays behind a shorter one."""
        for size_bytes in (10, 70_000, 1, 5_000):
            sender.send(sender.put("k", b"x" * size_bytes))
            assert sender.payloads("k") == {"k": b"x" * size_bytes}

    def test_the_longest_key_is_a_key(self, sender: Sender) -> None:
        """1,024 bytes, of any width of characters."""
        keys = ["k" * 1024, "é" * 512, "\U0001f600" * 256]
        assert list(sender.write(*keys).outcomes) == [APPLIED] * 3
        assert sender.payloads(*keys) == {key: key.encode() for key in keys}
