"""Without the extra `slides` a sentence says what to install, and all else goes on."""

import importlib
import subprocess
import sys

import pytest
from tissue import write_folders

from hpc.errors import InputError


@pytest.mark.parametrize(
    ("package", "module"),
    [("shapely", "histosyn.annotations.shapes"), ("openslide", "histosyn.slides.slide")],
)
def test_what_is_missing_is_told(monkeypatch, package, module):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, module, raising=False)

    with pytest.raises(InputError, match=rf"(?i){package}, .*pip install 'histosyn\[slides\]'"):
        importlib.import_module(module)


def test_tiles_are_packed_without(tmp_path):
    tiles, labels = write_folders(tmp_path, count=2, size=16)
    words = ["pack", str(tiles), str(labels), str(tmp_path / "out"), "--schema", "prostate-3"]
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(('shapely', 'openslide', 'tifffile'))\n"
        f"from launch.cli import main; main({words})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    assert (tmp_path / "out/train/dataset.json").is_file()
