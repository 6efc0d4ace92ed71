"""rediss://: through a proxy that ends TLS, as the server of the tests has none."""

from __future__ import annotations

import select
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress

import pytest

from tierstore.errors import UnavailableError
from tierstore.record import Record

T = 10.0


@pytest.fixture
def certificate(tmp_path):
    """Paths of a certificate of 127.0.0.1 and of its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(command, check=True, capture_output=True)
    return paths


@pytest.fixture
def tls_port(certificate, own_server):
    """The port of the proxy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    target = ("127.0.0.1", own_server().port)
    threads = []

    def pump(client, server):
        """Pass on both ways, in one thread: a TLS connection must not be used by two."""
        while True:
            ready = [client] if client.pending() else select.select([client, server], [], [])[0]
            for source in ready:
                chunk = source.recv(65_536)
                if not chunk:
                    return
                (server if source is client else client).sendall(chunk)

    def serve_one(plain):
        with (
            suppress(OSError),
            plain,
            context.wrap_socket(plain, server_side=True) as client,
            socket.create_connection(target) as server,
        ):
            pump(client, server)

    def serve():
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve_one, args=(listener.accept()[0],)))
                threads[-1].start()

    accepting = threading.Thread(target=serve)
    accepting.start()
    yield listener.getsockname()[1]
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in (accepting, *threads):
        thread.join(T)


def test_a_server_behind_tls(open_edge, tls_port, certificate):
    edge = open_edge(f"rediss://127.0.0.1:{tls_port}/0?ssl_ca_certs={certificate[0]}")
    edge.connect(T)
    edge.lease(["k"], 1, T)
    big = Record(1, 1, b"x" * 300_000)
    assert edge.fill({"k": big}, 1, 1, 60_000, T) == {"k"}
    for _ in range(20):
        assert edge.read(["k"], T).copies["k"].record == big
    links = edge._parts().server._connections
    assert len(links._held) == 1
    edge.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(open_edge, tls_port):
    with pytest.raises(UnavailableError, match="certificate"):
        open_edge(f"rediss://127.0.0.1:{tls_port}/0").connect(T)
