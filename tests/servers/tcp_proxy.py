"""A TCP proxy on loopback that can be cut, stall, swallow and reset: what networks do."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress

BUFFER_BYTES = 1 << 16
PIECE_BYTES = 512
AT_ONCE = struct.pack("ii", 1, 0)
"""`SO_LINGER` of a socket that ends by a reset."""


class Proxy:
    """Passes on what comes to `port`; refuses everything while it is cut."""

    def __init__(self, target_port):
        self._target_port = target_port
        self._listener = None
        self._sockets = set()
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._swallows = self._swallows_replies = False
        self._pause_s = 0.0
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

    def point_to(self, target_port):
        """Serve who comes from now on by another server; who was through is cut off."""
        self._target_port = target_port
        self.reset()

    def stall(self):
        """Hold back what comes, in both directions, until `heal`."""
        self._flows.clear()

    def swallow(self):
        """Take everything, pass on nothing, until `heal`; what was taken is gone."""
        self._swallows = True

    def swallow_replies(self):
        """Pass on requests and take what is answered, until `heal`; that is gone."""
        self._swallows_replies = True

    def trickle(self, pause_s=0.02):
        """Pass on what comes in small pieces with pauses between them, until `heal`."""
        self._pause_s = pause_s

    def heal(self):
        """Pass on what comes, again; connections that lost something are reset."""
        self._pause_s = 0.0
        if self._swallows or self._swallows_replies:
            self.reset()
        self._swallows = self._swallows_replies = False
        self._flows.set()

    def reset(self):
        """End all connections as if the machine behind them had forgotten them."""
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    one.shutdown(socket.SHUT_RDWR)

    def open(self):
        """Listen, again at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self):
        """Refuse everything from now on."""
        self._flows.set()
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
                back = threading.Thread(target=self._pump, args=(server, client, True), daemon=True)
                back.start()
                self._pump(client, server, False)
                back.join()
                with self._lock:
                    self._sockets -= {client, server}

    def _pieces(self, data):
        """`data` at the pace that is set."""
        for start in range(0, len(data), PIECE_BYTES):
            if self._pause_s:
                threading.Event().wait(self._pause_s)
                yield data[start : start + PIECE_BYTES]
            else:
                yield data[start:]
                return

    def _pump(self, source, target, is_reply):
        with suppress(OSError):
            while data := source.recv(BUFFER_BYTES):
                self._flows.wait()
                is_lost = self._swallows or (is_reply and self._swallows_replies)
                for piece in () if is_lost else self._pieces(data):
                    target.sendall(piece)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
