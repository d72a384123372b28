"""Opening a browser at the address with its token, by a file that only this user can read.

A browser's command line shows what it is told to open, and on a machine that others use everybody
may read that (`ps`). So it is told to open a file, which sends it on to the address.
"""

from __future__ import annotations

import html
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpc.user_folders import home

# Browsers that snap installed have temporary folders of their own, and see no hidden ones.
_SNAP = Path("/snap")
_PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>histosyn paint</title>
<a href="{url}">Paint</a>
"""


@contextmanager
def opening_page(url: str) -> Iterator[Path]:
    """A file of this user alone that leads a browser to `url`; it is gone after the block."""
    place = home() if _SNAP.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="histosyn-paint-", dir=place) as folder:
        page = Path(folder) / "paint.html"
        page.touch(mode=0o600)
        page.write_text(_PAGE.format(url=html.escape(url)), encoding="utf-8")
        yield page
