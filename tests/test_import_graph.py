"""A circle of imports is found wherever the imports stand, and told by file and line."""

import pytest
from import_graph import (
    circle,
    defined_names,
    imports_of,
    own_imports,
    package_names,
    package_of,
    targets_of,
)


@pytest.fixture
def house(tmp_path):
    """Write modules by their paths; what `own_imports` makes of them."""

    def build(**sources):
        for name, text in sources.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(text)
        (tmp_path / "__init__.py").unlink(missing_ok=True)
        return own_imports(sorted(tmp_path.rglob("*.py")), tmp_path)

    return build


def told(imports):
    return [str(one) for one in imports]


def test_a_circle_of_modules_is_named(house):
    imports = house(
        a__one="import os\nfrom a.two import thing\n",
        a__two="def late():\n    from a import three\n",
        a__three="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a.one\n",
    )

    assert told(circle(imports)) == [
        "a/one.py:2 imports a.two",
        "a/two.py:2 imports a.three",
        "a/three.py:3 imports a.one",
    ]


def test_a_circle_of_packages_needs_none_of_modules(house):
    imports = house(a__one="import b.one\n", b__one="", b__two="from a import one\n")
    packages = ["a", "b"]

    assert not circle(imports)
    assert told(circle(imports, lambda module: package_of(module, packages))) == [
        "a/one.py:1 imports b.one",
        "b/two.py:1 imports a.one",
    ]


def test_the_shortest_circle_is_told(house):
    imports = house(
        a__one="import a.two\n", a__two="import a.three\n", a__three="import a.one, a.two\n"
    )

    assert told(circle(imports)) == ["a/three.py:1 imports a.two", "a/two.py:1 imports a.three"]


def test_a_package_may_import_itself(house):
    imports = house(a__one="from . import two\n", a__two="from a.one import *\n")

    assert told(circle(imports)) == ["a/one.py:1 imports a.two", "a/two.py:1 imports a.one"]
    assert not circle(imports, lambda module: package_of(module, ["a"]))


def test_names_in_texts_are_no_imports(house):
    assert not circle(house(a__one='NAME = "a.two"\n', a__two="import a.one\n"))


def test_relative_imports_are_resolved(house, tmp_path):
    house(
        a__b__one="from . import two\nfrom .two import x\nfrom .. import c\n", a__b__two="x = 1\n"
    )

    found = imports_of(tmp_path / "a/b/one.py", tmp_path)

    assert list(found) == [(1, "a.b"), (2, "a.b.two"), (3, "a")]


def test_other_packages_are_told_too(house, tmp_path):
    house(a__one="import torch.nn\nfrom a import VERSION, two\n")

    found = targets_of(tmp_path / "a/one.py", {"a", "a.one", "a.two"}, tmp_path)

    assert [one.imported for one in found] == ["torch.nn", "a", "a.two"]


def test_a_module_lies_in_the_innermost_package(house, tmp_path):
    house(a__b__one="", a__two="")

    packages = package_names(tmp_path.rglob("*.py"), tmp_path)

    assert sorted(packages) == ["a", "a.b"]
    assert package_of("a.b.one", packages) == "a.b"
    assert package_of("a.b", packages) == "a.b"
    assert package_of("a.bee", packages) == "a"


def test_names_of_a_module(house, tmp_path):
    house(a__one="X = 1\ny: int = 2\nclass K:\n    field: int\n    def do(self): ...\n")

    assert defined_names(tmp_path / "a/one.py") == {"X", "y", "K", "K.field", "K.do"}
