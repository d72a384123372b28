"""`import histosyn`: light, a dozen names on first use, with types and docstrings."""

from __future__ import annotations

import ast
import copy
import importlib
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from launching import environment
from tissue import SCHEMA, blobs, pack_blobs, tiny_config

import histosyn
from histosyn.config.file import as_toml
from histosyn.labels.label_map import label_png_bytes

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numpy", "scipy", "PIL", "webdataset", "cyclopts", "ray")
SNIPPET = """\
import histosyn
from histosyn import train

reveal_type(histosyn.load_model)
reveal_type(train)
number: int = histosyn.load_schema("prostate-3")
histosyn.load_modle
"""
# Only our own types matter here; torch alone takes mypy a minute.
MYPY = "[mypy]\n[mypy-torch.*,numpy.*,scipy.*,PIL.*,rich.*]\nfollow_imports = skip\n"


def python(code: str) -> str:
    """What the code prints, in an interpreter of its own."""
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("use", ["histosyn.__all__", "dir(histosyn)", "histosyn.load_schema"])
def test_what_needs_no_torch_loads_none(use: str) -> None:
    heavy = HEAVY if use != "histosyn.load_schema" else ("torch", "webdataset", "ray")
    code = f"import sys, histosyn; {use}; print([n for n in {heavy} if n in sys.modules])"
    assert python(code) == "[]\n"


def test_names_resolve_on_first_use_in_any_order() -> None:
    code = (
        "import histosyn\n"
        "for name in reversed(histosyn.__all__):\n"
        "    value = getattr(histosyn, name)\n"
        "    assert vars(histosyn)[name] is value is getattr(histosyn, name)\n"
        "from histosyn import *\n"
        "import histosyn.shards.stream, histosyn.training.run\n"
        "assert ShardStream is histosyn.shards.stream.ShardStream\n"
        "print(train.__module__)"
    )
    assert python(code) == "histosyn.training.start\n"


def test_submodules_are_imported_from_the_package_as_ever() -> None:
    code = (
        "from histosyn import shards, labels; import histosyn.config.file; print(shards.__name__)"
    )
    assert python(code) == "histosyn.shards\n"


@pytest.mark.parametrize("name", histosyn.__all__)
def test_each_name_has_a_docstring_and_a_home(name: str) -> None:
    value = getattr(histosyn, name)
    home = importlib.import_module(histosyn._MODULES[name])
    assert value is getattr(home, name)
    assert value.__module__ == home.__name__, "the module that defines it, so that it pickles alike"
    assert pickle.loads(pickle.dumps(value)) is value
    assert copy.copy(value) is value
    assert len(value.__doc__.splitlines()) > 1 or isinstance(value, type)
    assert name in dir(histosyn)


def test_type_checkers_and_the_interpreter_are_told_the_same() -> None:
    tree = ast.parse(Path(histosyn.__file__).read_text())
    (block,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    told = {alias.name: node.module for node in block.body for alias in node.names}
    assert told == histosyn._MODULES
    assert list(histosyn._MODULES) == histosyn.__all__ == sorted(histosyn.__all__)


def test_functions_say_what_they_raise() -> None:
    functions = [getattr(histosyn, name) for name in histosyn.__all__ if name.islower()]
    assert all("Raises" in function.__doc__ for function in functions)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(AttributeError) as caught:
        histosyn.load_modle  # noqa: B018
    text = "module 'histosyn' has no attribute 'load_modle'. Did you mean load_model?"
    assert str(caught.value) == text
    with pytest.raises(AttributeError, match="has no attribute 'quux'$"):
        histosyn.quux  # noqa: B018
    with pytest.raises(ImportError, match="load_modle"):
        from histosyn import load_modle  # noqa: F401
    assert not hasattr(histosyn, "__wrapped__")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that a wheel would have."""
    place = tmp_path_factory.mktemp("built")
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", place,
               "build", "--build-base", place / "build"]  # fmt: skip
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return place / "build" / "lib"


def test_a_build_has_all_data_files(built: Path) -> None:
    for floor in ("hpc", "histosyn", "eval", "tune", "launch"):
        assert (built / floor / "py.typed").is_file()
    shipped = {path.relative_to(built) for path in built.rglob("*") if path.is_file()}
    for folder in ("histosyn/labels/schemas", "histosyn/paint/page", "launch/templates"):
        assert {path.relative_to(ROOT) for path in (ROOT / folder).iterdir()} <= shipped


@pytest.mark.slow
def test_mypy_sees_the_types_of_what_is_installed(built: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "script.py").write_text(SNIPPET)
    (tmp_path / "mypy.ini").write_text(MYPY)
    command = [sys.executable, "-m", "mypy", "--strict", "script.py"]
    paths = environment() | {"PYTHONPATH": str(built)}
    told = subprocess.run(command, cwd=tmp_path, env=paths, capture_output=True, text=True).stdout
    lines = told.splitlines()
    assert re.match(r'script.py:4: note: .*"def \(path: str \|.*folder\.Model"$', lines[0]), told
    assert re.match(r'script.py:5: note: .*TrainConfig \| str .*-> pathlib\.Path"$', lines[1]), told
    assert 'expression has type "LabelSchema", variable has type "int"' in lines[2]
    assert "has no attribute" in lines[3] and "load_modle" in lines[3]
    assert lines[-1].startswith("Found 2 errors"), told


def test_the_python_in_readme_and_docs_runs(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path)
    config = tiny_config(shards, tmp_path / "unused", steps=2)
    # With a loader process, as by default: it imports the script.
    config = replace(config, data=replace(config.data, workers=1))
    (tmp_path / "train.toml").write_text(as_toml(config))
    (tmp_path / "label_maps").mkdir()
    for path in (tmp_path / "map.png", tmp_path / "label_maps" / "one.png"):
        path.write_bytes(label_png_bytes(blobs(0, 64)[1], SCHEMA))

    run_python_of(
        "docs/python.md", "## From Python", tmp_path, check="assert tile.shape == (64, 64, 3)"
    )
    assert [path.name for path in (tmp_path / "tissue").glob("*.png")] == ["one.png"]
    again = "assert tile.dtype == 'uint8'; assert outcome.present == ('one.png',)"
    run_python_of("docs/synthesis.md", "## In Python", tmp_path, check=again)
    seen = run_python_of(
        "docs/presets.md", "## An evaluation of your own", tmp_path,
        given="def my_measure(generator): return type(generator).__name__\n",
    )  # fmt: skip
    assert seen == "2 Generator\n"


def run_python_of(
    document: str, heading: str, folder: Path, given: str = "", check: str = ""
) -> str:
    """Run the block of Python below a heading as a script; what it prints."""
    _, text = (ROOT / document).read_text().split(f"\n{heading}")
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len(block.splitlines()) <= 20
    tail = f"if __name__ == '__main__':\n    {check}\n" if check else ""
    (folder / "script.py").write_text(f"{given}{block}\n{tail}")
    run = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout
