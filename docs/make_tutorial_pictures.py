"""The tutorial's pictures: python docs/make_tutorial_pictures.py RUN [WORK]

RUN is the run folder of `docs/make_demo_model.py`, or of another training on phantom tissue. Slides
are drawn of the same tissue, and the tutorial's commands are called on them, in folder WORK; so
nothing of the pictures is real. Needs the extras `slides` and `report`, playwright and Chromium.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import tifffile
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import sync_playwright
from rich.color import ColorTriplet
from rich.console import Console
from rich.text import Text
from shapely import make_valid
from shapely.geometry import mapping, shape

from histosyn.annotations.outlines import collection_text, feature_text, regions_of
from histosyn.images.origin import synthetic_png_bytes
from histosyn.labels.label_map import load_schema, read_label_map
from histosyn.training.grid_picture import tile_grid

OUT = Path(__file__).with_name("tutorial")
SLIDES, SIDE, MPP = 6, 512, 1.0
TILE, SHOWN, COLUMNS = 128, 6, 100
# What is shown of a slide, and how much larger; and of the curves, from above.
PART, ENLARGED = 208, 2
CURVES = 525
WIDTH = 880
PAPER, INK, GROUND = "#1c1c22", "#e6e6e6", (255, 255, 255)
FONT = Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf"


def main(run: Path, work: Path) -> None:
    """Draw slides, call the commands, keep a picture of each step."""
    OUT.mkdir(exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    os.chdir(work)
    Path("runs").mkdir()
    Path("runs/first").symlink_to(run)
    draw_slides()
    keep("1-annotations", annotated("S1"))
    keep("2-doctor", terminal("doctor slides annotations"))
    call(f"pack slides annotations packed --schema schema.toml --mpp {MPP} --tile-size {TILE} "
         "--val 0.34")  # fmt: skip
    call("inspect packed --samples 6")
    keep("3-inspect", Image.open("packed-sheet.png"))
    first, *_, last = sorted((run / "samples").glob("*.png"))
    keep("4-samples", stacked([left_half(Image.open(path)) for path in (first, last)]))
    call("status runs/first --plot curves.png")
    curves = Image.open("curves.png")
    keep("5-curves", curves.crop((0, 0, curves.width, CURVES)))
    call("synth runs/first packed/val tissue")
    keep("6-tissue", made(Path("tissue-labels"), Path("tissue")))
    keep("7-distances", terminal("eval fid packed/val tissue --extractor random --json "
                                 "results/fid.json"))  # fmt: skip
    call("eval stain packed/val tissue --labels tissue-labels --schema schema.toml --json "
         "results/stain.json")  # fmt: skip
    call("report results --out report.html")
    keep("8-report", page(work / "report.html"))


def keep(name: str, picture: Image.Image) -> None:
    """As PNG of few colours, as wide as a page, with the mark of synthetic images."""
    shown = picture.convert("RGB")
    if shown.width > WIDTH:
        height = round(shown.height * WIDTH / shown.width)
        shown = shown.resize((WIDTH, height), Image.Resampling.LANCZOS)
    (OUT / f"{name}.png").write_bytes(synthetic_png_bytes(shown.quantize(96)))


def call(line: str, **environment: str) -> str:
    """What a command prints."""
    words = [sys.executable, "-m", "histosyn", *line.split()]
    done = subprocess.run(words, env={**os.environ, **environment}, stdout=subprocess.PIPE,
                          text=True, check=True)  # fmt: skip
    return done.stdout


def draw_slides() -> None:
    """Slides of phantom tissue, and their annotations as QuPath exports them."""
    call(f"phantom phantom --count {SLIDES} --size {SIDE} --seed 5")
    schema = load_schema("prostate-3")
    Path("annotations").mkdir()
    Path("slides").mkdir()
    for number, tile in enumerate(sorted(Path("phantom/tiles").iterdir()), 1):
        with tifffile.TiffWriter(f"slides/S{number}.tif", bigtiff=True) as file:
            file.write(np.asarray(Image.open(tile)), tile=(64, 64), photometric="rgb",
                       metadata=None, resolution=(1e4 / MPP, 1e4 / MPP),
                       resolutionunit="CENTIMETER")  # fmt: skip
        labels = read_label_map(Path("phantom/labels") / tile.name, schema)
        regions = regions_of(labels, len(schema))
        texts = collection_text(apart(feature_text(region, schema)) for region in regions)
        Path(f"annotations/S{number}.geojson").write_text("".join(texts), "utf-8")


def apart(feature: str) -> str:
    """An annotation whose outline, along pixels, meets itself at no corner: as if drawn by hand."""
    drawn = json.loads(feature)
    inside = make_valid(shape(drawn["geometry"])).buffer(-0.2, join_style="mitre")
    return json.dumps(drawn | {"geometry": mapping(inside)})


def annotated(name: str) -> Image.Image:
    """Part of a slide, and beside it the same below the outlines of its annotations."""
    side = PART * ENLARGED
    plain = Image.open(f"slides/{name}.tif").convert("RGB").crop((0, 0, PART, PART))
    plain = plain.resize((side, side), Image.Resampling.BICUBIC)
    drawn = plain.copy()
    pen = ImageDraw.Draw(drawn)
    features = json.loads(Path(f"annotations/{name}.geojson").read_text("utf-8"))["features"]
    for feature in features:
        color = tuple(feature["properties"]["classification"]["color"])
        for ring in rings(feature["geometry"]):
            pen.line([(x * ENLARGED, y * ENLARGED) for x, y in ring], fill=color, width=2)
    return Image.fromarray(tile_grid([[np.asarray(plain), np.asarray(drawn)]]))


def rings(geometry: dict[str, object]) -> Iterator[Sequence[Sequence[float]]]:
    """All rings of a Polygon or MultiPolygon."""
    several = geometry["coordinates"]
    for polygon in [several] if geometry["type"] == "Polygon" else several:  # type: ignore
        yield from polygon


def made(labels: Path, tissue: Path) -> Image.Image:
    """Label maps above what was made of them."""
    names = [path.name for path in sorted(tissue.glob("*.png"))]
    names = names[:: len(names) // SHOWN][:SHOWN]
    rows = [[np.asarray(Image.open(folder / name).convert("RGB")) for name in names]
            for folder in (labels, tissue)]  # fmt: skip
    return Image.fromarray(tile_grid(rows))


def left_half(grid: Image.Image) -> Image.Image:
    """Half of the samples are enough to see."""
    return grid.crop((0, 0, grid.width // 2, grid.height))


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Side by side on white."""
    width = sum(picture.width for picture in pictures) + 16 * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, max(picture.height for picture in pictures)), GROUND)
    left = 0
    for picture in pictures:
        canvas.paste(picture.convert("RGB"), (left, 0))
        left += picture.width + 16
    return canvas


def terminal(line: str) -> Image.Image:
    """A command and what it prints, as a terminal of COLUMNS columns shows it."""
    printed = call(line, FORCE_COLOR="1", COLUMNS=str(COLUMNS), TERM="xterm-256color")
    font = ImageFont.truetype(FONT, 14)
    across, down = font.getlength("M"), 18
    console = Console(width=COLUMNS, force_terminal=True, file=io.StringIO())
    text = Text.from_ansi(f"$ histosyn {line}\n{printed.rstrip()}")
    lines = text.wrap(console, COLUMNS)
    picture = Image.new("RGB", (round(across * COLUMNS) + 20, down * len(lines) + 20), PAPER)
    pen = ImageDraw.Draw(picture)
    for row, words in enumerate(lines):
        column = 0
        for segment in words.render(console):
            color = segment.style.color if segment.style else None
            shade = color.get_truecolor() if color and not color.is_default else None
            pen.text((10 + column * across, 10 + row * down), segment.text.rstrip("\n"),
                     font=font, fill=shade_of(shade))  # fmt: skip
            column += segment.cell_length
    return picture


def shade_of(color: ColorTriplet | None) -> str:
    """Dark colours of a terminal are hard to see on its dark ground."""
    return color.hex if color and max(color) > 100 else INK


def page(path: Path) -> Image.Image:
    """The beginning of a page, in a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        shown = browser.new_page(viewport={"width": 1000, "height": 900})
        shown.goto(path.as_uri())
        picture = Image.open(io.BytesIO(shown.screenshot()))
        browser.close()
    return picture


if __name__ == "__main__":
    given = [Path(word).resolve() for word in sys.argv[1:]]
    main(given[0], given[1] if len(given) > 1 else Path(tempfile.mkdtemp()))
