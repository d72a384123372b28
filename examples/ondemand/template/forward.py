"""Passes connections to HOST PORT on to a Unix socket: forward.py HOST PORT SOCKET."""

import asyncio
import contextlib
import sys


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until the source ends, which the target is told."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


async def serve(host: str, port: int, path: str) -> None:
    """Forever; a connection that comes before the socket is there is closed."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            from_socket, to_socket = await asyncio.open_unix_connection(path)
            with contextlib.closing(to_socket):
                await asyncio.gather(_pour(reader, to_socket), _pour(from_socket, writer))

    server = await asyncio.start_server(connect, host, port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
