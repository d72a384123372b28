"""`docs/architecture.md` tells the truth, and packages keep what their first lines promise."""

import ast
import re
from collections import Counter

import pytest
from import_graph import (
    FLOORS,
    MODULES,
    ROOT,
    circle,
    defined_names,
    module_name,
    own_imports,
    package_names,
    package_of,
    targets_of,
    tree_of,
)

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NAMES = {module_name(path): path for path in MODULES}
PACKAGES = package_names(MODULES)
IMPORTS = own_imports(MODULES)
PICTURE = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
ROW = re.compile(r"^\| ([^|]+\?) \| `([\w/.-]+)` \| `([\w.]+)` \|$", re.MULTILINE)
TABLE = ROW.findall(PAGE)
PATH = re.compile(
    rf"(?:{'|'.join([*FLOORS, 'tests', 'docs', 'benchmarks'])})/[\w/.-]*|[\w/-]+/[\w/-]+\.py"
)
MODULE = re.compile(rf"(?:{'|'.join(FLOORS)})(?:\.\w+)+")
FLOOR_LINE = re.compile(r" \d  (\w+)/ ")
PACKAGE_LINE = re.compile(r" +│ +([a-z_.]+)  +(\S.*?)(?: +-> (.+))?")

# What `__init__.py` says that its package knows nothing of -> what must then not be imported.
NETWORKS = ("histosyn.networks", "eval.extractors", "eval.segmenter")
FORBIDDEN = {
    "arms": ("eval.agreement.plan", "eval.agreement.ratings", "eval.agreement.report"),
    "classes": ("histosyn.labels",),
    "coefficient": tuple(
        f"eval.agreement.coefficients.{name}"
        for name in ("chance_corrected", "families", "icc", "null", "statistics", "value")
    ),
    "commands": ("launch.commands", "cyclopts"),
    "data": ("histosyn",),
    "distance": ("eval.distances",),
    "distances": ("eval.distances",),
    "files": ("hpc.files", "hpc.paths", "histosyn.images"),
    "generator": ("histosyn.networks", "histosyn.models", "histosyn.synthesis"),
    "images": ("histosyn.images", "PIL"),
    "losses": ("histosyn.training",),
    "metrics": ("eval",),
    "network": NETWORKS,
    "networks": NETWORKS,
    "Ray": ("ray", "tune"),
    "ratings": ("eval.agreement",),
    "readers": ("eval.agreement.plan", "eval.agreement.ratings", "eval.agreement.report"),
    "shards": ("histosyn.shards",),
    "SLURM": ("launch",),
    "statistics": ("eval.statistics",),
    "synthesis": ("histosyn.synthesis",),
    "tiles": ("histosyn.images", "histosyn.shards"),
    "torch": ("torch",),
    "training": ("histosyn.training", "eval.segmenter.training", "eval.segmenter.trainer"),
}  # fmt: skip
# The same where the sentence names no things.
SAID_OTHERWISE = {
    "launch.terminal": ("Measures nothing.", ("numpy", "scipy", "torch")),
}


def package_of_module(module):
    return package_of(module, PACKAGES)


def floor_of(package):
    return package.split(".")[0]


def first_paragraph(package):
    text = ast.get_docstring(tree_of(NAMES[package])) or ""
    return text.partition("\n\n")[0]


def imported_in_floor():
    """Package -> packages of its floor that it imports."""
    found = {package: set() for package in PACKAGES}
    for one in IMPORTS:
        start, end = package_of_module(one.module), package_of_module(one.imported)
        if start != end and floor_of(start) == floor_of(end):
            found[start].add(end)
    return found


def drawn():
    """Package -> what the picture says that it imports, from top to bottom."""
    found, floor = {}, ""
    for line in PICTURE.splitlines():
        if match := FLOOR_LINE.match(line):
            floor = match[1]
        elif match := PACKAGE_LINE.fullmatch(line):
            arrows = match[3].split(", ") if match[3] else []
            found[full_name(floor, match[1])] = {full_name(floor, name) for name in arrows}
    return found


def full_name(floor, name):
    return floor if name == floor else f"{floor}.{name}"


def test_no_circle_of_modules():
    assert not [str(one) for one in circle(IMPORTS)]


def test_no_circle_of_packages():
    assert not [str(one) for one in circle(IMPORTS, package_of_module)]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_does_not_know(package):
    said = first_paragraph(package)

    assert re.search(r"\b(no|not|nothing)\b", said, re.IGNORECASE), f"{package}: {said!r}"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_does_not_know_it(package):
    """If a word is new, `FORBIDDEN` is the place to say what it means."""
    forbidden = {
        name
        for word in re.findall(r"\b(?:no|nothing of) (\w+)", first_paragraph(package))
        for name in FORBIDDEN[word]
    }
    said, names = SAID_OTHERWISE.get(package, ("", ()))
    assert said in first_paragraph(package)

    found = [
        str(one)
        for module, path in NAMES.items()
        if lies_in(module, package)
        for one in targets_of(path, NAMES)
        if any(lies_in(one.imported, name) for name in forbidden | {*names})
        and not lies_in(one.imported, package)
    ]

    assert not found


def lies_in(module, package):
    return f"{module}.".startswith(f"{package}.")


def test_nothing_imports_commands():
    assert not [
        str(one)
        for one in IMPORTS
        if lies_in(one.imported, "launch.commands") and not lies_in(one.module, "launch.commands")
    ]


def test_the_picture_has_the_floors_from_top_to_bottom():
    assert FLOOR_LINE.findall(PICTURE) == [*reversed(FLOORS)]


def test_the_picture_has_every_package():
    assert sorted(drawn()) == sorted(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_picture_shows_who_imports_whom(package):
    assert sorted(drawn()[package]) == sorted(imported_in_floor()[package])


def test_arrows_point_down():
    order = [*drawn()]
    for package, imported in drawn().items():
        for name in imported:
            assert order.index(package) < order.index(name), f"{package} stands below {name}"


def test_paths_exist():
    paths = [word for word in CODE if PATH.fullmatch(word)]

    assert len(paths) >= 30
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_modules_exist():
    modules = [word for word in CODE if MODULE.fullmatch(word)]

    assert len(modules) >= 30
    assert not [module for module in modules if module not in NAMES]


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)", PAGE)

    assert links
    assert not [link for link in links if not (ROOT / "docs" / link).exists()]


def test_the_table_is_long_enough():
    assert len(TABLE) >= 30
    # No row that the pattern does not know, but for the heads of the tables.
    assert len(TABLE) == sum(line.startswith("| Where ") for line in PAGE.splitlines())
    assert max(Counter(question for question, _, _ in TABLE).values()) == 1


@pytest.mark.parametrize(("question", "path", "name"), TABLE, ids=[row[0] for row in TABLE])
def test_the_table_is_right(question, path, name):
    assert name in defined_names(ROOT / path)


def test_lines_fit():
    long = [line for line in PAGE.splitlines() if len(line) > 120 and not line.startswith("| ")]

    assert not long
