"""The README's first picture: python docs/make_paint_picture.py

The page of `histosyn paint --demo` in a headless Chromium, side by side, after a stroke. Nothing of
the picture is real.
"""

import io
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from histosyn.images.origin import synthetic_png_bytes

_SIZE = {"width": 1280, "height": 760}
_MILLISECONDS = 50


def main(out: Path) -> None:
    """Serve the shipped model, paint, take the picture."""
    command = [sys.executable, "-m", "histosyn", "paint", "--demo", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"\S+#token=\S+", server.stdout.readline())
        assert found, "the server did not start"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport=_SIZE, device_scale_factor=1)
            page.goto(found[0])
            paint(page)
            taken = Image.open(io.BytesIO(page.screenshot()))
            out.write_bytes(synthetic_png_bytes(taken))
            browser.close()
        server.send_signal(signal.SIGINT)


def paint(page: Page) -> None:
    """A new gland: epithelium, a lumen in it, and nuclei along its border."""
    until(page, "globalThis.editor?.tissueIsCurrent")
    page.click("text=Side by side")
    page.evaluate(
        """async () => {
          const { strokeSegment } = await import("./labelmap.js");
          const w = editor.map.width;
          const from = { x: 0.62 * w, y: 0.64 * w };
          const to = { x: 0.75 * w, y: 0.53 * w };
          const stroke = (map, width, value) =>
            strokeSegment(map, from, to, Math.round(width * w), value);
          editor.edit((map) => {
            stroke(map, 0.29, 2);
            stroke(map, 0.09, 0);
            for (let i = 0; i < 22; i++) {
              const angle = (2 * Math.PI * i) / 22;
              const [x, y] = [Math.cos(angle), Math.sin(angle)];
              // The end of the gland that this direction points to.
              const end = x * (to.x - from.x) + y * (to.y - from.y) > 0 ? to : from;
              const at = (reach) => ({ x: end.x + reach * w * x, y: end.y + reach * w * y });
              strokeSegment(map, at(0.11), at(0.125), 7, 3);
            }
          });
        }"""
    )
    until(page, "editor.tissueIsCurrent && !editor.underWay")
    page.mouse.move(5, 400)
    page.wait_for_timeout(10 * _MILLISECONDS)


def until(page: Page, words: str) -> None:
    """The page's own rules forbid what playwright's waiting does: evaluate text in it."""
    while not page.evaluate(words):
        page.wait_for_timeout(_MILLISECONDS)


if __name__ == "__main__":
    main(Path(__file__).with_name("paint.png"))
