"""The picture of a sweep's page: python docs/make_sweep_picture.py [SWEEP PICTURE]

Some of the page's plots side by side, as a headless Chromium shows them: of the sweep's folder that
is named, which has a page; else of a made-up sweep (tests/sweep_records.py), of which nothing was
trained or measured.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from sweep_folders import write_sweep

from histosyn.images.tiles import png_bytes
from tune.results.reporting import PAGE, write_report

_WIDTH = 1240
_GAP = 28
# Of the plots, in the order of the page; a column each.
_SHOWN = ((0, 1), (2, 3))


def main(sweep: Path, out: Path) -> None:
    """Write the picture of a sweep that has a page."""
    plots = _plots(sweep.resolve() / PAGE)
    columns = [_stacked([plots[number] for number in column]) for column in _SHOWN]
    page = Image.new("RGB", (sum(one.width for one in columns) + _GAP,
                             max(one.height for one in columns)), "white")  # fmt: skip
    left = 0
    for column in columns:
        page.paste(column, (left, 0))
        left += column.width + _GAP
    height = round(page.height * _WIDTH / page.width)
    smaller = page.resize((_WIDTH, height), Image.Resampling.LANCZOS)
    out.write_bytes(png_bytes(smaller.quantize(128)))


def _plots(page: Path) -> list[Image.Image]:
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1.5)
        shown.goto(page.as_uri())
        found = [Image.open(io.BytesIO(plot.screenshot())).convert("RGB")
                 for plot in shown.locator("figure.plot").all()]  # fmt: skip
        browser.close()
    return found


def _stacked(pictures: list[Image.Image]) -> Image.Image:
    height = sum(one.height + _GAP for one in pictures) - _GAP
    column = Image.new("RGB", (max(one.width for one in pictures), height), "white")
    top = 0
    for one in pictures:
        column.paste(one, (0, top))
        top += one.height + _GAP
    return column


def made_up(out: Path) -> None:
    """The same of a made-up sweep."""
    with tempfile.TemporaryDirectory() as folder:
        write_report(write_sweep(Path(folder) / "first", 16))
        main(Path(folder) / "first", out)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(*map(Path, sys.argv[1:]))
    else:
        made_up(Path(__file__).with_name("sweep.png"))
