"""A stand-in for Google's store, in this process: the part of its XML API that obstore speaks.

It is written from the documentation of that API, not from the real thing.
https://cloud.google.com/storage/docs/xml-api/reference-methods
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "stub"
TOKEN = "t0ken"
PAGE_MAX = 1000
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_MODIFIED = {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
_LISTED = "2026-01-01T00:00:00.000Z"


@dataclass
class Google:
    """The server's content."""

    port: int = 0
    objects: dict = field(default_factory=dict)
    """Of each key its bytes, its metadata and its generation."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    generation: int = 0

    def url(self, prefix, port=None, **options):
        """The url of a cold tier under `prefix`."""
        options = {
            "endpoint_url": f"http://127.0.0.1:{port or self.port}",
            "token": TOKEN,
        } | options
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"gs://{BUCKET}/{prefix}?{query}"


@contextmanager
def running_google():
    google = Google()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"google": google}))
    server.daemon_threads = True
    google.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield google
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet, or each would wait for an acknowledgement
    google = None

    def log_message(self, *args):
        """Say nothing."""

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_PUT(self):
        self._serve(self._put)

    def do_GET(self):
        self._serve(self._get)

    def do_HEAD(self):
        self._serve(self._get)

    def do_DELETE(self):
        self._serve(self._delete)

    def _serve(self, act):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        bucket, _, key = parts.path.lstrip("/").partition("/")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._refuse(401, "AuthenticationRequired")
        elif bucket != BUCKET:
            self._refuse(404, "NoSuchBucket")
        elif not key:
            self._list(parse_qs(parts.query))
        else:
            with self.google.lock:
                act(unquote(key), body)

    def _put(self, key, body):
        wanted = self.headers.get("x-goog-if-generation-match")
        if wanted == "0" and key in self.google.objects:
            self._refuse(412, "PreconditionFailed")
            return
        self.google.generation += 1
        labels = {n: v for n, v in self.headers.items() if n.lower().startswith("x-goog-meta-")}
        self.google.objects[key] = body, labels, self.google.generation
        self._answer(200, {"ETag": f'"{self.google.generation}"'})

    def _get(self, key, body):
        if key not in self.google.objects:
            self._refuse(404, "NoSuchKey")
            return
        whole, labels, generation = self.google.objects[key]
        told = {"ETag": f'"{generation}"', **_MODIFIED, **labels}
        if self.headers.get("If-Match", told["ETag"]) != told["ETag"]:
            self._refuse(412, "PreconditionFailed")
            return
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match is None:
            self._answer(200, told, whole)
            return
        start = int(match[1])
        content = whole[start : int(match[2]) + 1 if match[2] else None]
        if not content:
            self._refuse(416, "InvalidRange")
            return
        told["Content-Range"] = f"bytes {start}-{start + len(content) - 1}/{len(whole)}"
        self._answer(206, told, content)

    def _delete(self, key, body):
        if self.google.objects.pop(key, None) is None:
            self._refuse(404, "NoSuchKey")
        else:
            self._answer(204)

    def _list(self, query):
        prefix, after = query.get("prefix", [""])[0], query.get("start-after", [""])[0]
        after = max(after, query.get("continuation-token", [""])[0])
        with self.google.lock:
            keys = sorted(self.google.objects, key=str.encode)
            wanted = [key for key in keys if key.startswith(prefix) and key > after]
            sizes = {key: len(self.google.objects[key][0]) for key in wanted[:PAGE_MAX]}
        told = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_LISTED}</LastModified>"
            f'<ETag>"e"</ETag><Size>{size}</Size></Contents>'
            for key, size in sizes.items()
        )
        if len(wanted) > PAGE_MAX:
            last = escape(wanted[PAGE_MAX - 1])
            told += f"<NextContinuationToken>{last}</NextContinuationToken>"
        self._answer(200, {}, f"<ListBucketResult>{told}</ListBucketResult>".encode())

    def _refuse(self, status, code):
        self._answer(status, {}, f"<Error><Code>{code}</Code></Error>".encode())

    def _answer(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
