"""A handler as a WSGI app (PEP 3333)."""

from http.client import responses

from .answer import answer_of
from .request import Request

# Headers that WSGI keeps under other names.
PLAIN = {"CONTENT_TYPE": "content-type", "CONTENT_LENGTH": "content-length"}


def wsgi_of(handler):
    def app(environ, start_response):
        status, headers, body = answer_of(handler(request_of(environ)))
        start_response(f"{status} {responses.get(status, 'Unknown')}", headers)
        return [body]

    return app


def request_of(environ):
    headers = [(PLAIN[key], environ[key]) for key in PLAIN if environ.get(key)]
    headers += [
        (key[5:].replace("_", "-").lower(), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    # WSGI has text as bytes in latin-1.
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    return Request(
        environ["REQUEST_METHOD"],
        environ["wsgi.url_scheme"],
        environ.get("REQUEST_URI") or target_of(environ),
        path,
        headers,
        environ["wsgi.input"].read(),
    )


def target_of(environ):
    from urllib.parse import quote

    query = environ.get("QUERY_STRING", "")
    path = quote(environ["PATH_INFO"], safe="/%:@!$&'()*+,;=~-._", encoding="latin-1")
    return f"{path}?{query}" if query else path
