"""A server of Azure's blobs for tests: Azurite, on loopback, in memory, one for the session.

It is found as `azurite-blob` on the path, where `npm install azurite` puts it. Without it what
needs it is skipped.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import tempfile
import time
from base64 import b64decode, b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote

import pytest

CONTAINER = "ready"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Those of every Azurite; no secret."""
READY_WITHIN_S = 60.0
STOPS_WITHIN_S = 3.0
VERSION = "2021-08-06"  # of the protocol


@dataclass(frozen=True)
class Blobs:
    """Where the server is."""

    port: int

    def url(self, prefix, port=None, **options):
        """The url of a cold tier under `prefix`."""
        options = {
            "account": ACCOUNT,
            "account_key": KEY,
            "endpoint_url": f"http://127.0.0.1:{port or self.port}/{ACCOUNT}",
        } | options
        query = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in options.items())
        return f"az://{CONTAINER}/{prefix}?{query}"

    def make_container(self):
        """Returns the status of the answer."""
        path = f"/{ACCOUNT}/{CONTAINER}"
        sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION}
        told = "".join(f"{name}:{value}\n" for name, value in sent.items())
        signed = f"PUT{chr(10) * 12}{told}/{ACCOUNT}{path}\nrestype:container"
        digest = hmac.new(b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        sent["Authorization"] = f"SharedKey {ACCOUNT}:{b64encode(digest).decode()}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("PUT", f"{path}?restype=container", headers=sent)
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def running_azurite():
    """The server, with an empty container. Skips the test where it is not installed."""
    command = shutil.which("azurite-blob")
    if command is None:
        pytest.skip("no server of Azure's blobs: npm install azurite, and put it on the PATH")
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with (
        tempfile.TemporaryDirectory(prefix="tierstore-az-") as folder,
        open(Path(folder) / "log", "wb") as log,
    ):
        process = subprocess.Popen(
            [command, "--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", str(port),
             "--silent", "--disableTelemetry"],
            cwd=folder, env={**os.environ, "HOME": folder}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            blobs = Blobs(port)
            _wait(blobs, process)
            yield blobs
        finally:
            _stop(process)


def _wait(blobs, process):
    give_up_s = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            if blobs.make_container() in (201, 409):
                return
        except (OSError, HTTPException):
            pass  # not yet
        assert process.poll() is None, "Azurite ended"
        assert time.monotonic() < give_up_s, "Azurite does not become ready"
        time.sleep(0.05)


def _stop(process):
    process.terminate()
    try:
        process.wait(STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
