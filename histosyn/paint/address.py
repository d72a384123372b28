"""The server's address: a port or Unix socket to bind, its URL, and the ssh line to forward it.

On a login node others can reach 127.0.0.1: the token keeps them out. A Unix socket in a folder of
one's own does so by itself, and ssh can forward to it.
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from hpc.errors import InputError
from hpc.user_folders import require_private

ADDRESS = "127.0.0.1"
# Of the browser's machine, where ssh forwards to a Unix socket here.
_PORT_ELSEWHERE = 8765
# Seconds that requests under way are given when the server is asked to end.
_GRACE_SECONDS = 2
_ENDS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A bound socket, what a browser here opens, and what ssh on another machine is told."""

    socket: socket.socket
    url: str | None
    ssh: str
    url_through_ssh: str
    path: Path | None = None

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket and remove its file."""
        self.socket.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def listen_on_port(port: int, token: str) -> Endpoint:
    """Bind 127.0.0.1; raises InputError if the port is taken. Port 0 is any that is free."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((ADDRESS, port))
    except OSError as error:
        bound.close()
        raise InputError(
            f"Port {port} cannot be used ({error.strerror}). Choose another with --port, or "
            "--port 0 for any that is free."
        ) from error
    port = bound.getsockname()[1]
    url = _url(port, token)
    ssh = f"ssh -N -L {port}:{ADDRESS}:{port} {_here()}"
    return Endpoint(socket=bound, url=url, ssh=ssh, url_through_ssh=url)


def listen_on_socket(path: Path, token: str) -> Endpoint:
    """Bind a Unix socket in a folder that only its owner can enter; a missing one is made.

    Raises InputError for a folder that others can enter, or if somebody listens there already.
    """
    path = path.absolute()
    folder = path.parent.resolve()
    require_private(folder, f"Choose a folder of your own for the socket, or close it: "
                            f"chmod 700 {folder}")  # fmt: skip
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_abandoned(path)
        bound.bind(str(path))
    except OSError as error:
        bound.close()
        raise InputError(f"{path} cannot be used as a socket ({error}). Choose another.") from error
    except InputError:
        bound.close()
        raise
    return Endpoint(
        socket=bound,
        url=None,
        ssh=f"ssh -N -L {_PORT_ELSEWHERE}:{path} {_here()}",
        url_through_ssh=_url(_PORT_ELSEWHERE, token),
        path=path,
    )


def serve(
    app: Starlette, endpoint: Endpoint, ready: Callable[[], None], leave: Callable[[], None]
) -> None:
    """Answer requests until Ctrl-C or SIGTERM; a second Ctrl-C ends at once.

    `ready` is called once requests are answered, `leave` when the end begins.
    """
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, ws="none",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )  # fmt: skip
    _Server(config, ready, leave).run(sockets=[endpoint.socket])


class _Server(uvicorn.Server):
    """Says when it is ready; a signal to end is an orderly end, and who waits is told."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], leave: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.ready = ready
        self.leave = leave

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell who waits, then end as uvicorn does."""
        self.leave()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order on a signal. uvicorn would raise it again then, before we have tidied up."""
        before = {name: signal.signal(name, self.handle_exit) for name in _ENDS}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)


def _remove_abandoned(path: Path) -> None:
    """A socket that nobody listens at is what a killed server left."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise InputError(f"{path} exists and is no socket. Choose another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise InputError(f"Another server listens at {path}. Stop it, or choose another path.")


def _url(port: int, token: str) -> str:
    return f"http://127.0.0.1:{port}/#token={token}"


def _here() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container the user may have no name
        user = str(os.geteuid())
    return f"{user}@{socket.gethostname()}"
