"""`docs/security.md` names nothing that does not exist: files, commands, options, settings."""

import re
from pathlib import Path

import pytest

from eval.extractors.network_file import RUN_CODE_OPTION
from histosyn.config.file import check_table
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from launch.cli import COMMANDS, EVAL_COMMANDS, SEGMENTER_COMMANDS, SUBMIT_COMMANDS
from launch.jobs.site import Site

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
CODE = re.findall(r"`([^`\n]+)`", PAGE)
SOURCES = "\n".join(
    path.read_text("utf-8")
    for floor in ("hpc", "histosyn", "eval", "tune", "launch")
    for path in (ROOT / floor).rglob("*.py")
)
FILES = re.compile(r"(hpc|histosyn|eval|tune|launch|tests)/[\w/.]+")
PATHS = [word for word in CODE if FILES.fullmatch(word)]
OPTIONS = sorted({option for word in CODE for option in re.findall(r"--[\w.-]+", word)})
OF_SLURM = {"--exclusive"}
VARIABLES = [word for word in CODE if re.fullmatch(r"[A-Z]+_[A-Z_]+", word)]
OF_TORCH = {"NCCL_SOCKET_IFNAME"}


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
    if "." in name:
        require_setting(name.replace("-", "_"))
        return
    parameter = rf"^    {name.replace('-', '_')}: "
    assert (
        option in OF_SLURM
        or f'"{option}"' in SOURCES
        or re.search(parameter, SOURCES, re.MULTILINE)
    )


@pytest.mark.parametrize("word", [word for word in CODE if re.fullmatch(r"[a-z]+\.[a-z_]+", word)])
def test_settings_exist(word):
    if not word.endswith((".toml", ".json", ".npy", ".txt")):
        require_setting(word)


def require_setting(name):
    section, key = name.split(".")
    with pytest.raises(ConfigError) as error:
        check_table(TrainConfig, {section: {key: object()}}, "page")
    assert "unknown" not in str(error.value)


def test_the_site_file_has_what_is_named():
    assert {"setup", "options"} <= Site.__dataclass_fields__.keys()


@pytest.mark.parametrize("variable", VARIABLES)
def test_variables_are_read(variable):
    assert variable in OF_TORCH or f'"{variable}"' in SOURCES


@pytest.mark.parametrize("word", [word for word in CODE if word.startswith("histosyn ")])
def test_commands_exist(word):
    tables = {
        (): COMMANDS,
        ("eval",): EVAL_COMMANDS,
        ("eval", "segmenter"): SEGMENTER_COMMANDS,
        ("submit",): SUBMIT_COMMANDS,
    }
    names = tuple(word.split()[1:])
    known = {(*group, name) for group, table in tables.items() for name, *_ in table}
    assert any(names[: len(command)] == command for command in {*known, ("submit",)}), names
