"""The pages of docs/: those made from the code are as the code is, and the site can be built."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
AGAIN = "Run: python docs/make_reference.py"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands.md", "configuration.md"])
def test_pages_made_from_the_code_are_as_the_code_is(name: str) -> None:
    made = script("make_reference").PAGES[name]()
    assert (ROOT / "docs" / name).read_text("utf-8") == made, AGAIN


def test_the_reference_has_every_command_and_setting() -> None:
    commands = (ROOT / "docs/commands.md").read_text("utf-8")
    for wanted in ("## histosyn train", "### histosyn eval fid", "#### histosyn submit eval fid",
                   "--plot", "[Settings](configuration.md)"):  # fmt: skip
        assert wanted in commands
    # They have a page of their own.
    assert "--loss.r1" not in commands
    settings = (ROOT / "docs/configuration.md").read_text("utf-8")
    for wanted in ("`run.tensorboard`", "`loss.r1_interval`", "`sweep.grace_period`"):
        assert wanted in settings


def test_the_site_can_be_built_and_no_link_of_it_is_broken(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material, of the extra `dev`, is absent")
    site = tmp_path / "site"
    command = (sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site))
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in site.glob("*.html")}
    # Nothing is fetched by who reads it.
    home = (site / "index.html").read_text("utf-8")
    assert "fonts.googleapis" not in home and "cdn" not in home


def test_links_out_of_the_site_become_names() -> None:
    text = script("site_links").on_page_markdown("see [the table](../benchmarks/README.md#speed).")
    assert text == "see the table (`benchmarks/README.md`)."
