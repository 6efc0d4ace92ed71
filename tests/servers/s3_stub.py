"""An S3 server in this process that lies and fails when it is told to, as no real one does."""

from __future__ import annotations

import re
import threading
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape
from zlib import crc32

BUCKET = "stub"


@dataclass
class Fault:
    """What happens at the next `times` requests of a `method`."""

    method: str
    status: int = 0
    """Answered at once, with nothing done; 0: see `then`."""
    code: str = ""
    then: str = ""
    """`hang up` before or after (`do and hang up`) doing it, `cut` the body in the middle, send
    half of it as if that were all (`shorten`), `say
    nothing` until the client goes, `refuse each` name of a delete."""
    times: int = 1


@dataclass
class Stub:
    """The server's content and manners."""

    port: int = 0
    objects: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)
    headers: list = field(default_factory=list)
    """Of every request, its method first."""
    faults: list = field(default_factory=list)
    is_conditional: bool = True
    has_ranges: bool = True
    checksum: str = ""
    """Told of every object instead of the right one."""

    @property
    def endpoint_url(self):
        return f"http://127.0.0.1:{self.port}"

    def url(self, **options):
        query = {"endpoint_url": self.endpoint_url, "region": "r"} | options
        return f"s3://k:s@{BUCKET}/p?" + "&".join(f"{n}={v}" for n, v in query.items())

    def fail(self, *args, **kwargs):
        self.faults.append(Fault(*args, **kwargs))

    def count(self, method):
        return sum(one["method"] == method for one in self.headers)

    def next_fault(self, method):
        for fault in self.faults:
            if fault.method == method and fault.times:
                fault.times -= 1
                return fault
        return Fault(method)


@contextmanager
def running_stub():
    stub = Stub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": stub}))
    server.daemon_threads = True
    stub.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub = None

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
        self._serve(lambda key, body, fault: self._answer(204))

    def do_POST(self):
        self._serve(self._delete_many)

    def _serve(self, act):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/")
        self.stub.headers.append({"method": self.command, "path": self.path, **self.headers})
        fault = self.stub.next_fault(self.command)
        if fault.status:
            self._refuse(fault.status, fault.code)
        elif fault.then == "hang up":
            self._hang_up()
        elif fault.then == "say nothing":
            self.rfile.read(1)
            self.close_connection = True
        else:
            act(key, body, fault)

    def _hang_up(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def _put(self, key, body, fault):
        stub = self.stub
        if stub.is_conditional and self.headers.get("If-None-Match") and key in stub.objects:
            self._refuse(412, "PreconditionFailed")
            return
        stub.objects[key] = body
        stub.metadata[key] = {n: v for n, v in self.headers.items() if "x-amz-meta" in n.lower()}
        if fault.then == "do and hang up":
            self._hang_up()
        else:
            self._answer(200, {"ETag": '"e"'})

    def _get(self, key, body, fault):
        stub = self.stub
        if "list-type" in self.path or "uploads" in self.path:
            self._answer(200, {}, b"<ListResult></ListResult>")
            return
        if key not in stub.objects:
            self._refuse(404, "NoSuchKey")
            return
        whole, status = stub.objects[key], 200
        told = {"ETag": '"e"', **stub.metadata[key]}
        told["x-amz-checksum-crc32"] = (
            stub.checksum or b64encode(crc32(whole).to_bytes(4, "big")).decode()
        )
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        content = whole
        if match and stub.has_ranges:
            start = int(match[1])
            content = whole[start : int(match[2]) + 1 if match[2] else len(whole)]
            if not content:
                self._refuse(416, "InvalidRange")
                return
            announced = len(content)
            if fault.then == "shorten":
                content = content[: len(content) // 2]
            told["Content-Range"] = f"bytes {start}-{start + announced - 1}/{len(whole)}"
            status = 206
        self._answer(status, told, content, is_cut=fault.then == "cut")

    def _delete_many(self, key, body, fault):
        text = body.decode()
        told = ""
        for name in re.findall("<Key>(.*?)</Key>", text):
            if fault.then == "refuse each":
                of_it = f"<Key>{escape(name)}</Key><Code>AccessDenied</Code><Message>m</Message>"
                told += f"<Error>{of_it}</Error>"
            elif "<Quiet>true</Quiet>" not in text:
                told += f"<Deleted><Key>{escape(name)}</Key></Deleted>"
        self._answer(200, {}, f"<DeleteResult>{told}</DeleteResult>".encode())

    def _refuse(self, status, code):
        quoted = f"<Error><Code>{code}</Code><Message>of {self.path} by c4n4ry</Message></Error>"
        moved = {"Location": "/elsewhere"} if status // 100 == 3 else {}
        self._answer(status, moved, quoted.encode())

    def _answer(self, status, headers=None, body=b"", *, is_cut=False):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            self.wfile.flush()
            self._hang_up()
