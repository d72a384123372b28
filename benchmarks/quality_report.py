"""The table and the pages of `benchmarks/quality.py`, from what its stages left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from histosyn.images.origin import synthetic_png_bytes
from histosyn.labels.label_map import colorize, load_schema, read_label_map
from histosyn.training.grid_picture import tile_grid
from hpc.files import write_bytes

HEADER = ("", "steps", "CPU min", "Fréchet", "KID", "precision", "recall", "density", "coverage",
          "Dice", "Dice nuclei", "detail", "colour", "noise")  # fmt: skip
STATISTICS = ("frechet_distance", "kid", "precision", "recall", "density", "coverage")
FLOOR = "real_versus_real_floor"


def table(out: Path, runs: Sequence[str]) -> str:
    """A row a run in Markdown, then those of real tiles: of training patients, and halves."""
    seen, own = measured(out, "seen", "fid"), measured(out, runs[0], "faithfulness")
    rows = [
        HEADER,
        ["---"] * len(HEADER),
        *(row_of(out, run) for run in runs),
        [
            "real",
            "",
            "",
            *distances_of(seen),
            *cells_of(own, "real"),
            detail_in_seen(out),
            "",
            "",
        ],
        ["floor", "", "", *distances_of(seen, floor=True), "", "", "", "", ""],
    ]
    head = ("95 %", *STATISTICS, "Dice", "Dice nuclei")
    intervals = [head, ["---"] * len(head), *(intervals_of(out, run) for run in runs)]
    segmenter = f"segmenter: sha256 {seen['settings']['weights_sha256']}"
    lines = [f"| {' | '.join(row)} |" if row else "" for row in (*rows, [], *intervals)]
    return "\n".join([*lines, "", segmenter, ""])


def intervals_of(out: Path, run: str) -> list[str]:
    """What the numbers of `row_of` are uncertain by."""
    fid = {number["name"]: number for number in measured(out, run, "fid")["numbers"]}
    dice = dice_of(measured(out, run, "faithfulness"), "synthetic")
    return [run, *(interval(fid[name]) for name in STATISTICS), *map(interval, dice)]


def interval(number: dict[str, Any]) -> str:
    if number["interval"] is None:
        return "-"
    return " to ".join(digits(number["name"], end) for end in number["interval"])


def digits(name: str, value: float) -> str:
    places = {"kid": 4, "dice": 3, "mean_dice": 3}
    return f"{value:.{next((places[part] for part in places if name.startswith(part)), 2)}f}"


def measured(out: Path, run: str, kind: str) -> dict[str, Any]:
    return load(out / "measured" / f"{run}.{kind}.json")


def row_of(out: Path, run: str) -> list[str]:
    tissue, real = tiles_in(out / "tissue" / run), tiles_in(out / "held-out/real")
    spent = load(out / "runs" / run / "cpu.json")
    return [
        run,
        str(spent["step"]),
        f"{spent['cpu_seconds'] / 60:.1f}",
        *distances_of(measured(out, run, "fid")),
        *cells_of(measured(out, run, "faithfulness"), "synthetic"),
        f"{detail(tissue) / detail(real):.2f}",
        f"{colour_drift(tissue, real):.1f}",
        f"{effect_of_noise(out / 'tissue' / run, out / 'again' / run):.1f}",
    ]


def distances_of(result: dict[str, Any], *, floor: bool = False) -> list[str]:
    values = {number["name"]: number["value"] for number in result["numbers"]}
    names: Iterable[str] = STATISTICS
    if floor:
        names = (FLOOR, *(f"{name}_{FLOOR}" for name in STATISTICS[1:]))
    return [digits(name, values[name]) for name in names]


def cells_of(result: dict[str, Any], side: str) -> list[str]:
    return [digits(number["name"], number["value"]) for number in dice_of(result, side)]


def dice_of(result: dict[str, Any], side: str) -> list[dict[str, Any]]:
    """The mean over classes, and that of nuclei."""
    found = {
        number["details"].get("class", "all"): number
        for number in result["numbers"]
        if number["details"]["side"] == side and "dice" in number["name"]
    }
    return [found["all"], found["nuclei"]]


def tiles_in(folder: Path) -> np.ndarray:
    """Tiles (N, H, W, 3) of 0 to 255, by name."""
    return np.stack([read(path) for path in sorted(folder.glob("*.png"))]).astype(np.float32)


def detail(tiles: np.ndarray) -> float:
    """Mean absolute Laplacian of the grey tiles: little where they are blurred."""
    grey = tiles.mean(axis=-1)
    centre = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return float(np.abs(4 * centre - around).mean())


def detail_in_seen(out: Path) -> str:
    seen, real = tiles_in(out / "held-out/seen"), tiles_in(out / "held-out/real")
    return f"{detail(seen) / detail(real):.2f}"


def colour_drift(tissue: np.ndarray, real: np.ndarray) -> float:
    """How far the mean colour of a tile, of 255, lies from that of the real tile of its map."""
    return float(np.abs(tissue.mean(axis=(1, 2)) - real.mean(axis=(1, 2))).mean())


def effect_of_noise(tissue: Path, again: Path) -> float:
    """Mean absolute difference, of 255, between two tiles of one label map."""
    pairs = [(read(tissue / path.name), read(path)) for path in again.glob("*.png")]
    return float(np.mean([np.abs(one.astype(float) - other).mean() for one, other in pairs]))


def draw(
    labels: Path,
    tissue: dict[str, Path],
    out: Path,
    real: Sequence[np.ndarray] | None = None,
    schema_name: str = "prostate-3",
) -> None:
    """A page: label maps, perhaps their real tiles, and a row a folder of tissue.

    Label maps of more microns a pixel than the tissue has are enlarged by whole pixels.
    """
    schema = load_schema(schema_name)
    names = sorted(path.name for path in labels.glob("*.png"))
    made = {title: [read(folder / name) for name in names] for title, folder in tissue.items()}
    maps = [colorize(read_label_map(labels / name, schema), schema) for name in names]
    side = max(len(tile) for tiles in made.values() for tile in tiles)
    rows = {"label map": [enlarged(each, side // len(each)) for each in maps]}
    if real is not None:
        rows["real"] = list(real)
    page = tile_grid(
        [[title_of(title, row[0].shape), *row] for title, row in (rows | made).items()]
    )
    write_bytes(out, synthetic_png_bytes(Image.fromarray(page)))
    print(out)


def enlarged(image: np.ndarray, factor: int) -> np.ndarray:
    """Each pixel so many times in both directions."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def title_of(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """A white tile that holds a title, a line for each word."""
    image = Image.new("RGB", (shape[1], shape[0]), "white")
    words = text.replace(" ", "\n")
    ImageDraw.Draw(image).multiline_text((4, 32), words, fill="black", font_size=16)
    return np.asarray(image)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
