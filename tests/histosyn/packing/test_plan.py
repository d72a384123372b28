from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from tissue import write_folders

from histosyn.packing.config import PackConfig
from histosyn.packing.jobs import DIGEST_BYTES
from histosyn.packing.plan import Plan, make_plan
from histosyn.sources.pairs import Naming
from hpc.errors import ConfigError, DatasetError


def plan_of(folder: Path, table: str = "", count: int = 4, **settings: object) -> Plan:
    """The plan for some tiles, with facts from a table."""
    if not (folder / "tiles").exists():
        write_folders(folder, count=count, size=8)
    groups = None
    if table:
        groups = folder / "facts.csv"
        groups.write_text(table)
    config = PackConfig(groups=groups, **settings)
    return make_plan(folder / "tiles", folder / "labels", config)


def rows(header: str, *cells: str) -> str:
    return header + "\n" + "".join(f"tile-{i:02d},{row}\n" for i, row in enumerate(cells))


def test_the_table_may_say_the_split(tmp_path: Path) -> None:
    table = rows("tile,patient,split", "a,val", "b,train", "a,val", "c,test")
    plan = plan_of(tmp_path, table)
    assert [(job.part, job.pair.key, job.group) for job in plan.jobs] == [
        ("train", "tile-01", "b"),
        ("val", "tile-00", "a"),
        ("val", "tile-02", "a"),
        ("test", "tile-03", "c"),
    ]
    assert plan.parts == ("train", "val", "test")


def test_a_split_is_said_once_and_keeps_groups_whole(tmp_path: Path) -> None:
    table = rows("tile,patient,split", "a,val", "b,train", "a,train", "c,test")
    with pytest.raises(DatasetError, match="puts a into val and, with tile-02, into train"):
        plan_of(tmp_path, table)
    with pytest.raises(ConfigError, match="in its column split where each tile goes"):
        plan_of(tmp_path, table, val=0.1)


def test_the_table_may_say_the_resolution(tmp_path: Path) -> None:
    table = rows("tile,patient,mpp", "a,0.25", "b,", "c,0.5", "d,1")
    plan = plan_of(tmp_path, table, source_mpp=2.0, mpp=0.5)
    assert [job.mpp for job in plan.jobs] == [0.25, 2.0, 0.5, 1.0]
    assert plan.mpp == 0.5
    with pytest.raises(DatasetError, match="does not say at which mpp tile-01 is"):
        plan_of(tmp_path, table, mpp=0.5)
    with pytest.raises(DatasetError, match=r"not known at which mpp tile-00 is.*--source-mpp"):
        plan_of(tmp_path, None, mpp=0.5)
    with pytest.raises(DatasetError, match=r"tile-00 has 0\.25, tile-01 none.* with --mpp"):
        plan_of(tmp_path, table)
    same = rows("tile,patient,mpp", "a,0.5", "b,", "c,0.5", "d,0.5")
    assert plan_of(tmp_path, same, source_mpp=0.5).mpp == 0.5


def test_files_of_neither_suffix_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, _ = write_folders(tmp_path, count=3, size=8)
    (folder / "tile-00.png").rename(folder / "a_he.png")
    (folder / "tile-01.png").rename(folder / "a_mask.png")
    config = PackConfig(naming=Naming(tile_suffix="_he", label_suffix="_mask"))
    with caplog.at_level(logging.INFO, "histosyn"):
        assert [job.key for job in make_plan(folder, folder, config).jobs] == ["a"]
    assert "1 files with neither suffix are not looked at" in caplog.text
    assert "tile-02.png" in caplog.text


@pytest.mark.parametrize("name", ["back\\slash", "bell\a", "latin-\udce9", "long" * 60])
def test_names_that_no_shard_can_hold(tmp_path: Path, name: str) -> None:
    for folder in write_folders(tmp_path, count=1, size=8):
        os.rename(folder / "tile-00.png", folder / f"{name}.png")  # noqa: PTH104
    with pytest.raises(DatasetError, match="cannot name a sample"):
        plan_of(tmp_path)


def test_digests_change_with_the_files(tmp_path: Path) -> None:
    before = plan_of(tmp_path).digests()
    assert len(before) == 4 * DIGEST_BYTES
    assert plan_of(tmp_path).digests() == before
    os.utime(tmp_path / "labels/tile-02.png", ns=(1, 1))
    after = plan_of(tmp_path).digests()
    different = [
        number
        for number in range(4)
        if before[number * DIGEST_BYTES :][:DIGEST_BYTES]
        != after[number * DIGEST_BYTES :][:DIGEST_BYTES]
    ]
    assert different == [2]
