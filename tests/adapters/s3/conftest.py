"""A cold tier on a server that lies and fails as it is told to, on virtual time."""

from __future__ import annotations

import pytest
from s3_stub import running_stub

from tierstore.region.objects import SEGMENT, mint_name
from tierstore.runtime.manual import ManualRuntime
from tierstore.tiers.registry import load_objects

TIMEOUT_S = 5.0
REGION = "00c0ffee00c0ffee"


@pytest.fixture
def runtime():
    return ManualRuntime(seed=1)


@pytest.fixture
def stub():
    with running_stub() as stub:
        yield stub


@pytest.fixture(params=["boto3", "obstore"])
def driver(request):
    """The client of the cold tier: both keep the same promises."""
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture
def open_objects(runtime, driver):
    adapter, opened = load_objects("s3", driver), []

    def open_one(url, runtime=runtime):
        opened.append(adapter(url, runtime=runtime, base_dir="/"))
        return opened[-1]

    yield open_one
    for objects in opened:
        objects.close()


@pytest.fixture
def objects(open_objects, stub):
    return open_objects(stub.url())


@pytest.fixture
def mint(runtime):
    return lambda: mint_name(runtime, REGION, 1, SEGMENT)
