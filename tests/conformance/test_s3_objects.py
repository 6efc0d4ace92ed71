"""Objects on S3 keep the promises of a cold tier: against a real server."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from typing import ClassVar

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from tcp_proxy import Proxy

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.region.objects import ObjectExistsError
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import FaultPlan
from tierstore.testing.conformance import ObjectConformance
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.object.bench import Hand
from tierstore.testing.conformance.object.harness import ObjectHarness
from tierstore.testing.conformance.together import Waiting, outcomes_of
from tierstore_s3.connections import Connections
from tierstore_s3.listing import leftover_name
from tierstore_s3.objects import S3Objects

PLANTERS = 6
MAKE_CLIENT = Connections._make


class FaultyHttp:
    """The HTTP of a client, whose requests go wrong as a plan says."""

    def __init__(self, http, plan):
        self.http, self.plan = http, plan

    def __getattr__(self, name):
        return getattr(self.http, name)

    def send(self, request):
        try:
            return self.plan.run("s3", lambda: self.http.send(request), OutcomeUnknownError)
        except UnavailableError as error:
            raise EndpointConnectionError(endpoint_url=request.url) from error
        except OutcomeUnknownError as error:
            raise ConnectionClosedError(endpoint_url=request.url) from error


class S3Harness(ObjectHarness):
    """A cold tier under a prefix of its own, reached through a proxy."""

    cannot: ClassVar = {
        "full": "a bucket has no end; a quota that is used up is tested with a stub"
    }

    def __init__(self, server, prefix, client):
        self.server, self.prefix, self.client = server, prefix, client
        self.clock, self.plan = ManualRuntime(seed=4), FaultPlan()
        self.proxy, self.opened = Proxy(server.port), []

    @property
    def url(self):
        return self.server.url(self.prefix, self.proxy.endpoint_url)

    def open(self, runtime=None):
        objects = S3Objects(self.url, runtime=runtime or self.clock, base_dir="/")
        self.opened.append(objects)
        return objects

    def make_client(self, connections, wait_s):
        client = MAKE_CLIENT(connections, wait_s)
        client._endpoint.http_session = FaultyHttp(client._endpoint.http_session, self.plan)
        return client

    def where(self, name):
        return {"Bucket": self.server.bucket, "Key": f"{self.prefix}/{name}"}

    def raw_object(self, name):
        try:
            return self.client.get_object(**self.where(name))["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None

    def raw_names(self):
        return {key.removeprefix(f"{self.prefix}/") for key, _ in [*self._keys(), *self._uploads()]}

    def plant(self, name, content):
        self.client.put_object(**self.where(name), Body=content)

    def plant_many(self, names, content):
        """By presigned requests on a few connections, which takes a part of the time of boto3."""
        with ThreadPoolExecutor(PLANTERS) as pool:
            slices = [names[start::PLANTERS] for start in range(PLANTERS)]
            list(pool.map(partial(self._plant_each, content=content), slices))

    def _plant_each(self, names, content):
        with closing(HTTPConnection("127.0.0.1", self.server.port)) as connection:
            for name in names:
                url = self.client.generate_presigned_url("put_object", Params=self.where(name))
                connection.request("PUT", url[url.index("/", len("http://")) :], content)
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (200, b"")

    def plant_leftover(self, name):
        upload = self.client.create_multipart_upload(**self.where(name))["UploadId"]
        self.client.upload_part(**self.where(name), UploadId=upload, PartNumber=1, Body=b"half of")
        return leftover_name(name, upload)

    def cut(self, name, size_bytes):
        self.plant(name, self.raw_object(name)[:size_bytes])

    def restart(self):
        for objects in self.opened:
            objects.close()
        self.opened.clear()

    def open_secret(self):
        url = f"s3://c4n4ry:c4n4ry@{self.server.bucket}/x?endpoint_url={self.proxy.endpoint_url}"
        opened = S3Objects(url + "&region=r", runtime=self.clock, base_dir="/")
        self.opened.append(opened)
        return opened, "c4n4ry"

    @contextmanager
    def unreachable(self):
        with self.proxy.cut():
            yield

    def open_resources(self):
        """Sockets of this process but those of the proxy: what is connected to its port."""
        found = 0
        for descriptor in os.listdir("/proc/self/fd"):
            found += _is_connected_to(int(descriptor), self.proxy.port)
        return found

    def close(self):
        self.restart()
        self.proxy.close()
        for key, upload in self._uploads():
            self.client.abort_multipart_upload(Bucket=self.server.bucket, Key=key, UploadId=upload)
        keys = [{"Key": key} for key, _ in self._keys()]
        for start in range(0, len(keys), 1000):
            self.client.delete_objects(
                Bucket=self.server.bucket, Delete={"Objects": keys[start : start + 1000]}
            )

    def _keys(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.server.bucket, Prefix=f"{self.prefix}/"
        )
        return [(each["Key"], None) for page in pages for each in page.get("Contents", [])]

    def _uploads(self):
        found = self.client.list_multipart_uploads(
            Bucket=self.server.bucket, Prefix=f"{self.prefix}/"
        )
        return [(each["Key"], each["UploadId"]) for each in found.get("Uploads", [])]


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


@pytest.fixture(scope="module")
def client(s3_server):
    client = s3_server.client()
    yield client
    client.close()


class TestS3Objects(ObjectConformance):
    @pytest.fixture
    def harness(self, s3_server, client, monkeypatch):
        harness = S3Harness(s3_server, f"t/{os.urandom(6).hex()}", client)
        monkeypatch.setattr(
            Connections, "_make", lambda own, wait_s: harness.make_client(own, wait_s)
        )
        yield harness
        harness.close()

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
