"""Whatever goes wrong behind the guard is a sentence for who asked, and a line in the log."""

import asyncio
import json

import pytest
from starlette.requests import ClientDisconnect, Request

from histosyn.paint.access import AccessControl

TOKEN = "secret"


def ask(app, *, body=(), length=None, largest_body=10):
    """The messages that a guarded application sends for one request with these pieces of body."""
    headers = [(b"host", b"127.0.0.1"), (b"x-histosyn-token", TOKEN.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    scope = {"type": "http", "method": "POST" if body else "GET", "path": "/api/x",
             "headers": headers}  # fmt: skip
    pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in body]
    coming = iter([*pieces, {"type": "http.request", "body": b"", "more_body": False}])
    sent = []

    async def receive():
        return next(coming)

    async def send(message):
        sent.append(message)

    guard = AccessControl(app, token=TOKEN, hosts=(), largest_body=largest_body)
    asyncio.run(guard(scope, receive, send))
    return sent


async def fails(scope, receive, send):
    raise KeyError("/srv/somebody/secret")


async def fails_midway(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise KeyError("later")


async def is_left(scope, receive, send):
    raise ClientDisconnect


async def reads(scope, receive, send):
    await Request(scope, receive).body()
    await send({"type": "http.response.start", "status": 200, "headers": []})


def test_an_error_that_nobody_expected(caplog):
    start, body = ask(fails)

    assert start["status"] == 500
    assert b"content-security-policy" in dict(start["headers"])
    told = json.loads(body["body"])["error"]
    assert "log says" in told and "secret" not in told
    (record,) = caplog.records
    assert "GET /api/x could not be answered: KeyError" in record.message
    assert record.exc_info is None and "\n" not in record.message


def test_an_answer_that_has_begun_breaks_off(caplog):
    assert [message["type"] for message in ask(fails_midway)] == ["http.response.start"]
    assert "KeyError" in caplog.text


def test_who_has_left_is_told_nothing(caplog):
    assert ask(is_left) == []
    assert not caplog.records


@pytest.mark.parametrize(
    ("body", "status"), [([b"12345", b"67890"], 200), ([b"12345", b"67890", b"1"], 413)]
)
def test_more_than_was_said_to_come_is_not_read(body, status):
    assert ask(reads, body=body, length=5)[0]["status"] == status
