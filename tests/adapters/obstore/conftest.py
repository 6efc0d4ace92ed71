"""obstore in front of servers in this process."""

from __future__ import annotations

import pytest
from gcs_stub import running_google
from s3_stub import running_stub

from tierstore.region.objects import SEGMENT, mint_name
from tierstore.runtime import Runtime

TIMEOUT_S = 5.0
REGION = "00c0ffee00c0ffee"


@pytest.fixture
def stub():
    with running_stub() as stub:
        yield stub


@pytest.fixture
def google():
    with running_google() as google:
        yield google


@pytest.fixture
def open_objects():
    from tierstore_obstore.objects import ObstoreObjects

    opened = []

    def open_one(url, runtime=None):
        opened.append(ObstoreObjects(url, runtime=runtime or Runtime(), base_dir="/"))
        return opened[-1]

    yield open_one
    for objects in opened:
        objects.close()


@pytest.fixture
def objects(open_objects, google):
    return open_objects(google.url("p"))


@pytest.fixture
def mint():
    runtime = Runtime()
    return lambda: mint_name(runtime, REGION, 1, SEGMENT)
