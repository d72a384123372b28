from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from damage import edit_index, flip, members_of, write_tar
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tissue import pack_blobs

from launch.cli import main
from launch.commands.inspect import bar


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound part, and a working directory beside it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return pack_blobs(tmp_path, 8, 32, 4)


def failed(*tokens: str) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["inspect", *tokens])
    assert exit_info.value.code == 2


def test_facts_histogram_and_page(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", str(shards)])
    shown = capsys.readouterr().out
    assert "samples  8 in 2 shards" in shown
    assert "32x32 pixels, microns per pixel unknown" in shown
    assert "command pack" in shown
    assert "non-epithelium" in shown
    assert "█" in shown
    assert "8 samples. --verify reads them all" in shown
    assert "A page of samples is in packed-train-sheet.png" in shown
    with Image.open("packed-train-sheet.png") as page:
        assert page.format == "PNG"
        assert page.size[0] <= 1800
    assert {path.name for path in shards.iterdir()} == {
        "dataset.json", "samples.npy", "shard-000000.tar", "shard-000001.tar"
    }  # fmt: skip


def test_the_page_never_lies_among_the_shards(
    shards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(shards.iterdir())
    monkeypatch.chdir(shards)
    main(["inspect", "."])
    assert set(shards.iterdir()) == before
    page = shards.parent / "packed-train-sheet.png"
    assert page.is_file()
    assert f"is in {page}" in capsys.readouterr().out


def test_verified_data_are_told_so(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", str(shards.parent), "--verify", "--json", "found.json", "--sheet", "p.png"])
    shown = capsys.readouterr().out
    assert "8 samples. All were checked and are as the index says." in shown
    found = json.loads(Path("found.json").read_text())
    assert found["kind"] == "inspect"
    assert found["sheet"] == "p.png"
    assert found["inputs"]["shards"] == str(shards.parent)
    assert found["parts"][0]["name"] == "train"
    assert found["faults"] == []


def test_faults_are_shown_saved_and_told_by_the_exit_code(
    shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shards / "shard-000001.tar"
    path.write_bytes(path.read_bytes()[:3000])
    failed(str(shards), "--verify", "--json", "found.json")
    shown = capsys.readouterr()
    assert "it has 3000 bytes" in shown.out
    assert "tile-07" in shown.out
    assert "as the index says" not in shown.out
    assert f"faults in {shards}, listed above." in shown.err
    assert "\n" not in shown.err.strip()
    faults = json.loads(Path("found.json").read_text())["faults"]
    assert {fault["part"] for fault in faults} == {"train"}
    assert str(len(faults)) in shown.err
    assert Path("packed-train-sheet.png").is_file()


def as_of_another_tool(shards: Path) -> None:
    (shards / "dataset.json").unlink()
    (shards / "samples.npy").unlink()


def test_what_indexing_had_to_leave_out_is_no_success(
    shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Damage never; what is only named otherwise not if everything was to be verified."""
    as_of_another_tool(shards)
    members = members_of(shards / "shard-000001.tar")
    write_tar(shards / "shard-000001.tar", members[:-3])
    main(["inspect", str(shards), "--schema", "prostate-3"])
    write_tar(shards / "shard-000001.tar", [item for item in members if "07.label" not in item[0]])
    as_of_another_tool(shards)
    main(["inspect", str(shards), "--schema", "prostate-3"])
    assert "1 left out of the index" in capsys.readouterr().out
    failed(str(shards), "--verify")
    shown = capsys.readouterr()
    assert "it has no label map" in shown.out
    assert f"1 place or sample left out of {shards}, listed above." in shown.err
    as_of_another_tool(shards)
    flip(shards / "shard-000001.tar", 3)
    for options in ([], ["--verify"]):
        failed(str(shards), "--schema", "prostate-3", *options)
        assert "Repair the shards and index them anew" in capsys.readouterr().err


def test_an_unknown_or_compressed_shard_fails_with_and_without_verify(
    shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shards / "more.tar").write_bytes((shards / "shard-000000.tar").read_bytes())
    (shards / "shard-000009.tar.gz").write_bytes(b"")
    for options in ([], ["--verify"]):
        failed(str(shards), *options)
        shown = capsys.readouterr()
        assert "the index does not know it" in shown.out
        assert "compressed by gzip" in " ".join(shown.out.split())
        assert "2 faults in" in shown.err


def test_many_faults_are_cut_short_and_whole_shards_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shards = pack_blobs(tmp_path, 60, 16, 30)
    first = shards / "shard-000000.tar"
    first.write_bytes(first.read_bytes()[:2048])
    (shards / "shard-000001.tar").unlink()
    failed(str(shards), "--verify", "--json", "found.json")
    shown = capsys.readouterr().out
    rows = [line for line in shown.splitlines() if "shard-00000" in line]
    assert len(rows) == 20
    assert all("whole file" in row for row in rows[:2])
    count = len(json.loads(Path("found.json").read_text())["faults"])
    assert f"and {count - 20} more (--json lists them)" in shown


def test_groups_in_two_parts_are_an_error(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(shards, shards.parent / "val")
    failed(str(shards.parent))
    shown = capsys.readouterr()
    assert "groups in several parts" in shown.out
    assert "train, val" in shown.out
    assert "8 groups of" in shown.err
    assert "Pack anew with --groups." in shown.err


def test_names_are_shown_as_they_are(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = shards.parent / "[red]:smile:"
    shards.rename(odd)
    edit_index(odd, lambda data: data["schema"]["classes"][2].update(name="[/b] epithélium"))
    main(["inspect", str(odd)])
    shown = capsys.readouterr().out
    assert str(odd) in shown
    assert "[/b] epithélium" in shown
    assert Path("[red]:smile:-sheet.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samples", "0"], "--samples 0 must be 1 to 200."),
        (["--samples", "1000"], "--samples 1000 must be 1 to 200."),
        (["--sheet", "x.jpg"], "--sheet x.jpg must end in .png"),
        (["--sheet", "there.png"], "--sheet: there.png is a folder"),
        (["--json", "."], "--json: . is a folder"),
    ],
)
def test_impossible_options_are_refused_before_the_work(
    shards: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("there.png").mkdir()
    failed(str(shards), *options)
    assert message in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["there.png"]


def test_a_wrong_folder_is_one_sentence(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed("nowhere")
    assert capsys.readouterr().err == "histosyn: shards: nowhere does not exist. Check the path.\n"
    assert list(Path().iterdir()) == []


@given(st.floats(0, 1))
def test_a_bar_is_as_long_as_its_share(share: float) -> None:
    drawn = bar(share)
    assert len(drawn) <= 10
    assert abs(len(drawn) - 10 * share) < 1.01
    assert bool(drawn) == (share > 0)


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from launch.cli import main; main(['inspect', '--help']); "
        "assert not {'torch', 'webdataset', 'PIL'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "--verify" in run.stdout
