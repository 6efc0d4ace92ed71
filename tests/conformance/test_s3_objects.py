"""Objects on S3 keep the promises of a cold tier: against a real server."""

from __future__ import annotations

import gc
import os
import socket
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from typing import ClassVar

import pytest
from tcp_proxy import Proxy

from tierstore.region.objects import ObjectExistsError
from tierstore.testing.conformance import ObjectConformance
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.object.bench import Hand
from tierstore.testing.conformance.s3 import S3Harness
from tierstore.testing.conformance.together import Waiting, outcomes_of


class ThroughProxy(S3Harness):
    """Reached through a proxy, which can be cut and tells connections from others."""

    cannot: ClassVar = {
        "full": "a bucket has no end; a quota that is used up is tested with a stub"
    }

    def __init__(self, server):
        self.proxy = Proxy(server.port)
        self.direct_port = server.port
        super().__init__("", server.url("t", self.proxy.endpoint_url))
        self._own.close()  # the harness itself does not go through the proxy
        self.client.close()
        self.client = server.client()

    @contextmanager
    def unreachable(self):
        with self.proxy.cut():
            yield

    def open_resources(self):
        """Sockets of this process but those of the proxy: what is connected to its port.

        The driver leaves closing to the collector of objects, which an error on the way delays.
        """
        gc.collect()
        found = 0
        for descriptor in os.listdir("/proc/self/fd"):
            found += _is_connected_to(int(descriptor), self.proxy.port)
        return found

    def plant_many(self, names, content):
        """By presigned requests on one connection, which takes a part of the time of boto3."""
        with closing(HTTPConnection("127.0.0.1", self.direct_port)) as connection:
            for name in names:
                url = self.client.generate_presigned_url("put_object", Params=self._where(name))
                connection.request("PUT", url[url.index("/", len("http://")) :], content)
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (200, b"")

    def close(self):
        super().close()
        self.client.close()
        self.proxy.close()


def _is_connected_to(descriptor, port):
    try:
        copied = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return False
    with copied:
        try:
            return copied.getpeername()[1] == port
        except OSError:
            return False


class TestS3Objects(ObjectConformance):
    @pytest.fixture
    def harness(self, s3_server):
        with ThroughProxy(s3_server).entered() as harness:
            yield harness

    def test_of_eight_puts_of_one_name_exactly_one_wins(self, harness):
        """What the capabilities do not promise of every server, this one does."""
        objects = harness.open(Waiting(harness.clock))
        hand = Hand(objects, harness.clock)
        for _ in range(5):
            name = hand.mint()
            wholes = [bytes([number]) * 50_000 for number in range(8)]
            told = outcomes_of([partial(objects.put, name, [whole], TIMEOUT_S) for whole in wholes])
            winners = [whole for whole, found in zip(wholes, told, strict=True) if found is None]
            assert [harness.raw_object(name)] == winners
            assert sum(type(found) is ObjectExistsError for found in told) == 7
        assert objects.told() == "its server refuses to overwrite what is there"
