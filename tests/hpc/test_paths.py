"""Paths as people give them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from hpc.errors import ConfigError, InputError
from hpc.files import require_file, require_folder, require_there
from hpc.paths import as_path, expanded_path, settle_paths


@pytest.mark.parametrize("value", ["a/b", Path("a/b")])
def test_texts_are_paths(value):
    assert as_path(value, "OUT") == Path("a/b")


@pytest.mark.parametrize("value", [None, 3, b"a", "", "a\0b"])
def test_other_things_are_none(value):
    with pytest.raises(InputError, match=r"^OUT: .* is no path"):
        as_path(value, "OUT")


def test_variables_and_home_are_replaced(monkeypatch):
    monkeypatch.setenv("PLACE", "/scratch/me")
    monkeypatch.setenv("HOME", "/srv/me")
    for text in ("$PLACE/x", "${PLACE}/x", Path("$PLACE/x")):
        assert expanded_path(text, "run.folder") == Path("/scratch/me/x")
    assert expanded_path("~/x", "run.folder") == Path("/srv/me/x")
    assert expanded_path("a$/b$$", "run.folder") == Path("a$/b$$")


@pytest.mark.parametrize("text", ["$UNSET/x", "a/${UNSET}", "$EMPTY/x", "${}"])
def test_what_is_not_set_is_named(monkeypatch, text):
    monkeypatch.delenv("UNSET", raising=False)
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(ConfigError, match=r"^data\.stage_to = .*variable \w* ?is not set"):
        expanded_path(text, "data.stage_to")


def test_a_home_that_is_unknown_is_named():
    with pytest.raises(ConfigError, match=r"run\.folder = ~nobody-here/x: "):
        expanded_path("~nobody-here/x", "run.folder")


@dataclass(frozen=True, kw_only=True)
class Places:
    one: "Path"
    other: "Path | None" = None
    many: "tuple[Path, ...]" = ()
    later: "Path | None" = None
    name: "str" = "$UNSET"


def test_the_paths_of_a_configuration(monkeypatch):
    monkeypatch.setenv("PLACE", "there")
    places = Places(one="$PLACE", many=["a", "$PLACE"], later="$UNSET")
    settle_paths(places, "data", later=("later",))
    assert places == Places(
        one=Path("there"), many=(Path("a"), Path("there")), later=Path("$UNSET")
    )


def test_names_that_are_near_are_told(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "first").mkdir()
    for look in (require_folder, require_file, require_there):
        with pytest.raises(InputError, match=r"runs/frist does not exist, but there is .*first\."):
            look(tmp_path / "runs" / "frist", "model")
        with pytest.raises(InputError, match=r"/run/first does not exist, but there is .*/runs\."):
            look(tmp_path / "run" / "first", "model")
        with pytest.raises(InputError, match=r"/else/x does not exist, nor does .*/else\."):
            look(tmp_path / "else" / "x", "model")
        with pytest.raises(InputError, match=r"^model: .*/zzz does not exist\. Check the path\.$"):
            look(tmp_path / "zzz", "model")
