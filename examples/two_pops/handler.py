"""A worker of a point of presence: an HTTP server around one store.

    SHOP_EDGE=redis://… SHOP_REGION=postgresql+psycopg://… SHOP_COLD=s3://… python handler.py

It prints its port, and serves until SIGTERM. `GET /product/7` answers the value with its receipt,
`PUT` replaces it; `POST /flush` and `GET /explain/KEY` show what the store does by itself.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import tierstore

POLICY = Path(__file__).with_name("policy.yaml")


class Handler(BaseHTTPRequestHandler):
    """Answers one connection; all of them share the store."""

    store: ClassVar[tierstore.Store]
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece

    def do_GET(self) -> None:
        verb, _, key = self.path[1:].partition("/")
        if verb == "explain":
            self.answer(lambda: {"home": self.store.explain(key).home})
        else:
            self.answer(lambda: self.read(self.path[1:]))

    def do_PUT(self) -> None:
        value = json.loads(self.body())
        self.answer(lambda: self.store.put(self.path[1:], value))

    def do_POST(self) -> None:
        self.body()
        self.answer(self.store.flush)

    def read(self, key: str) -> dict[str, Any]:
        """A value with its receipt: which tier answered, how old it may be, how long it took."""
        began_s = time.perf_counter()
        reading = self.store.read(key)
        took_us = (time.perf_counter() - began_s) * 1e6
        receipt = {"tier": reading.tier, "age_s": reading.age_s, "stale": reading.stale}
        return {"value": reading.value, "took_us": took_us, **receipt}

    def answer(self, act: Any) -> None:
        """Say what `act` returns, or why it could not be done."""
        try:
            status, said = 200, act()
        except tierstore.TierStoreError as error:
            status, said = 503, {"error": type(error).__name__, "message": str(error)}
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def main() -> None:
    """Serve until SIGTERM; what waits is flushed before the process ends."""
    logging.basicConfig(level=logging.ERROR)  # an outage is told by run.py
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with tierstore.open(POLICY, base_dir=".") as store:
        Handler.store = store
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            print(server.server_port, flush=True)
            server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
