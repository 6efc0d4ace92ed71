"""The shop: two points of presence with two workers each, and the region behind them."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import servers

HANDLER = Path(__file__).with_name("handler.py")
ANSWERS_WITHIN_S = 15.0


class RefusedError(Exception):
    """A worker could not do what it was asked for, with the name of its error and a message."""


@dataclass
class Worker:
    """A process with a store, spoken to over HTTP."""

    name: str
    process: subprocess.Popen[str]
    connection: http.client.HTTPConnection = field(
        default_factory=lambda: http.client.HTTPConnection("127.0.0.1", timeout=ANSWERS_WITHIN_S)
    )

    def meet(self) -> None:
        """Return when it serves."""
        assert self.process.stdout is not None
        self.connection.port = int(self.process.stdout.readline())

    def get(self, key: str) -> dict[str, Any]:
        """The value of a key, with its receipt."""
        reading: dict[str, Any] = self._ask("GET", key)
        return reading

    def put(self, key: str, value: Any) -> None:
        """Returns when the write is acknowledged."""
        self._ask("PUT", key, value)

    def flush(self) -> None:
        """Returns when all that waits at this edge is in the region."""
        self._ask("POST", "flush")

    def home(self, key: str) -> str:
        """Where the authoritative value stands: "regional" or "cold"."""
        return str(self._ask("GET", f"explain/{key}")["home"])

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()

    def ended(self) -> None:
        """Return when the process has ended."""
        self.process.communicate(timeout=ANSWERS_WITHIN_S)
        self.connection.close()

    def _ask(self, method: str, path: str, value: Any = None) -> Any:
        body = None if method == "GET" else json.dumps(value)
        self.connection.request(method, f"/{path}", body)
        response = self.connection.getresponse()
        said = json.loads(response.read())
        if response.status != 200:
            raise RefusedError(said["error"], said["message"])
        return said


@dataclass
class PointOfPresence:
    """Workers that share one edge server."""

    name: str
    edge: servers.Server
    workers: list[Worker] = field(default_factory=list)


class Shop:
    """All servers and workers; running while it is entered."""

    def __init__(self, folder: Path) -> None:
        """`folder` is given to the servers, and removed by the caller."""
        folder.chmod(0o755)  # a database server that root starts is somebody else
        self._folder = folder
        self.pops: list[PointOfPresence] = []
        self._servers: list[servers.Server] = []

    def __enter__(self) -> Shop:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End what was started: workers first, so that they can flush."""
        workers = [worker for pop in self.pops for worker in pop.workers]
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.ended()
        for server in self._servers:
            server.stop()

    def _start(self) -> None:
        self._add(servers.s3(self._own("s3"))).spawn()  # which takes longest
        self.region = self._add(servers.postgres(self._own("postgres")))
        self.region.spawn()
        for name in ("lisbon", "oslo"):
            edge = self._add(servers.valkey(self._own(name), name))
            edge.spawn()
            self.pops.append(PointOfPresence(name, edge))
        for server in self._servers:
            server.wait()
        for pop in self.pops:
            pop.workers += [self._worker(pop, number) for number in (1, 2)]
        for pop in self.pops:
            for worker in pop.workers:
                worker.meet()

    def _add(self, server: servers.Server) -> servers.Server:
        self._servers.append(server)
        return server

    def _own(self, name: str) -> Path:
        (self._folder / name).mkdir()
        return self._folder / name

    def _worker(self, pop: PointOfPresence, number: int) -> Worker:
        cold, region = self._servers[0], self.region
        urls = {"SHOP_EDGE": pop.edge.url, "SHOP_REGION": region.url, "SHOP_COLD": cold.url}
        name = f"{pop.name}-{number}"
        process = subprocess.Popen(
            [sys.executable, str(HANDLER)],
            cwd=self._own(name), env={**os.environ, **urls}, stdout=subprocess.PIPE, text=True,
            **servers.OF_ITS_OWN,
        )  # fmt: skip
        return Worker(name, process)
