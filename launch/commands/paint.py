"""`histosyn paint`."""

from __future__ import annotations

import importlib.util
import os
import secrets
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from hpc.errors import InputError
from hpc.extras import missing_extra
from launch.input_checks import check_inputs
from launch.terminal.console import console

if TYPE_CHECKING:
    from histosyn.paint.address import Endpoint


def paint(
    model: Path | None = None,
    *,
    demo: bool = False,
    labels: Path | None = None,
    out: Path | None = None,
    port: Annotated[int, Parameter(validator=InRange(gte=0, lte=65535))] = 8765,
    socket: Path | None = None,
    host_name: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    browser: bool = True,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Paint a label map in the browser, and see the tissue.

    Serves one page on this machine alone (127.0.0.1), for who has the token in its address, and
    prints the ssh line for a browser elsewhere. What is saved goes into --out: labels, tiles, and
    how they were made, as `histosyn pack` and `histosyn synth --like` read them. Ctrl-C ends it.

    Example: histosyn paint runs/first --labels my_label_maps

    Example: histosyn paint --demo

    Parameters
    ----------
    model
        A model folder, a checkpoint, or a run folder (its newest checkpoint).
    demo
        Paint with the small model of phantom tissue that comes with histosyn.
    labels
        Folder of label maps to start from, in the model's schema.
    out
        Folder for what is saved. Default: paintings/DATE-TIME.
    port
        Port on 127.0.0.1; 0 for any that is free.
    socket
        Listen on this Unix socket instead, in a folder that only you can enter: on a login node
        that others use too.
    host_name
        Name by which browsers call the server if a proxy stands before it, such as
        ondemand.example.org.
    browser
        Open the page in a browser, if there is one here.
    device
        Where to compute; auto takes the GPU if there is one.
    """
    _require_extra()
    if demo == (model is not None):
        raise InputError("Give a model, or --demo: histosyn paint MODEL, histosyn paint --demo.")
    check_inputs(model=model, folders={"folder of label maps": labels})
    # oneDNN keeps what it prepared for each shape it met; every painting has shapes of its own, and
    # the default of 1024 takes gigabytes. Read when torch first computes.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    from histosyn.models.folder import load_model
    from histosyn.paint.address import listen_on_port, listen_on_socket, serve
    from histosyn.paint.renderer import Renderer
    from histosyn.paint.server import build_app
    from histosyn.paint.session_folder import SessionFolder
    from histosyn.sources.pairs import images_by_key
    from hpc.log import set_up_logging
    from hpc.process_group import device_of
    from hpc.topology import Topology

    set_up_logging(Topology())
    examples = {} if labels is None else images_by_key(labels, "folder of label maps")
    token = secrets.token_urlsafe(24)
    # First of all the address: if it is taken, nothing was loaded in vain.
    with (
        listen_on_port(port, token)
        if socket is None
        else listen_on_socket(socket, token) as endpoint
    ):
        if model is None:
            from launch.demo.shipped import MODEL, shipped_labels

            model = MODEL
            examples = examples or shipped_labels()
        renderer = Renderer(
            load_model(model, device_of(Topology(), device)), name=_name(model, demo)
        )
        out = out or Path("paintings") / datetime.now().strftime("%Y-%m-%d-%H%M%S")
        app = build_app(renderer, SessionFolder(out), examples, token=token, hosts=list(host_name))
        with _for_browser(endpoint) if browser else nullcontext() as page:
            serve(app, endpoint, lambda: _tell(endpoint, out, page), app.state.leave)


def _name(model: Path, demo: bool) -> str:
    """What the page calls the model: its folder, or that of its run."""
    if demo:
        return "the demo's model"
    folder = model.resolve()
    return folder.parent.name if folder.name == "model" else folder.name


def _require_extra() -> None:
    if not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))):
        raise missing_extra("Painting", "starlette and uvicorn", "paint")


@contextmanager
def _for_browser(endpoint: Endpoint) -> Iterator[Path | None]:
    """What a browser here is told to open; None if there is none, or none that reaches it.

    Without somewhere to put it there is the printed address.
    """
    from histosyn.paint.browser import opening_page
    from hpc.log import logger

    with ExitStack() as stack:
        page = None
        if endpoint.url is not None and _has_screen():
            try:
                page = stack.enter_context(opening_page(endpoint.url))
            except OSError as error:
                logger.warning("No browser is opened: %s.", error)
        yield page


def _tell(endpoint: Endpoint, out: Path, page: Path | None) -> None:
    out_of = console()
    if endpoint.url is not None:
        out_of.print(f"Paint at   {endpoint.url}")
    out_of.print(f"Elsewhere  {endpoint.ssh}\n           then open {endpoint.url_through_ssh}")
    out_of.print(f"Saved to   {out}")
    if out.exists() and not out.is_dir():
        out_of.print(f"warning: {out} is a file: nothing can be saved. Choose another --out.")
    out_of.print("Ctrl-C ends it.")
    if page is not None:
        # Some browsers keep who opens them waiting until they are closed.
        Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()


def _has_screen() -> bool:
    """Without one, a browser of text would take the terminal."""
    return sys.platform == "darwin" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
