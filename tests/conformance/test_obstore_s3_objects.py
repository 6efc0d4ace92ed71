"""Objects on S3 by obstore keep the promises of a cold tier: against a real server.

The look around the adapter is boto3's: what one client wrote, the other finds.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection

import pytest
from tcp_proxy import Proxy

from tierstore.region.objects import ObjectExistsError
from tierstore.testing.conformance import ObjectConformance
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.object.bench import Hand
from tierstore.testing.conformance.obstore import ObstoreHarness
from tierstore.testing.conformance.together import Waiting, outcomes_of

pytestmark = pytest.mark.further


class ThroughProxy(ObstoreHarness):
    """Reached through a proxy, which can be cut."""

    def __init__(self, server):
        self.proxy, self.server = Proxy(server.port), server
        super().__init__("", server.url("o", self.proxy.endpoint_url))
        self.boto3 = server.client()

    @contextmanager
    def unreachable(self):
        with self.proxy.cut():
            yield

    def raw_object(self, name):
        try:
            return self.boto3.get_object(**self._where(name))["Body"].read()
        except self.boto3.exceptions.NoSuchKey:
            return None

    def raw_names(self):
        """Uploads in parts would be seen, too."""
        where = {"Bucket": self.server.bucket, "Prefix": self.prefix}
        pages = self.boto3.get_paginator("list_objects_v2").paginate(**where)
        found = [each["Key"] for page in pages for each in page.get("Contents", [])]
        uploads = self.boto3.list_multipart_uploads(**where).get("Uploads", [])
        found += [each["Key"] for each in uploads]
        return {key.removeprefix(self.prefix) for key in found}

    def plant(self, name, content):
        self.boto3.put_object(**self._where(name), Body=content)

    def plant_many(self, names, content):
        """By presigned requests on one connection, which takes a part of the time of boto3."""
        with closing(HTTPConnection("127.0.0.1", self.server.port)) as connection:
            for name in names:
                url = self.boto3.generate_presigned_url("put_object", Params=self._where(name))
                connection.request("PUT", url[url.index("/", len("http://")) :], content)
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (200, b"")

    def close(self):
        super().close()
        self.boto3.close()
        self.proxy.close()

    def _where(self, name):
        return {"Bucket": self.server.bucket, "Key": f"{self.prefix}{name}"}


class TestObstoreS3Objects(ObjectConformance):
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
