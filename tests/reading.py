"""Small reader studies, and files of answers as the page writes them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from eval.features.tile_sources import open_tiles
from eval.study.design import CHOICE, GRADE, Design
from eval.study.making import make_study
from eval.study.reading import labels_of
from eval.study.returned_file import COLUMNS, check_letters
from eval.study.sealed_key import open_key


def write_tiles(folder: Path, count: int, *, seed: int, size: int = 48) -> Path:
    """Noisy tiles tile-000.png, ... with nothing in them that depends on the seed alone."""
    folder.mkdir(parents=True)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        coarse = random.integers(90, 200, (size // 8, size // 8, 3))
        tile = np.kron(coarse, np.ones((8, 8, 1))) + random.integers(-20, 21, (size, size, 3))
        Image.fromarray(tile.astype(np.uint8)).save(folder / f"tile-{number:03d}.png")
    return folder


def design(**options) -> Design:
    """The smallest study that has everything, unless told otherwise."""
    settings = {"task": "both", "readers": 2, "images": 20, "margin": 0.1, "primary": "auc",
                "practice": 2, "informed": 8, "feedback": 4,
                "categories": ("1", "2", "3")}  # fmt: skip
    return Design(**{**settings, **options})


def made_study(root: Path, plan: Design, count: int = 40, facts: Path | None = None):
    """A study in `root`/study of tiles in `root`/real and `root`/synthetic."""
    real = write_tiles(root / "real", count, seed=1)
    synthetic = write_tiles(root / "synthetic", count, seed=2)
    return make_study(
        open_tiles(real), open_tiles(synthetic), root / "study", plan, facts=facts,
        even_if_separable=True,
    )  # fmt: skip


def key_of_study(root: Path):
    return open_key(root / "study" / "coordinator" / "key.json")


def answer_rows(key, reader="R1", block="naive", answered=None, session="bcdfghjk", choose=None):
    """The rows that the page exports; `choose`: (item, question, codes) -> code."""
    (asked,) = [one for one in key.blocks if (one.reader, one.block) == (reader, block)]
    labels = labels_of(key)
    items = asked.items if answered is None else asked.items[:answered]
    rows = []
    for change, item in enumerate(items):
        codes = {name: (choose or _rotating)(item, name, list(labels[name])) for name in labels}
        grade, choice = (codes.get(name, "") for name in (GRADE, CHOICE))
        milliseconds = 1000 + 10 * change
        facts = [key.study, reader, block, item.name, grade, choice, milliseconds, change, session]
        said = [labels.get(name, {}).get(codes.get(name, ""), "") for name in (GRADE, CHOICE)]
        rows.append(
            dict(zip(COLUMNS, [*facts[:4], said[0], grade, said[1], choice, milliseconds, change,
                               session, len(items), "2026-11-29T11:00:00Z",
                               check_letters("|".join(map(str, facts)))], strict=True))
        )  # fmt: skip
    return rows


def _rotating(item, _, codes):
    return codes[ord(item.name[0]) % len(codes)]


def csv_text(rows, *, delimiter=",", mark="\ufeff", end="\r\n") -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return mark + buffer.getvalue()


def write_answers(path: Path, rows, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(csv_text(rows, **options), encoding="utf-8", newline="")
    return path


def study_of_page(page: Path) -> dict:
    """What a reader's file asks."""
    text = page.read_text("utf-8")
    start = text.index('id="study">') + len('id="study">')
    return json.loads(text[start : text.index("</script>", start)])
