"""What the pages say exists does, and what exists is said."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import tierstore
from tierstore.cli.app import VERBS

ROOT = Path(__file__).resolve().parents[2]
STORE_VERBS = {
    name
    for name, member in inspect.getmembers(tierstore.Store, inspect.isfunction)
    if not name.startswith("_")
}
NOT_YET = [verb for verb in ("bounded_counter",) if verb not in STORE_VERBS]


def added():
    """What the changelog says was added."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return text.partition("### Added")[2].partition("###")[0]


def test_every_verb_is_in_the_changelog():
    words = set(re.findall(r"`(?:tierstore\.)?(\w+)", added()))
    assert (STORE_VERBS | set(VERBS)) - words == set()


def test_the_page_of_the_api_tells_every_verb_and_every_error():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    told = set(re.findall(r"\b(\w+)\(", page)) | set(re.findall(r"`(\w+)`", page))
    errors = {name for name in tierstore.__all__ if name.endswith("Error")} - {"TierStoreError"}
    assert (STORE_VERBS | errors) - told == set()


def test_the_advice_on_errors_is_of_every_error_and_says_what_it_says_itself():
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Errors, and what to do about them")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `")]
    told = {
        name: (outcome.strip(), retry.strip())
        for names, outcome, retry in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    errors = {name for name in tierstore.__all__ if name.endswith("Error")} - {"TierStoreError"}
    assert told == {
        name: (getattr(tierstore, name).outcome, getattr(tierstore, name).retry) for name in errors
    }


@pytest.mark.parametrize("verb", NOT_YET)
def test_no_page_promises_a_verb_that_is_not_there(verb):
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    texts = {page.name: page.read_text(encoding="utf-8") for page in pages}
    texts["CHANGELOG.md"] = added()
    assert [name for name, text in texts.items() if f"`{verb}(" in text] == []
