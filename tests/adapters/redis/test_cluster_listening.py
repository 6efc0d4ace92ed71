"""Word of changes at a cluster: of every node, and of moves and failures that may hide some."""

from __future__ import annotations

import signal
import time

from tierstore.errors import UnavailableError
from tierstore.record import Record
from tierstore.region.shared import TAGS, tag_of
from tierstore_redis.topology import SLOT_OF_HOME

T = 10.0
TTL_MS = 3_600_000
ONE_OF_EACH = [next(k for k in map(str, range(999)) if tag_of(k) == tag) for tag in range(TAGS)]


def fill(edge, keys):
    """Show rows for `keys`, as a worker does that reads them."""
    edge.read(keys, T)
    fetched_ms = edge.lease(keys, 1, T)
    edge.fill({key: Record(1, 1, b"row") for key in keys}, 1, fetched_ms, TTL_MS, T)


def test_changes_at_all_nodes_are_heard(open_edge, edge_cluster, hear):
    hearer = hear(open_edge(edge_cluster.url))
    other = open_edge(edge_cluster.url)
    fill(other, ONE_OF_EACH)
    assert hearer.hears(*ONE_OF_EACH)
    hearer.heard.clear()
    other.clear_clean(T)
    assert hearer.hears(*ONE_OF_EACH)
    assert hearer.stop() < 2
    assert hearer.error is None


def test_a_flush_of_one_node_is_heard_as_everything(open_edge, edge_cluster, hear):
    hearer = hear(open_edge(edge_cluster.url))
    edge_cluster.nodes[1].ask("FLUSHALL")
    assert hearer.hears(None)


def test_a_node_that_ends_is_noticed(own_cluster, open_edge, hear):
    cluster = own_cluster()
    edge = open_edge(cluster.url)
    hearer = hear(edge)
    cluster.nodes[2].kill()
    hearer.join()
    assert isinstance(hearer.error, UnavailableError)
    assert isinstance(hear_nothing(edge), UnavailableError)


def hear_nothing(edge):
    """Why nobody can listen."""
    try:
        edge.listen(lambda: None, lambda keys: None, 0.05, lambda: False)
    except UnavailableError as error:
        return error
    return None


def test_a_node_that_is_stalled_is_noticed(own_cluster, open_edge, hear):
    cluster = own_cluster()
    hearer = hear(open_edge(cluster.url))
    cluster.nodes[0].signal(signal.SIGSTOP)
    began = time.monotonic()
    hearer.join()
    assert "does not answer" in str(hearer.error)
    assert time.monotonic() - began < 5


def test_a_slot_that_moves_ends_the_listening(own_cluster, open_edge, hear):
    """What is told of the tag from now on is told elsewhere."""
    cluster, slot = own_cluster(), SLOT_OF_HOME[3]
    edge = open_edge(cluster.url)
    fill(edge, ONE_OF_EACH)
    hearer = hear(edge)
    source = cluster.owner(slot)
    target = next(node for node in cluster.nodes if node is not source)
    cluster.move(slot, source, target)
    hearer.join()
    assert isinstance(hearer.error, UnavailableError)
    again = hear(edge)
    fill(open_edge(cluster.url), ONE_OF_EACH)
    assert again.hears(*ONE_OF_EACH)


def test_a_node_that_another_slot_came_to_is_heard_as_before(open_edge, edge_cluster, hear):
    edge = open_edge(edge_cluster.url)
    hearer = hear(edge)
    for node in (*edge_cluster.nodes, edge_cluster.nodes[0]):
        node.ask("CLUSTER", "BUMPEPOCH")
    edge.connect(T)
    edge.read(ONE_OF_EACH, T)
    assert hearer.heard == []
    assert hearer.error is None


def test_what_an_unheard_node_told_is_kept_by_nobody(open_edge, edge_cluster, hear):
    edge = open_edge(edge_cluster.url)
    fill(edge, ONE_OF_EACH)
    hearer = hear(edge)
    edge.read(ONE_OF_EACH, T)
    assert hearer.heard == []
    listener = edge._parts().listener
    listener._processes = frozenset(sorted(listener._processes)[:2])
    edge.read(ONE_OF_EACH, T)
    doubted = {key for keys in hearer.heard for key in keys}
    assert 0 < len(doubted) < TAGS
    hearer.stop()
    hearer.heard.clear()
    edge.read(ONE_OF_EACH, T)
    assert hearer.heard == []
