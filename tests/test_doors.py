"""Doors: each kind of thing that comes from outside has one, and nothing is read beside it.

To read a kind in another module, use its door; a new door is a line in the table. Pictures that are
written have doors, too: with the mark of synthetic images, or without.
"""

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("hpc", "histosyn", "eval", "tune", "launch")
MODULES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))

# What reads a kind of thing (names as they are imported; * is anything): the modules that may.
DOORS = {
    # Records and settings.
    ("json.load", "json.loads", "json.JSONDecoder", "msgspec.json.*", "msgspec.msgpack.*"): {
        "hpc/json_toml.py"
    },
    ("tomllib.*", "msgspec.toml.*"): {"hpc/json_toml.py"},
    ("msgspec.convert",): {"hpc/records.py"},
    ("msgspec.yaml.*", "yaml.*", "configparser.*", "xml.*", "plistlib.*"): set(),
    # Images.
    ("PIL.Image.open", "PIL.Image.frombytes", "cv2.*", "imageio.*", "skimage.*",
     "torchvision.io.*", "matplotlib.image.*"): {"histosyn/images/file.py"},
    # Pictures without the mark of synthetic images: who writes these shows no synthetic tissue.
    ("histosyn.images.tiles.png_bytes",): {
        "histosyn/images/origin.py", "histosyn/labels/label_map.py",
        "histosyn/phantom/data_set.py", "histosyn/new_labels/records.py",
        "histosyn/synthesis/rerolls.py", "eval/report/gallery.py",
        "eval/utility/plot.py", "launch/commands/eval_labels.py", "launch/commands/inspect.py",
    },
    # Label maps of many channels, which Pillow does not read.
    ("tifffile.TiffFile", "tifffile.imread", "tifffile.memmap"): {"histosyn/images/planes.py"},
    # Slides: OpenSlide has a decoder of its own for each scanner.
    ("openslide.*",): {"histosyn/slides/slide.py"},
    # Arrays.
    ("numpy.load", "numpy.fromfile", "numpy.loadtxt", "numpy.genfromtxt", "numpy.memmap",
     "numpy.lib.format.read_*", "numpy.lib.format.open_memmap", "scipy.io.*", "h5py.*"): {
        "hpc/numpy_files.py"
    },
    # Weights.
    ("torch.load", "torch.hub.load*", "safetensors.torch.load*", "safetensors.safe_open",
     "pickle.*"): {"hpc/weights.py"},
    ("torch.jit.load", "torch.export.load"): {"hpc/torchscript.py"},
    # What was exported in the same moment.
    ("onnxruntime.*",): {"histosyn/export/agreement.py"},
    # Archives.
    ("tarfile.*",): {"histosyn/shards/tar.py", "histosyn/shards/tar_header.py"},
    ("zipfile.*",): {
        "hpc/numpy_files.py", "hpc/zip_directory.py", "hpc/weights.py", "hpc/torchscript.py",
    },
    ("gzip.*", "bz2.*", "lzma.open", "lzma.decompress", "lzma.LZMAFile",
     "shutil.unpack_archive"): set(),
    # Tables.
    ("csv.reader", "csv.DictReader", "pandas.*", "polars.*"): {"histosyn/tables/table.py"},
    # Programs, and what runs what it reads.
    ("subprocess.*",): {
        "launch/demo/running.py", "launch/processes.py", "launch/jobs/slurm.py",
        "launch/system_check/processes.py", "launch/system_check/scheduler.py",
        "launch/system_check/storage.py",
    },
    ("os.system", "os.popen", "os.spawn*", "os.posix_spawn*", "pty.*", "marshal.*", "shelve.*",
     "dill.*", "joblib.*", "cloudpickle.*", "ctypes.CDLL", "builtins.eval", "builtins.exec"): set(),
}  # fmt: skip


def names_used(tree):
    """(line, dotted name) of all that is imported or reached from an import, and of `eval`."""
    meaning = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                name = item.name if item.asname else item.name.partition(".")[0]
                meaning[item.asname or name] = name
                yield node.lineno, f"{item.name}."
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for item in node.names:
                meaning[item.asname or item.name] = f"{node.module}.{item.name}"
                yield node.lineno, f"{node.module}.{item.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            yield node.lineno, f"{meaning.get(first, '(' + first + ')')}{dot}{rest}"
        elif isinstance(node, ast.Name) and node.id in {"eval", "exec"} - set(meaning):
            yield node.lineno, f"builtins.{node.id}"


def beside_the_doors(tree, module, found=None):
    """What in a module reads a kind of thing for which it is no door."""
    for line, name in names_used(tree):
        for patterns, doors in DOORS.items():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                if found is not None:
                    found.add((patterns, module))
                if module not in doors:
                    yield f"{module}:{line} uses {name}; the door is {sorted(doors) or 'nowhere'}"


def test_nothing_is_read_beside_the_doors():
    used = set()
    beside = [
        text
        for path in MODULES
        for text in beside_the_doors(
            ast.parse(path.read_text("utf-8")), path.relative_to(ROOT).as_posix(), used
        )
    ]

    assert not beside, "\n".join(beside)
    stale = {(patterns, door) for patterns, doors in DOORS.items() for door in doors} - used
    assert not stale, "the table names doors that read nothing"


@pytest.mark.parametrize(
    "code",
    [
        "import json\njson.loads(x)",
        "import json as j\nj.load(x)",
        "from json import loads",
        "import tomllib",
        "from PIL import Image\nImage.open(x)",
        "import PIL.Image\nPIL.Image.open(x)",
        "from PIL.Image import open",
        "import cv2",
        "from skimage.io import imread",
        "import numpy as np\nnp.load(x)",
        "import numpy\nnumpy.lib.format.read_magic(x)",
        "from numpy import load as read",
        "import torch\ntorch.load(x)",
        "import torch\nf = torch.jit.load",
        "from safetensors.torch import load_file",
        "import tarfile",
        "import pickle",
        "from subprocess import run",
        "import os\nos.system(x)",
        "import csv\ncsv.reader(x)",
        "eval(x)",
    ],
)
def test_what_counts_as_reading(code):
    assert list(beside_the_doors(ast.parse(code), "histosyn/new.py"))


@pytest.mark.parametrize(
    "code",
    [
        "import json\njson.dumps(x)",
        "path.open()",
        "from PIL import Image\nImage.new('L', (1, 1))",
        "import numpy as np\nnp.savez(x)",
        "import safetensors.torch\nsafetensors.torch.save(x)",
        "import csv\ncsv.writer(x)",
        "network.eval()",
        "from msgspec import Meta",
        "import re\nre.compile(x).load(y)",
    ],
)
def test_what_does_not(code):
    assert not list(beside_the_doors(ast.parse(code), "histosyn/new.py"))
