"""A TCP proxy on loopback that can be cut: what a network that is away looks like."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress

BUFFER_BYTES = 1 << 16


class Proxy:
    """Passes on what comes to `port`; refuses everything while it is cut."""

    def __init__(self, target_port):
        self._target_port = target_port
        self._listener = None
        self._sockets = set()
        self._lock = threading.Lock()
        self.port = 0
        self.open()

    @property
    def endpoint_url(self):
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def cut(self):
        """While entered, nobody gets through, and those who were through are cut off."""
        self.close()
        try:
            yield
        finally:
            self.open()

    def open(self):
        """Listen, again at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self):
        """Refuse everything from now on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._target_port))
            with server:
                with self._lock:
                    self._sockets |= {client, server}
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()
                with self._lock:
                    self._sockets -= {client, server}


def _pump(source, target):
    with suppress(OSError):
        while data := source.recv(BUFFER_BYTES):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
