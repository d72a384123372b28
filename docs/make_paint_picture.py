"""The README's first picture: python docs/make_paint_picture.py MODEL LABELS

The page of `histosyn paint` in a headless Chromium, side by side, after a stroke. Give a model of
phantom tissue and phantom label maps: then nothing of the picture is real.
"""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

_SIZE = {"width": 1280, "height": 760}
_MILLISECONDS = 50


def main(model: str, labels: str, out: Path) -> None:
    """Serve the model, paint, take the picture."""
    command = [
        "histosyn", "paint", model, "--labels", labels, "--port", "0", "--no-browser",
    ]  # fmt: skip
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
            page.screenshot(path=out)
            browser.close()
        server.send_signal(signal.SIGINT)


def paint(page: Page) -> None:
    """A new gland: a lumen with its epithelium, and nuclei in it."""
    until(page, "globalThis.studio?.tissueIsCurrent")
    page.click("text=Side by side")
    width = page.evaluate("studio.map.width")
    centre = (0.62 * width, 0.62 * width)
    for value, size in ((2, 0.28), (0, 0.10)):
        page.evaluate(
            """async ([value, size, [x, y]]) => {
              const { strokeSegment } = await import("./labelmap.js");
              const end = { x: x + 0.12 * studio.map.width, y: y - 0.1 * studio.map.width };
              const diameter = Math.round(size * studio.map.width);
              studio.edit((map) => strokeSegment(map, { x, y }, end, diameter, value));
            }""",
            [value, size, centre],
        )
    page.evaluate(
        """async ([x, y]) => {
          const { strokeSegment } = await import("./labelmap.js");
          const w = studio.map.width;
          studio.edit((map) => {
            for (let i = 0; i < 14; i++) {
              const angle = (2 * Math.PI * i) / 14;
              const at = {
                x: x + 0.06 * w + 0.14 * w * Math.cos(angle),
                y: y - 0.05 * w + 0.12 * w * Math.sin(angle),
              };
              strokeSegment(map, at, { x: at.x + 2, y: at.y + 1 }, 7, 3);
            }
          });
        }""",
        centre,
    )
    until(page, "studio.tissueIsCurrent && !studio.underWay")
    page.mouse.move(5, 400)
    page.wait_for_timeout(10 * _MILLISECONDS)


def until(page: Page, words: str) -> None:
    """The page's own rules forbid what playwright's waiting does: evaluate text in it."""
    while not page.evaluate(words):
        page.wait_for_timeout(_MILLISECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:3], Path(__file__).with_name("paint.png"))
