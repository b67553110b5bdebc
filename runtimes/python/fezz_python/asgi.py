"""A handler as an ASGI app (https://asgi.readthedocs.io), with its hooks in the lifespan."""

import asyncio
import inspect

from .answer import answer_of
from .request import Request


def asgi_of(handler, on_load=None, on_unload=None):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await lifespan(receive, send, on_load, on_unload)
        elif scope["type"] == "http":
            await respond(handler, scope, receive, send)

    return app


async def lifespan(receive, send, on_load, on_unload):
    for hook, what in ((on_load, "startup"), (on_unload, "shutdown")):
        await receive()
        try:
            await call(hook)
        except Exception as error:
            await send({"type": f"lifespan.{what}.failed", "message": repr(error)})
            raise
        await send({"type": f"lifespan.{what}.complete"})


async def call(hook):
    result = hook() if hook else None
    if inspect.isawaitable(result):
        await result


async def respond(handler, scope, receive, send):
    request = await request_of(scope, receive)
    # One that is not async must not hold up the others.
    is_async = inspect.iscoroutinefunction(handler)
    result = await (handler(request) if is_async else asyncio.to_thread(handler, request))
    status, headers, body = answer_of(result)
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def request_of(scope, receive):
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    query = scope["query_string"].decode("latin-1")
    target = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    return Request(
        scope["method"],
        scope["scheme"],
        f"{target}?{query}" if query else target,
        scope["path"],
        headers,
        b"".join(chunks),
    )
