"""What `handler(request)` is given."""

import json
from urllib.parse import parse_qs


class Headers(dict):
    """Headers by name, in whatever case; of those sent several times the values joined by commas."""

    def __init__(self, pairs):
        super().__init__()
        for name, value in pairs:
            key = name.lower()
            super().__setitem__(key, f"{self[key]}, {value}" if key in self else value)

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class Request:
    """A request whose body has arrived whole.

    method, url, path (percent-decoded), query (the last value of each name), queries (all values),
    headers, params (captures of the route), body (bytes), request_id.
    """

    def __init__(self, method, scheme, target, path, headers, body):
        self.method = method
        self.headers = Headers(headers)
        self.url = f"{scheme}://{self.headers.get('host', 'localhost')}{target}"
        self.path = path
        self.queries = parse_qs(target.partition("?")[2], keep_blank_values=True)
        self.query = {name: values[-1] for name, values in self.queries.items()}
        self.params = json.loads(self.headers.get("x-fezz-params", "{}"))
        self.body = body
        self.request_id = self.headers.get("x-request-id", "")

    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        """Raises ValueError when the body is not JSON."""
        return json.loads(self.body)
