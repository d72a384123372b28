"""Access control of the server: requests need the token of this page and a known host name.

Other pages in the same browser and other people on the same machine can reach 127.0.0.1 too. So
each request for more than the page itself needs the token as a header, which another site's page
cannot send without being asked, and must name a host that we are known by (against DNS rebinding).
"""

from __future__ import annotations

import json
import re
import secrets
import traceback
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hpc.log import logger

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
# A name or an address, then a port; nothing else, such as who calls.
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE)


class RefusalError(Exception):
    """A request that is not answered: with which status, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class AccessControl:
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
        answer = _Answer(send)
        try:
            self._check(scope["method"], scope["path"], Headers(scope=scope))
            await self.app(scope, self._limited(receive), answer)
        except RefusalError as refusal:
            await answer.refuse(refusal)
        except ClientDisconnect:
            return
        except Exception as error:
            _log(scope, error)
            words = "Something went wrong here; the server's log says what. Try again."
            await answer.refuse(RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, words))

    def _limited(self, receive: Receive) -> Receive:
        """What comes, as long as it is not more than was said to come."""
        bytes_read = 0

        async def receiving() -> Message:
            nonlocal bytes_read
            message = await receive()
            bytes_read += len(message.get("body", b""))
            if bytes_read > self.largest_body:
                raise self._too_large(str(bytes_read))
            return message

        return receiving

    def _check(self, method: str, path: str, headers: Headers) -> None:
        is_page = "/api/" not in path
        self._check_names(headers, is_page)
        if is_page:
            return
        if not secrets.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self.token):
            raise RefusalError(
                HTTPStatus.FORBIDDEN,
                "The token is missing or of another server. Open the address that "
                "`histosyn paint` printed.",
            )
        if method not in _BODILESS:
            self._check_body(headers)

    def _check_names(self, headers: Headers, is_page: bool) -> None:
        host = _host_name(headers.getlist("host"))
        if host not in self.hosts:
            raise RefusalError(
                HTTPStatus.MISDIRECTED_REQUEST,
                "The server is not known by this name. If a proxy stands before it, start it "
                "with --host-name and the proxy's name.",
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_ours(origin, headers["host"]):
            raise RefusalError(HTTPStatus.FORBIDDEN, "The request came from another site's page.")
        # A link to the page may stand anywhere: the page itself tells and does nothing.
        is_link = is_page and headers.get("sec-fetch-mode") == "navigate"
        if not is_link and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise RefusalError(HTTPStatus.FORBIDDEN, "The request came from another site's page.")

    def _is_ours(self, origin: str, host: str) -> bool:
        """A proxy may put another host into what it passes on; browsers know it by its own name."""
        try:
            found = urlsplit(origin)
        except ValueError as error:
            raise RefusalError(
                HTTPStatus.BAD_REQUEST, "The request names no origin that is an address."
            ) from error
        return found.netloc.lower() == host.lower() or found.hostname in self.hosts - OWN_NAMES

    def _check_body(self, headers: Headers) -> None:
        if headers.get("content-encoding", "identity") != "identity":
            raise RefusalError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body as it is, not compressed."
            )
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers:
            raise RefusalError(HTTPStatus.LENGTH_REQUIRED, "Say how long the body is.")
        if len(length) > 15 or int(length) > self.largest_body:
            raise self._too_large(length[:15])

    def _too_large(self, length: str) -> RefusalError:
        return RefusalError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{length} bytes are more than this server takes ({self.largest_body}).",
        )


def _host_name(hosts: list[str]) -> str:
    """The name in the Host header, without the port: of a tunnel, it is any."""
    found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if hosts and found is None:
        raise RefusalError(
            HTTPStatus.BAD_REQUEST, "The Host header must be one name, or one name and a port."
        )
    return found[1].strip("[]").lower() if found else ""


class _Answer:
    """Sends an answer with the headers that keep the page to itself."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            MutableHeaders(scope=message).update(_EVERY_ANSWER)
        await self.send(message)

    async def refuse(self, refusal: RefusalError) -> None:
        """Say why, unless another answer is under way: that breaks off."""
        if self.begun:
            return
        body = json.dumps({"error": str(refusal)}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await self({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _log(scope: Scope, error: Exception) -> None:
    """One line; who asked is told nothing of it."""
    *_, place = traceback.extract_tb(error.__traceback__)
    logger.error(
        "%s %s could not be answered: %s: %s (%s, line %s)",
        scope["method"], scope["path"], type(error).__name__, error, place.name, place.lineno,
    )  # fmt: skip
