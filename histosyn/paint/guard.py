"""Who may talk to the server: this page, opened by who has the token, and nobody else.

Other pages in the same browser and other people on the same machine can reach 127.0.0.1 too. So
each request for more than the page itself needs the token as a header, which another site's page
cannot send without being asked, and must name a host that we are known by (against DNS rebinding).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-histosyn-token"
OWN_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERY_ANSWER = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_BODILESS = {"GET", "HEAD"}


class RefusalError(Exception):
    """A request that is not answered: with which status, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Guard:
    """ASGI middleware in front of the application.

    `hosts` are names besides 127.0.0.1 and localhost by which browsers may call the server, such as
    that of a proxy; `largest_body` is in bytes.
    """

    def __init__(
        self, app: ASGIApp, *, token: str, hosts: Iterable[str], largest_body: int
    ) -> None:
        self.app = app
        self.token = token.encode()
        self.hosts = OWN_NAMES | {host.lower() for host in hosts}
        self.largest_body = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is allowed, with headers that keep the page to itself."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            self._check(scope["method"], scope["path"], Headers(scope=scope))
        except RefusalError as refusal:
            await _refuse(refusal, _with_headers(send))
            return
        await self.app(scope, receive, _with_headers(send))

    def _check(self, method: str, path: str, headers: Headers) -> None:
        self._check_names(headers)
        if "/api/" not in path:
            return
        if not secrets.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self.token):
            raise RefusalError(
                HTTPStatus.FORBIDDEN,
                "The token is missing or of another server. Open the address that "
                "`histosyn paint` printed.",
            )
        if method not in _BODILESS:
            self._check_body(headers)

    def _check_names(self, headers: Headers) -> None:
        if _host_name(headers.get("host", "")) not in self.hosts:
            raise RefusalError(
                HTTPStatus.MISDIRECTED_REQUEST,
                "The server is not known by this name. If a proxy stands before it, start it "
                "with --host-name and the proxy's name.",
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_ours(origin, headers["host"]):
            raise RefusalError(HTTPStatus.FORBIDDEN, "The request came from another site's page.")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise RefusalError(HTTPStatus.FORBIDDEN, "The request came from another site's page.")

    def _is_ours(self, origin: str, host: str) -> bool:
        """A proxy may put another host into what it passes on; browsers know it by its own name."""
        found = urlsplit(origin)
        return found.netloc.lower() == host.lower() or found.hostname in self.hosts - OWN_NAMES

    def _check_body(self, headers: Headers) -> None:
        if headers.get("content-encoding", "identity") != "identity":
            raise RefusalError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body as it is, not compressed."
            )
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            raise RefusalError(HTTPStatus.LENGTH_REQUIRED, "Say how long the body is.")
        if len(length) > 15 or int(length) > self.largest_body:
            raise RefusalError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"{length[:15]} bytes are more than this server takes ({self.largest_body}).",
            )


def _host_name(host: str) -> str:
    """The name in a Host header, without the port: of a tunnel, it is any."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_EVERY_ANSWER)
        await send(message)

    return sending


async def _refuse(refusal: RefusalError, send: Send) -> None:
    body = json.dumps({"error": str(refusal)}).encode()
    await send(
        {
            "type": "http.response.start",
            "status": refusal.status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
