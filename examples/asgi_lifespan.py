"""A small ASGI application that holds one store from startup to shutdown. No framework needed.

    uvicorn examples.asgi_lifespan:app

`GET /profile/7` answers the JSON value of the key `profile/7`, `PUT` replaces it, `DELETE` lets
it be absent. The store opens in the lifespan, within the server's event loop and after it forked
its workers, and is closed, which flushes it, before the server ends.
"""

from __future__ import annotations

import json
from typing import Any

import tierstore

STATUS_OF = (
    (tierstore.InvalidKeyError, 400),
    (tierstore.ValueTooLargeError, 413),
    (tierstore.EncodingError, 422),
    (tierstore.OverloadedError, 503),
    (tierstore.UnavailableError, 503),
)


def make_app(policy: Any = None, **options: Any) -> Any:
    """An ASGI application over a store that `tierstore.open_async(policy, **options)` opens."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await hold_store(tierstore.open_async(policy, **options), scope, receive, send)
        elif scope["type"] == "http":
            await answer(scope["state"]["store"], scope, receive, send)

    return app


async def hold_store(opening: Any, scope: Any, receive: Any, send: Any) -> None:
    await receive()  # lifespan.startup
    try:
        store = await opening
    except tierstore.TierStoreError as exc:
        await send({"type": "lifespan.startup.failed", "message": str(exc)})
        return
    async with store:
        scope["state"]["store"] = store
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
    await send({"type": "lifespan.shutdown.complete"})


async def answer(store: Any, scope: Any, receive: Any, send: Any) -> None:
    try:
        status, value = await perform(store, scope, receive)
    except tuple(kind for kind, _ in STATUS_OF) as exc:
        status = next(status for kind, status in STATUS_OF if isinstance(exc, kind))
        value = {"error": str(exc)}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = b"" if status == 204 else json.dumps(value).encode()
    await send({"type": "http.response.body", "body": body})


async def perform(store: Any, scope: Any, receive: Any) -> tuple[int, Any]:
    key = scope["path"].removeprefix("/")
    if scope["method"] == "GET":
        reading = await store.read(key)
        return (200, reading.value) if reading.found else (404, {"error": "absent"})
    if scope["method"] == "PUT":
        try:
            value = json.loads(await read_body(receive))
        except ValueError as exc:
            return 400, {"error": str(exc)}
        await store.put(key, value)
        return 204, None
    if scope["method"] == "DELETE":
        await store.delete(key)
        return 204, None
    return 405, {"error": "GET, PUT or DELETE"}


async def read_body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


app = make_app()
