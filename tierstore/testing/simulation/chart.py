"""The drawing of a timeline: rows of a chronicle as SVG."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from math import log2
from typing import TYPE_CHECKING

from tierstore.testing.simulation.chronicle import FAULTS, LATE, TIERS
from tierstore.testing.simulation.scheduler import NS_PER_MS
from tierstore.testing.simulation.story import lane_name
from tierstore.testing.simulation.wording import WRITES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.testing.history import Operation
    from tierstore.testing.simulation.chronicle import Row

ROW_PX = 20
GAP_PX_MAX = 44
TIME_PX = 104
HEADER_PX = 30
CHARACTER_PX = 6.65
WIDTHS_PX = {FAULTS: 300, "region": 400, "cold": 300, LATE: 220}
LANE_PX = 220
DEADLY = frozenset(("crash", "power cut"))


class Chart:
    """Where each row and each lane of a run stands, and what is drawn there."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._lanes = _lanes(rows)
        self._left: dict[str, int] = {}
        at_px = TIME_PX
        for lane in self._lanes:
            self._left[lane] = at_px
            at_px += WIDTHS_PX.get(lane, LANE_PX)
        self._width = at_px
        self._tops = _tops(rows)
        self._height = (self._tops[-1] if rows else 0) + 2 * ROW_PX

    def header(self) -> str:
        """The names of the lanes."""
        names = [
            f'<text x="{self._left[lane] + 8}" y="20">{escape(lane_name(lane))}</text>'
            for lane in self._lanes
        ]
        return self._svg(HEADER_PX, ['<text x="8" y="20">ms</text>', *names])

    def body(self) -> str:
        """All rows, under them what lasts: lanes, faults, operations."""
        drawn = [self._stripe(at, lane) for at, lane in enumerate(self._lanes)]
        drawn += [self._fault_span(at) for at, row in enumerate(self._rows) if row.kind == "fault"]
        drawn += [self._bar(at) for at, row in enumerate(self._rows) if row.operation is not None]
        drawn += [self._time(at) for at in range(len(self._rows))]
        drawn += [self._row(at) for at in range(len(self._rows))]
        return self._svg(self._height, drawn)

    def _svg(self, height: int, parts: Sequence[str]) -> str:
        size = f'width="{self._width}" height="{height}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>"

    # What lasts

    def _stripe(self, at: int, lane: str) -> str:
        left, width = self._left[lane], WIDTHS_PX.get(lane, LANE_PX)
        page = _rect("stripe", left, 0, width, self._height) if at % 2 else ""
        line = f'<line class="lane" x1="{left + 10}" x2="{left + 10}" y1="0" y2="{self._height}"/>'
        return page + line

    def _fault_span(self, at: int) -> str:
        """The shade over the lanes of a fault's node, and the bar in the lane of faults."""
        row = self._rows[at]
        top, bottom = self._tops[at], self._end_of_fault(at)
        lanes = [lane for lane in self._lanes if lane.startswith(f"{row.node}/")]
        shades = [
            _rect("span", self._left[lane], top, LANE_PX, bottom - top + ROW_PX) for lane in lanes
        ]
        bar = _rect("faultbar", self._left[FAULTS] + 6, top + 3, 8, bottom - top + ROW_PX - 6)
        return "".join([*shades, bar])

    def _end_of_fault(self, at: int) -> int:
        begun = self._rows[at]
        for later in range(at + 1, len(self._rows)):
            row = self._rows[later]
            if row.kind == "end" and (row.node, row.fault) == (begun.node, begun.fault):
                return self._tops[later]
        return self._height - ROW_PX

    def _bar(self, at: int) -> str:
        """The bar of an operation, drawn where it begins."""
        row = self._rows[at]
        if row.kind == "answer" or row.operation is None:
            return ""
        top, bottom = self._tops[at], self._end_of_operation(at)
        kind = "bad" if row.is_bad else _kind(row.operation)
        left = self._left[row.lane]
        page = ""
        if row.is_bad:
            page = _rect("badpage", left + 2, top + 1, LANE_PX - 6, bottom - top + ROW_PX - 2)
        return page + _rect(kind, left + 6, top + 3, 8, bottom - top + ROW_PX - 6, title=row.text)

    def _end_of_operation(self, at: int) -> int:
        row = self._rows[at]
        if row.kind == "whole":
            return self._tops[at]
        for later in range(at + 1, len(self._rows)):
            other = self._rows[later]
            if other.kind == "answer" and other.operation == row.operation:
                return self._tops[later]
            if other.fault in DEADLY and row.lane.startswith(f"{other.node}/"):
                return self._tops[later]  # nobody is left to hear an answer
            if other.kind in ("ask", "whole") and other.lane == row.lane:
                return self._tops[later - 1]
        return self._tops[-1]

    # Rows

    def _time(self, at: int) -> str:
        """The time, if it is not that of the row above, and how much later that is."""
        now_ns, top = self._rows[at].at_ns, self._tops[at]
        before_ns = self._rows[at - 1].at_ns if at else -1
        if now_ns // 1000 == before_ns // 1000:
            return ""
        text = f'<text class="time" x="8" y="{top + 14}">{_ms(now_ns)}</text>'
        if at and top - self._tops[at - 1] > ROW_PX + 14:
            later = f"{_ms(now_ns - before_ns)} ms later"
            text += f'<text class="gap" x="16" y="{top - 4}">{later}</text>'
        return text

    def _row(self, at: int) -> str:
        row, top = self._rows[at], self._tops[at]
        drawn = [_rect("row", 0, top, self._width, ROW_PX)]
        lane = row.lane
        if row.tier:
            drawn.append(self._wire(row, top))
            lane = row.tier
        elif row.kind == "call":
            drawn.append(_dot(self._left[lane] + 10, top))
        drawn.append(self._text(row, lane, top))
        return f"<g><title>{escape(f'{_ms(row.at_ns)} ms {row.text}')}</title>{''.join(drawn)}</g>"

    def _wire(self, row: Row, top: int) -> str:
        start, end = self._left[row.lane] + 10, self._left[row.tier] + 10
        y = top + ROW_PX // 2
        line = f'<line class="wire" x1="{start}" x2="{end}" y1="{y}" y2="{y}"/>'
        return line + _dot(start, top) + _dot(end, top)

    def _text(self, row: Row, lane: str, top: int) -> str:
        width = WIDTHS_PX.get(lane, LANE_PX) - 26
        text = f"→ {row.text}" if row.kind == "answer" else row.text
        if len(text) > (most := int(width / CHARACTER_PX)):
            text = f"{text[: most - 1]}…"
        return (
            f'<text class="{_text_class(row)}" x="{self._left[lane] + 20}" y="{top + 14}">'
            f"{escape(text)}</text>"
        )


def _lanes(rows: Sequence[Row]) -> list[str]:
    """Faults first, then nodes with their clients and background, then tiers."""
    used = {row.lane for row in rows}
    tiers = {row.tier for row in rows if row.tier}
    nodes = sorted(used - {FAULTS, LATE}, key=_lane_order)
    return [
        *([FAULTS] if FAULTS in used else []),
        *nodes,
        *(tier for tier in TIERS if tier in tiers),
        *([LATE] if LATE in used else []),
    ]


def _lane_order(lane: str) -> tuple[int, str, int, str]:
    node, _, part = lane.partition("/")
    return len(node), node, int(part) if part.isdigit() else 1 << 30, part


def _tops(rows: Sequence[Row]) -> list[int]:
    """Where each row begins."""
    tops = [ROW_PX // 2]
    for before, row in pairwise(rows):
        gap_ms = max(0, row.at_ns - before.at_ns) / NS_PER_MS
        tops.append(tops[-1] + ROW_PX + min(GAP_PX_MAX, int(5 * log2(1 + gap_ms))))
    return tops


def _kind(operation: Operation) -> str:
    if operation.outcome != "ok":
        return "refused" if operation.outcome == "fail" else "unknown"
    if operation.verb in ("flush", "maintain"):
        return "other"
    return "write" if operation.verb in WRITES else "read"


def _text_class(row: Row) -> str:
    if row.is_bad:
        return "badtext"
    if row.kind in ("fault", "end"):
        return "faulttext"
    if row.kind == "call" and " ✗ " in row.text:
        return "error"
    return "quiet" if row.kind in ("call", "more") else ""


def _rect(kind: str, x: int, y: int, width: int, height: int, title: str = "") -> str:
    told = f"<title>{escape(title)}</title>" if title else ""
    size = f'x="{x}" y="{y}" width="{width}" height="{height}" rx="2"'
    return f'<rect class="{kind}" {size}>{told}</rect>'


def _dot(x: int, top: int) -> str:
    return f'<circle class="call" cx="{x}" cy="{top + ROW_PX // 2}" r="3"/>'


def _ms(at_ns: int) -> str:
    """Milliseconds, with as many digits as tell something."""
    text = f"{at_ns / NS_PER_MS:,.3f}".replace(",", " ")
    return text.rstrip("0").rstrip(".")
