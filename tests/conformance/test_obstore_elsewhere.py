"""Objects on Google's and Azure's stores keep the promises of a cold tier.

Azure's is an emulator, Google's a stand-in of ours: what the real ones do besides is not seen here.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from azurite import running_azurite
from gcs_stub import running_google
from tcp_proxy import Proxy

from tierstore.testing.conformance import ObjectConformance
from tierstore.testing.conformance.obstore import ObstoreHarness

pytestmark = pytest.mark.further


@pytest.fixture(scope="module")
def google():
    with running_google() as google:
        yield google


@pytest.fixture(scope="module")
def azurite():
    with running_azurite() as blobs:
        yield blobs


class ThroughProxy(ObstoreHarness):
    """Reached through a proxy, which can be cut."""

    def __init__(self, server):
        self.proxy = Proxy(server.port)
        super().__init__("", server.url("o", self.proxy.port))

    @contextmanager
    def unreachable(self):
        with self.proxy.cut():
            yield

    def close(self):
        super().close()
        self.proxy.close()


class TestGoogleObjects(ObjectConformance):
    @pytest.fixture
    def harness(self, google):
        with ThroughProxy(google).entered() as harness:
            yield harness


class TestAzureObjects(ObjectConformance):
    @pytest.fixture
    def harness(self, azurite):
        with ThroughProxy(azurite).entered() as harness:
            yield harness
