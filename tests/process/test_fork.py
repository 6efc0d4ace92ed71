"""A forked child starts as a replica of its own and takes nothing of its parent's with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tierstore

PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT_S = 60.0
OTHER = {
    "tiers": {"edge": {"url": "memory://", "journal": "another"}},
    "timeouts": {"regional": f"{TIMEOUT_S:g}s"},
}


def run(name, *arguments):
    """The output of a program, which must end well and in time."""
    done = subprocess.run(
        # From 3.12 on, forking beside a running thread warns; that it works is what is tested.
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", PROGRAMS / name]
        + [str(argument) for argument in arguments],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("forked")


@pytest.fixture(scope="module")
def told(folder):
    """What parent and child say of themselves, before and after a fork."""
    return json.loads(run("fork_once.py", folder))


def test_a_child_takes_an_identity_of_its_own(told):
    before, child, after = told["before"], told["child"], told["after"]
    assert before["replica"] == after["replica"] != child["replica"]
    assert before["journal"] == after["journal"] != child["journal"]


def test_a_child_does_not_resend_what_its_parent_wrote(told):
    assert told["before"]["unflushed"] == told["after"]["unflushed"] == 1
    assert told["child"]["unflushed at first"] == 0
    assert told["child"]["unflushed"] == 1


def test_no_file_of_the_store_is_open_in_a_child_before_its_first_verb(told):
    assert told["child"]["inherited"] == []


def test_both_ask_the_coordinator(told):
    assert told["after"]["strong"] == 2


def test_both_reach_the_region(told, folder):
    with tierstore.open(OTHER, base_dir=folder) as store:
        assert {entry.key: entry.value for entry in store.scan()} == {
            "seen": 0, "parent": 1, "child": 2,
        }  # fmt: skip


@pytest.mark.parametrize("phase", ["finding", "running"])
def test_a_child_imports_what_a_thread_of_its_parent_was_importing(tmp_path, phase):
    run("fork_importing.py", tmp_path, phase)


def test_forks_while_threads_write_and_flush(tmp_path):
    run("fork_often.py", tmp_path, 12)
    with tierstore.open(OTHER, base_dir=tmp_path) as store:
        children = {entry.key: entry.value for entry in store.scan("journal/child/")}
        assert children == {f"journal/child/{n}": n for n in range(12)}
        children = {entry.key: entry.value for entry in store.scan("regional/child/")}
        assert children == {f"regional/child/{n}": n for n in range(12)}


@pytest.mark.campaign
@pytest.mark.parametrize("attempt", range(5))
def test_many_forks_while_threads_write_and_flush(tmp_path, attempt):
    run("fork_often.py", tmp_path, 300)
