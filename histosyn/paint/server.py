"""The web application: the page, and what it asks for.

GET  api/model                  classes, sizes, examples
GET  api/examples/NAME          a label map: size and indices
POST api/read                   an image file → a label map, and what was far off
POST api/synthesize             a painting → lines of JSON: progress, and at last the tissue
POST api/label-png              a painting → its label map as a file
POST api/tile-png               a painting → its tissue as a file, computed whole
POST api/save                   a painting → a pair in the session's folder
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from histosyn.labels.label_map import label_png_bytes
from histosyn.paint.access import AccessControl
from histosyn.paint.painting import Painting, parse_painting
from histosyn.paint.renderer import Renderer
from histosyn.paint.request_queue import QueueFullError, RequestQueue
from histosyn.paint.session_folder import NotSavedError, SessionFolder
from histosyn.paint.upload import ReadMap, read_upload
from hpc.errors import HistosynError, InputError
from hpc.log import logger

# Upload limits hold before anything is decoded.
_BYTES_OF_FILE = 64 << 20
_FILE_TYPES = ("image/png", "image/jpeg", "image/tiff", "image/bmp")
_RAW = "application/octet-stream"
_MOST_NAME_CHARACTERS = 300


def build_app(
    renderer: Renderer,
    session: SessionFolder,
    examples: dict[str, Path],
    *,
    token: str,
    hosts: list[str],
) -> Starlette:
    """The application for one model; `examples` are label maps that the page offers.

    `app.state.leave()` tells who waits for a picture that the server ends.
    """
    api = _Api(renderer, session, examples)
    largest_body = max(_BYTES_OF_FILE, 2 * renderer.most_pixels)
    page = StaticFiles(packages=[("histosyn.paint", "page")], html=True)
    app = Starlette(
        routes=[*api.routes(), Mount("/", app=page)],
        lifespan=api.lifespan,
        middleware=[Middleware(AccessControl, token=token, hosts=hosts, largest_body=largest_body)],
        exception_handlers={HistosynError: _tell, NotSavedError: _tell_not_saved},
    )
    app.state.leave = api.queue.close
    return app


class _Api:
    def __init__(
        self, renderer: Renderer, session: SessionFolder, examples: dict[str, Path]
    ) -> None:
        self.renderer = renderer
        self.session = session
        self.examples = examples
        self.queue = RequestQueue(renderer.render)

    def routes(self) -> list[Route]:
        answers: list[tuple[str, Callable[..., Any], str]] = [
            ("/api/model", self.model, "GET"),
            ("/api/examples/{name:path}", self.example, "GET"),
            ("/api/read", self.read, "POST"),
            ("/api/synthesize", self.synthesize, "POST"),
            ("/api/label-png", self.label_png, "POST"),
            ("/api/tile-png", self.tile_png, "POST"),
            ("/api/save", self.save, "POST"),
        ]
        return [Route(path, answer, methods=[method]) for path, answer, method in answers]

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(self.queue.work())
        try:
            yield
        finally:
            self.queue.close()
            work.cancel()

    async def model(self, request: Request) -> Response:
        return JSONResponse({**self.renderer.facts(), "examples": list(self.examples)})

    async def example(self, request: Request) -> Response:
        path = self.examples.get(request.path_params["name"])
        if path is None:
            raise InputError("There is no such example. Reload the page.")
        return _as_json(await run_in_threadpool(lambda: self._read(path.read_bytes(), path.name)))

    async def read(self, request: Request) -> Response:
        _require_type(request, *_FILE_TYPES)
        return _as_json(await run_in_threadpool(self._read, await request.body(), "The file"))

    def _read(self, data: bytes, name: str) -> ReadMap:
        return read_upload(data, name, self.renderer.schema, self.renderer.most_pixels)

    async def synthesize(self, request: Request) -> Response:
        painting = await self._painting(request)
        client = request.headers.get("x-histosyn-client", "")[:64]
        events = await self.queue.ask(client, painting)
        return StreamingResponse(_lines(events), media_type="application/x-ndjson")

    async def label_png(self, request: Request) -> Response:
        painting = await self._painting(request)
        data = await run_in_threadpool(label_png_bytes, painting.labels_HW, self.renderer.schema)
        return Response(data, media_type="image/png")

    async def tile_png(self, request: Request) -> Response:
        painting = await self._painting(request)
        data = await run_in_threadpool(self.renderer.tile_png, painting)
        return Response(data, media_type="image/png")

    async def save(self, request: Request) -> Response:
        painting = await self._painting(request)
        name = unquote(request.headers.get("x-histosyn-name", "")[:_MOST_NAME_CHARACTERS])
        return JSONResponse(
            await run_in_threadpool(self.session.save, self.renderer, painting, name)
        )

    async def _painting(self, request: Request) -> Painting:
        _require_type(request, _RAW)
        headers = request.headers
        return parse_painting(
            await request.body(),
            headers.get("x-histosyn-size", ""),
            headers.get("x-histosyn-seeds", ""),
            headers.get("x-histosyn-stain", ""),
            self.renderer.schema,
            self.renderer.most_pixels,
        )


def _require_type(request: Request, *types: str) -> None:
    found = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if found not in types:
        raise InputError(f"A body of type {found!r} came; this takes {', '.join(types)}.")


def _as_json(read: ReadMap) -> Response:
    height, width = read.labels_HW.shape
    return JSONResponse(
        {
            "width": width,
            "height": height,
            "indices": base64.b64encode(read.labels_HW.tobytes()).decode(),
            "snapped": [vars(item) for item in read.snapped],
        }
    )


async def _lines(events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    async for event in events:
        yield json.dumps(event).encode() + b"\n"


async def _tell(request: Request, error: Exception) -> Response:
    status = (
        503 if isinstance(error, QueueFullError) else 400 if isinstance(error, InputError) else 500
    )
    return JSONResponse({"error": str(error)}, status_code=status)


async def _tell_not_saved(request: Request, error: Exception) -> Response:
    logger.warning("%s", error)
    return JSONResponse({"error": str(error)}, status_code=HTTPStatus.INSUFFICIENT_STORAGE)
