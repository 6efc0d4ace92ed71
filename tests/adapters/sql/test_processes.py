"""Several threads and processes, forks, and processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from tierstore.region.apply import Limits
from tierstore.runtime import Runtime
from tierstore_sql.region import SqlRegion

TIMEOUT_S = 30.0

# Writes batches of three keys each, all holding the batch's number, and prints what it was told.
WRITER = """
import sys
from tierstore.record import Record
from tierstore.region.apply import Limits
from tierstore.region.batch import PUT, Delta, freeze
from tierstore.runtime import Runtime, now_ms
from tierstore.stamp import at_ms
from tierstore_sql.region import SqlRegion

folder, replica, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
runtime = Runtime()
region = SqlRegion("sqlite:///r.db", runtime=runtime, terms=Limits(), base_dir=folder)
state = region.register(replica, 30).state
number, digest = state.applied, state.digest
for _ in range(count):
    number += 1
    stamp = at_ms(now_ms(runtime)) + number
    value = b"%d" % number
    deltas = [Delta(f"{replica}/{i}", PUT, Record(stamp, replica, value)) for i in range(3)]
    batch = freeze(replica, number, digest, deltas, [])
    reply = region.apply(batch, 30)
    assert reply.verdict == "applied", reply
    digest = batch.digest
    print(number, flush=True)
region.close()
"""


@pytest.fixture
def shared(tmp_path):
    region = SqlRegion("sqlite:///r.db", runtime=Runtime(), terms=Limits(), base_dir=str(tmp_path))
    region.connect(TIMEOUT_S)
    yield region
    region.close()


def start_writer(folder, replica, count):
    arguments = [sys.executable, "-c", WRITER, str(folder), str(replica), str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def values_of(region, replica):
    reply = region.read([f"{replica}/{i}" for i in range(3)], replica, TIMEOUT_S)
    return reply.applied, {row.record.payload for row in reply.rows.values()}


def test_two_processes_write_at_once(shared, tmp_path):
    writers = [start_writer(tmp_path, replica, 30) for replica in (1, 2)]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert [values_of(shared, replica) for replica in (1, 2)] == [(30, {b"30"})] * 2
    page = shared.changes(0, 1000, 1, TIMEOUT_S)
    assert page.position == 2 * 30 * 3
    assert len(page.changes) == 6


def test_a_killed_writer_leaves_what_it_was_told_and_whole_batches(shared, tmp_path):
    for kills in range(1, 5):
        writer = start_writer(tmp_path, 1, 1_000)
        lines = [writer.stdout.readline() for _ in range(3 * kills)]
        writer.kill()
        lines += writer.stdout.read().splitlines()
        writer.stdout.close()
        writer.wait()
        applied, values = values_of(shared, 1)
        assert applied in (int(lines[-1]), int(lines[-1]) + 1)
        assert values == {b"%d" % applied}
        assert shared.changes(0, 10, 1, TIMEOUT_S).position == applied * 3


def test_threads_share_a_region(shared, new_sender):
    replicas = range(1, 5)
    failures = []

    def work(replica):
        try:
            sender = new_sender(shared, replica, Runtime())
            for i in range(20):
                sender.send(sender.put(f"{replica}/{i}", b"%d" % i))
                assert sender.payloads(f"{replica}/{i}") == {f"{replica}/{i}": b"%d" % i}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(replica,)) for replica in replicas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert shared.changes(0, 1000, 1, TIMEOUT_S).position == 80
    assert len(shared._session.connections.idle) <= 5


def test_connections_do_not_cross_a_fork(shared, new_sender):
    sender = new_sender(shared, 1, Runtime())
    sender.send(sender.put("k", b"1"))
    assert shared._session.connections.idle
    child = os.fork()
    if child == 0:
        status = 1
        try:
            closed = not shared._session.connections.idle
            intact = sender.payloads("k") == {"k": b"1"}
            sender.send(sender.put("child", b"1"))
            status = 0 if closed and intact else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert sender.payloads("k", "child") == {"k": b"1", "child": b"1"}


def test_a_child_never_touches_a_connection_that_was_in_use(shared, monkeypatch):
    monkeypatch.setattr("tierstore_sql.connections.FORK_WAIT_S", 0.0)
    connections = shared._session.connections
    taken = connections.take(1.0)
    taken.execute("BEGIN IMMEDIATE")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            connections.close()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert taken.in_transaction
    taken.execute("COMMIT")
    connections.give(taken)


def test_closing_closes_every_connection(shared):
    connections = shared._session.connections
    first, second = connections.take(1.0), connections.take(1.0)
    connections.give(first)
    shared.close()
    assert connections.idle == []
    connections.give(second)
    assert connections.idle == []


def test_a_region_survives_its_process_being_stopped(shared, tmp_path):
    writer = start_writer(tmp_path, 1, 1_000)
    writer.stdout.readline()
    writer.send_signal(signal.SIGTERM)
    writer.communicate()
    applied, values = values_of(shared, 1)
    assert values == {b"%d" % applied}
