"""The ASGI example serves from one store, and leaves nothing unflushed behind."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path

import pytest

import tierstore

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "asgi_lifespan.py"


class Server:
    """The part of an ASGI server that an application sees: a lifespan and requests."""

    def __init__(self, app):
        self._app = app
        self._to_app = asyncio.Queue()
        self._from_app = asyncio.Queue()
        self.state = {}

    async def start(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        self._lifespan = asyncio.create_task(self._app(scope, self._to_app.get, self._from_app.put))
        await self._to_app.put({"type": "lifespan.startup"})
        return await self._from_app.get()

    async def stop(self):
        await self._to_app.put({"type": "lifespan.shutdown"})
        message = await self._from_app.get()
        await self._lifespan
        return message

    async def request(self, method, path, body=b""):
        messages = [
            {"type": "http.request", "body": body[:3], "more_body": True},
            {"type": "http.request", "body": body[3:]},
        ]
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "state": dict(self.state)}
        await self._app(scope, receive, send)
        raw = sent[1]["body"]
        return sent[0]["status"], json.loads(raw) if raw else None


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("asgi_lifespan", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_it_serves_what_was_put(example, policy, tmp_path, own_threads):
    server = Server(example.make_app(policy, base_dir=tmp_path))
    assert await server.start() == {"type": "lifespan.startup.complete"}
    ada = json.dumps({"name": "Ada"}).encode()

    assert await server.request("GET", "/profile/7") == (404, {"error": "absent"})
    assert await server.request("PUT", "/profile/7", ada) == (204, None)
    assert await server.request("GET", "/profile/7") == (200, {"name": "Ada"})
    assert await server.request("DELETE", "/profile/7") == (204, None)
    assert (await server.request("GET", "/profile/7"))[0] == 404
    assert (await server.request("PUT", "/profile/7", b"{"))[0] == 400
    assert (await server.request("PUT", "/profile/7", b"123456789012345678901234567890"))[0] == 422
    assert (await server.request("GET", "/"))[0] == 400
    assert (await server.request("POST", "/profile/7"))[0] == 405
    assert await server.request("PUT", "/memory/7", b"[1,2]") == (204, None)

    assert await server.stop() == {"type": "lifespan.shutdown.complete"}
    assert own_threads() == []
    with tierstore.open(policy, base_dir=tmp_path) as store:
        assert store.get("memory/7") == [1, 2]


async def test_many_requests_at_once_see_one_store(example, policy, tmp_path):
    server = Server(example.make_app(policy, base_dir=tmp_path))
    await server.start()
    paths = [f"/{kind}/{n}" for kind in ("memory", "journaled") for n in range(20)]

    async def put_and_get(path):
        await server.request("PUT", path, json.dumps(path).encode())
        return await server.request("GET", path)

    answers = await asyncio.gather(*map(put_and_get, paths))
    await server.stop()
    assert answers == [(200, path) for path in paths]


async def test_it_refuses_to_start_with_a_bad_policy(example, tmp_path):
    server = Server(example.make_app({"rules": 7}, base_dir=tmp_path))
    message = await server.start()
    assert message["type"] == "lifespan.startup.failed"
    assert "rules" in message["message"]
    assert server.state == {}
