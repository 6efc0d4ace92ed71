"""The tables of docs/failures.md: what a verb does in each state of the tiers."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"


def section(heading=""):
    """The text below `heading`, or before the first one."""
    page = PAGE.read_text(encoding="utf-8")
    return page.partition(heading)[2] if heading else page.partition("\n## ")[0]


def rows(heading=""):
    """(verb, state, what the table says) of each cell of the table below `heading`."""
    lines = [line for line in section(heading).splitlines() if line[:1] == "|"]
    heads = [cell.strip() for cell in lines[0].strip("|").split("|")][1:]
    for line in lines[2:]:
        verb, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        yield from ((verb, state, said) for state, said in zip(heads, cells, strict=True))
