"""A data set in two folders that is sound until a test damages it."""

import numpy as np
import pytest
from PIL import Image

from histosyn.doctor.diagnosis import Source, examine
from histosyn.labels.label_map import load_schema

SCHEMA = load_schema("prostate-3")


class Folders:
    """Tiles of noise, and label maps that hold all four indices of prostate-3."""

    def __init__(self, root):
        self.root, self.tiles, self.labels = root, root / "tiles", root / "labels"
        self.schema = SCHEMA
        self.rng = np.random.default_rng(0)

    def fill(self, count=4, size=16):
        for index in range(count):
            self.put(f"{index:04d}", size)
        return self

    def put(self, key, size=16):
        self.put_tile(key, self.noise(size))
        self.put_label(key, self.indices(size))

    def noise(self, size=16):
        return self.rng.integers(0, 200, (size, size, 3), dtype=np.uint8)

    @staticmethod
    def indices(size=16):
        return np.arange(size * size, dtype=np.uint8).reshape(size, size) % 4

    def put_tile(self, name, pixels, **options):
        self._save(self.tiles, name, pixels, options)

    def put_label(self, name, values, palette=None, **options):
        self._save(self.labels, name, values, options, palette)

    def relabel(self, change):
        """Put change(values) in the place of every label map's values."""
        for path in sorted(self.labels.iterdir()):
            with Image.open(path) as image:
                values = np.asarray(image)
            self.put_label(path.stem, change(values))

    def csv(self, *lines):
        path = self.root / "facts.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    def examined(
        self, schema=SCHEMA, processes=1, track=lambda summaries, total: summaries, **source
    ):
        where = Source(tiles=self.tiles, labels=self.labels, **source)
        return examine(where, schema, track, processes)

    def finding(self, **arguments):
        (finding,) = self.examined(**arguments).findings
        return finding

    def named(self, what, **arguments):
        (finding,) = (i for i in self.examined(**arguments).findings if i.what.startswith(what))
        return finding

    @staticmethod
    def _save(folder, name, pixels, options, palette=None):
        path = folder / (name if "." in name else f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.asarray(pixels))
        if palette is not None:
            image.putpalette(np.asarray(palette, dtype=np.uint8).ravel().tolist())
        image.save(path, **options)


@pytest.fixture
def empty(tmp_path):
    return Folders(tmp_path)


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path).fill()
