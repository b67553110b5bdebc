"""Servers for what launch.py has found. Each blocks until SIGTERM and what is in flight has ended."""

import inspect
import os

# As many requests as one instance gets at once by default, and a few for those who ask for more.
THREADS = 16
DRAIN_SECONDS = 25
# Longer than the host keeps its connections.
KEEP_ALIVE_SECONDS = 3600


def serve_wsgi(app):
    import waitress

    waitress.serve(
        app,
        **address("unix_socket", "host", "port"),
        threads=THREADS,
        ident=None,
        # The one client is the host, and what it says of its own client is true.
        trusted_proxy="*",
        trusted_proxy_headers={"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"},
        clear_untrusted_proxy_headers=False,
        channel_timeout=KEEP_ALIVE_SECONDS,
        _quiet=True,
    )


def serve_asgi(app):
    import uvicorn

    uvicorn.run(
        app,
        **address("uds", "host", "port"),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=True,
        forwarded_allow_ips="*",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def serve_handler(handler, on_load, on_unload):
    """Hooks may be None. One coroutine among the three makes it an ASGI app."""
    if any(inspect.iscoroutinefunction(one) for one in (handler, on_load, on_unload)):
        from .asgi import asgi_of

        serve_asgi(asgi_of(handler, on_load, on_unload))
        return
    from .wsgi import wsgi_of

    if on_load:
        on_load()
    try:
        serve_wsgi(wsgi_of(handler))
    finally:
        if on_unload:
            on_unload()


def address(socket, host, port):
    """Where to listen, under the names of a server's own parameters."""
    path = os.environ.get("FEZZ_SOCKET")
    if path:
        return {socket: path}
    return {host: "0.0.0.0", port: int(os.environ.get("PORT") or 80)}
