"""What is released: an sdist that holds all, and a wheel of it that runs in any folder.

Nothing is fetched, so the dependencies are those of this environment; histosyn is the installed
wheel's, as a look at each file shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from test_packaging import ROOT, tracked

pytestmark = pytest.mark.slow

BUILD = "import sys; from setuptools import build_meta as b; b.{}(sys.argv[1])"
WHERE = """
import eval, histosyn, hpc, launch, tune
print(*(module.__file__ for module in (eval, histosyn, hpc, launch, tune)), sep="\\n")
"""
# All that a clone has and that somebody may need who has no clone.
IN_SDIST = (
    ".ci/run",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "Makefile",
    "SECURITY.md",
    "constraints.txt",
    "docs/architecture.md",
    "examples/ondemand/template/forward.py",
    "examples/site.toml",
    "launch/starting_files/site.toml",
    "launch/templates/Dockerfile",
    "tests/launch/golden/train.sbatch",
    "tests/tissue.py",
)


def run(*command: object, cwd: Path, **variables: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables
    finished = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist of a copy of the repository."""
    root = tmp_path_factory.mktemp("release")
    clone = root / "clone"
    for name in tracked():
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name, follow_symlinks=False)
    run(sys.executable, "-c", BUILD.format("build_sdist"), root, cwd=clone)
    (archive,) = root.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="data")
    (unpacked,) = (path for path in root.iterdir() if path.is_dir() and path != clone)
    return unpacked


@pytest.fixture(scope="module")
def site(sdist: Path) -> Path:
    """A folder into which the wheel of that sdist is installed."""
    wheels, site = sdist.parent / "wheels", sdist.parent / "site"
    run(sys.executable, "-c", BUILD.format("build_wheel"), wheels, cwd=sdist)
    (wheel,) = wheels.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps")
    run(*pip, "--target", site, wheel, cwd=sdist.parent)
    return site


def test_the_sdist_holds_what_a_clone_holds(sdist: Path) -> None:
    assert [name for name in IN_SDIST if not (sdist / name).is_file()] == []
    made = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    missing = {name for name in tracked() if (ROOT / name).is_file()} - made
    assert sorted(missing - {".gitignore"}) == []


def test_its_tests_can_be_collected(sdist: Path) -> None:
    tests = ("tests/test_packaging.py", "tests/launch/test_cli.py", "tests/hpc")
    told = run(sys.executable, "-m", "pytest", "--collect-only", "-q", *tests, cwd=sdist,
               PYTHONPATH=str(sdist))  # fmt: skip
    assert "error" not in told.splitlines()[-1]


def test_the_wheel_runs_in_another_folder(site: Path, tmp_path: Path) -> None:
    def histosyn(*words: str) -> str:
        command = (sys.executable, "-P", "-m", "histosyn", *words)
        return run(*command, cwd=tmp_path, PYTHONPATH=str(site))

    places = run(sys.executable, "-P", "-c", WHERE, cwd=tmp_path, PYTHONPATH=str(site))
    assert all(Path(line).is_relative_to(site) for line in places.split())
    histosyn("phantom", "phantom", "--count", "4", "--size", "64")
    histosyn("pack", "phantom/tiles", "phantom/labels", "packed", "--schema", "prostate-3")
    small = ("--generator.base-channels", "4", "--discriminator.base-channels", "4")
    histosyn("train", "--data.shards", "packed/train", "--data.global-batch", "2", *small,
             "--run.steps", "2", "--run.folder", "run")  # fmt: skip
    histosyn("synth", "run", "packed/train", "tissue")
    assert len(list((tmp_path / "tissue").glob("*.png"))) == 4
    for kind in ("train", "site", "sweep", "schema"):
        histosyn("init", kind)
    histosyn("submit", "train", "--site", "site.toml", "--config", "train.toml", "--dry-run")
