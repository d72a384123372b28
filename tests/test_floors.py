"""The house: floors import only downward, and each has the keys to its own rooms only."""

import ast
import importlib.util
import re
import subprocess
import sys

import pytest
from import_graph import FLOORS, MODULES, ROOT, imports_of, relative, tree_of

from launch.cli import (
    COMMANDS,
    EVAL_COMMANDS,
    SEGMENTER_COMMANDS,
    STUDY_COMMANDS,
    SUBMIT_COMMANDS,
    SUBMIT_EVAL_COMMANDS,
)

HEAVY = ("torch", "ray")

TOPOLOGY_VARIABLE = re.compile(r"(LOCAL_)?(RANK|WORLD_SIZE)|SLURM_\w+")

HELPS = [
    [],
    *[
        [*group, name]
        for group, table in (
            ([], COMMANDS),
            (["eval"], EVAL_COMMANDS),
            (["eval", "segmenter"], SEGMENTER_COMMANDS),
            (["study"], STUDY_COMMANDS),
            (["submit"], SUBMIT_COMMANDS),
            (["submit", "eval"], SUBMIT_EVAL_COMMANDS),
        )
        for name, target, _ in table
        if importlib.util.find_spec(target.partition(":")[0])
    ],
    ["eval"],
    ["study"],
    ["submit"],
]
LIST_HEAVY = f"""
import sys
from launch.cli import main
try:
    main(sys.argv[1:])
finally:
    print("\\nloaded:", *[name for name in {HEAVY} if name in sys.modules])
"""


def lazy_targets(path):
    """(line, module) of every text such as "launch.commands.train:train"."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = re.fullmatch(r"((?:\w+\.)+\w+):\w+", node.value)
            if match:
                yield node.lineno, match[1]


def test_there_is_something_to_look_at():
    assert {relative(path).split("/")[0] for path in MODULES} == set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_floor_imports_only_downward(path):
    own = FLOORS.index(relative(path).split("/")[0])

    for line, module in (*imports_of(path), *lazy_targets(path)):
        top = module.split(".")[0]
        if top in FLOORS:
            assert FLOORS.index(top) <= own, f"{relative(path)}:{line} imports {module}"


def test_each_room_has_one_owner():
    owners = {
        "ray": "tune/",
        "webdataset": "histosyn/packing/",
        "cyclopts": "launch/",
    }
    for path in MODULES:
        for line, module in imports_of(path):
            owner = owners.get(module.split(".")[0])
            if owner is not None:
                assert relative(path).startswith(owner), f"{relative(path)}:{line} uses {module}"


def test_generic_names_are_imported_by_their_parts():
    """`import eval` would shadow the built-in function, `from ray import tune` our floor."""
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                bound = [alias.asname or alias.name.split(".")[0] for alias in node.names]
                assert "eval" not in bound, f"{relative(path)}:{node.lineno}"
            elif isinstance(node, ast.ImportFrom) and node.module == "ray":
                names = [alias.name for alias in node.names]
                assert "tune" not in names, f"{relative(path)}:{node.lineno}"


def test_only_the_topology_reads_the_place_of_a_process():
    """Others may set these variables for their children: as keys of a dict."""
    for path in MODULES:
        if relative(path) == "hpc/topology.py":
            continue
        nodes = list(ast.walk(tree_of(path)))
        set_for_children = {
            id(k) for node in nodes if isinstance(node, ast.Dict) for k in node.keys
        }
        for node in nodes:
            if isinstance(node, ast.Constant) and id(node) not in set_for_children:
                name = str(node.value)
                assert not TOPOLOGY_VARIABLE.fullmatch(name), f"{relative(path)}:{node.lineno}"


def test_only_one_module_opens_process_groups():
    users = {
        relative(path)
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) == "init_process_group"
    }
    assert users == {"hpc/process_group.py"}


def test_all_packages_are_packaged():
    """They are listed by hand."""
    (listed,) = [
        ast.literal_eval(keyword.value)
        for node in ast.walk(tree_of(ROOT / "setup.py"))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "packages"
    ]
    found = {relative(path.parent).replace("/", ".") for path in MODULES}
    assert set(listed) == found
    assert all((ROOT / name.replace(".", "/") / "__init__.py").is_file() for name in found)


@pytest.mark.parametrize("command", HELPS, ids=" ".join)
def test_help_is_light(command):
    result = subprocess.run(
        [sys.executable, "-c", LIST_HEAVY, *command, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert "Usage: histosyn" in result.stdout
    assert result.stdout.splitlines()[-1].strip() == "loaded:"


def test_submission_is_light(tmp_path):
    """Login nodes are shared, and slow at importing."""
    (tmp_path / "site.toml").write_text("gpus_per_node = 4\ncpus_per_task = 8\n")
    command = ["submit", "train", "--dry-run", "--data.shards", "packed"]

    result = subprocess.run(
        [sys.executable, "-c", LIST_HEAVY, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stdout.startswith("#!/bin/bash"), result.stderr
    assert result.stdout.splitlines()[-1].strip() == "loaded:"
