"""`docs/security.md` names nothing that does not exist: files, commands, options, settings."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from eval.module_extractor import RUN_CODE_OPTION
from eval.utility.config import UtilityConfig
from histosyn.config import TrainConfig
from histosyn.config_file import as_plain, check_table
from launch.cli import COMMANDS, EVAL_COMMANDS, SEGMENTER_COMMANDS, SUBMIT_COMMANDS
from launch.site import Site

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
CODE = re.findall(r"`([^`\n]+)`", PAGE)
SOURCES = "\n".join(
    path.read_text("utf-8")
    for floor in ("hpc", "histosyn", "eval", "tune", "launch")
    for path in (ROOT / floor).rglob("*.py")
)
PATHS = [word for word in CODE if re.fullmatch(r"(hpc|histosyn|eval|tune|launch|tests)/[\w/.]+", word)]
OPTIONS = sorted({option for word in CODE for option in re.findall(r"--[\w.-]+", word)})
# What others read: torch's, Ray's, the system's, SLURM's.
OF_OTHERS = {"--exclusive"}


def test_the_page_names_enough_to_be_checked():
    assert len(PATHS) >= 5
    assert {"--socket", "--debug", "--verify", RUN_CODE_OPTION} <= {*OPTIONS}


@pytest.mark.parametrize("path", PATHS)
def test_files_and_folders_exist(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", PAGE))
def test_links_lead_somewhere(link):
    name, _, place = link.partition("#")
    text = (ROOT / "docs" / name).read_text("utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    assert not place or place in {title.lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("option", OPTIONS)
def test_options_exist(option):
    name = option.removeprefix("--")
    section, _, key = name.partition(".")
    assert (
        option in OF_OTHERS
        or f'"{option}"' in SOURCES
        or re.search(rf"^    {name.replace('-', '_')}: ", SOURCES, re.MULTILINE)
        or hasattr(getattr(TrainConfig, "__dataclass_fields__")[section].default_factory(), key.replace("-", "_"))
    )


@pytest.mark.parametrize("word", [word for word in CODE if word.startswith("histosyn ")])
def test_commands_exist(word):
    tables = {
        (): COMMANDS,
        ("eval",): EVAL_COMMANDS,
        ("eval", "segmenter"): SEGMENTER_COMMANDS,
        ("submit",): SUBMIT_COMMANDS,
    }
    names = tuple(re.findall(r"^[a-z-]+|(?<= )[a-z]+(?:-[a-z]+)*", word.removeprefix("histosyn ")))
    known = {
        (*group, name) for group, table in tables.items() for name, *_ in table
    } | {("submit",)}
    assert any(names[: len(command)] == command for command in known), names
