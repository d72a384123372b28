"""One message for all optional packages."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from hpc import extras

LINES = [
    "torch>=2.13",
    'openslide-python>=1.4; extra == "slides"',
    'ray[train,tune]; extra == "tune"',
    'shapely>=2.1; extra == "slides"',
    'pytest; extra == "dev"',
    "shapely; extra == 'all'",
]


def test_the_message_says_what_for_and_how() -> None:
    told = str(extras.missing_extra("Reading slides", "OpenSlide", "slides", "no library"))
    assert told.startswith("Reading slides needs OpenSlide, which cannot be imported here")
    assert "(no library)" in told
    assert "pip install 'histosyn[slides]'" in told
    assert "-c constraints.txt -e '.[slides]'" in told


def test_what_is_missing_of_each_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "shapely":
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(extras, "requires", lambda name: LINES)
    monkeypatch.setattr(extras, "version", version)
    assert extras.extras() == {"slides": ["shapely"], "tune": []}
    assert "histosyn[a,b]" in extras.install_command("a", "b")


def test_of_the_installation_all_extras_for_users_are_known() -> None:
    assert {"paint", "slides", "tune", "fid", "c2st"} <= extras.extras().keys()
    assert not {"dev", "test", "all"} & extras.extras().keys()
