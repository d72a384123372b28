"""The hand-made list of packages in setup.py is complete, and no address of a host is anywhere."""

from __future__ import annotations

import ast
import re
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("hpc", "histosyn", "eval", "tune", "launch")


def test_setup_lists_every_package() -> None:
    call = ast.parse((ROOT / "setup.py").read_text()).body[-1].value
    arguments = {keyword.arg: keyword.value for keyword in call.keywords}
    listed = set(ast.literal_eval(arguments["packages"]))
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for floor in FLOORS
        for path in (ROOT / floor).rglob("__init__.py")
    }
    assert listed == found
    modules = {path.parent for floor in FLOORS for path in (ROOT / floor).rglob("*.py")}
    assert modules == {ROOT / name.replace(".", "/") for name in listed}, "a folder is no package"


def test_one_console_script() -> None:
    scripts = entry_points(group="console_scripts")
    assert [script.value for script in scripts if script.name == "histosyn"] == ["launch.cli:main"]


def test_constraints_pin_every_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][\w.]*", line) for line in pins)
    assert "torch==2.13.0" in pins


def tracked(*patterns: str) -> list[str]:
    """The files of the repository, of these patterns if any."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return listing.stdout.split()


def test_the_repository_names_no_hosts_and_no_machine_paths() -> None:
    # Names of XML vocabularies, which nobody contacts.
    vocabularies = r"www\.w3\.org/|ns\.adobe\.com/|purl\.org/dc/|(?:cv\.)?iptc\.org/"
    own = r"\[|localhost|127\.0\.0\.1|[\w.]*example\.org"
    stranger = re.compile(rf"https?://(?!{own}|{vocabularies})|/work/|/home/\w+/|/root/")
    for name in tracked():
        path = ROOT / name
        if name in ("LICENSE", "tests/test_packaging.py") or path.suffix == ".png":
            continue
        if path.is_file():
            # Not all is text: kept files that readers once fell over are damaged on purpose.
            assert not stranger.search(path.read_bytes().decode("latin-1")), name


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for name in tracked("*.md"):
        text = (ROOT / name).read_text()
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            document = (ROOT / name).parent / path if path else ROOT / name
            if not document.exists() or (anchor and anchor not in anchors(document)):
                broken.append(f"{name}: {target}")
    assert not broken


def anchors(document: Path) -> set[str]:
    """What a heading is called in an address: small letters and digits, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
