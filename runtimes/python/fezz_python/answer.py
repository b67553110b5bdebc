"""What a handler may return, made into status, headers and body."""

import json

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
JSON = "application/json"


def answer_of(result):
    """None, text, bytes, what JSON can hold, (status, body) or (status, headers, body).

    Returns the status as a number, headers as a list of pairs, and the body as bytes.
    """
    status, headers, body = parts_of(result)
    content, kind = encoded(body)
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    pairs = [(str(name), str(value)) for name, value in pairs]
    names = {name.lower() for name, _ in pairs}
    if kind is not None and "content-type" not in names:
        pairs.append(("Content-Type", kind))
    # A server that adds it to a 204 or 304 would be wrong.
    if "content-length" not in names and status not in (204, 304):
        pairs.append(("Content-Length", str(len(content))))
    return status, pairs, content


def parts_of(result):
    if isinstance(result, tuple) and result and type(result[0]) is int:
        if len(result) == 2:
            return result[0], {}, result[1]
        if len(result) == 3:
            return result
    if result is None:
        return 204, {}, None
    return 200, {}, result


def encoded(body):
    if body is None:
        return b"", None
    if isinstance(body, str):
        return body.encode(), TEXT
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), BYTES
    return json.dumps(body, ensure_ascii=False).encode(), JSON
