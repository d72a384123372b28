"""`histosyn eval fid` as its users meet it."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from launching import environment
from PIL import Image
from ranks import run_ranks
from torchscript import write_float32_network

from eval.extractors.random_network import RandomExtractor
from launch.cli import main


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch-home"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def folders(tmp_path):
    """Two folders of six tiles of 24 x 24 pixels."""
    for seed, name in enumerate(("real", "synthetic")):
        (tmp_path / name).mkdir()
        tiles = np.random.default_rng(seed).integers(0, 256, size=(6, 24, 24, 3), dtype=np.uint8)
        for number, tile in enumerate(tiles):
            Image.fromarray(tile).save(tmp_path / name / f"{number}.png")
    return str(tmp_path / "real"), str(tmp_path / "synthetic")


def shown_distance(table):
    return re.search(r"Fréchet distance\s+│\s+(\S+)", table)[1]


def refused(tokens, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["eval", "fid", *tokens])
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err


def test_a_table_and_a_json_file(folders, tmp_path, capsys):
    path = tmp_path / "results" / "fid.json"
    main(["eval", "fid", *folders, "--extractor", "random", "--json", str(path)])

    result = json.loads(path.read_text())
    value = result["numbers"][0]["value"]
    shown = capsys.readouterr().out
    assert f"{value:.4g}" in shown
    assert "real to real (floor)" in shown
    assert "6 tiles of 24x24 pixels" in shown
    assert "never with a published FID" in shown
    assert result["settings"]["extractor"] == "random"
    assert result["versions"]["torch"]


def test_saved_statistics_need_no_extractor(folders, tmp_path, capsys):
    saved = tmp_path / "statistics"
    main(["eval", "fid", *folders, "--extractor", "random", "--save-statistics", str(saved)])
    direct = capsys.readouterr().out

    main(["eval", "fid", str(saved / "real.npz"), str(saved / "synthetic.npz")])

    again = capsys.readouterr().out
    assert shown_distance(direct) == shown_distance(again)
    assert "undefined" in again
    assert "there are no tiles to split" in again


def test_resize_is_applied_and_reported(folders, capsys):
    main(["eval", "fid", *folders, "--extractor", "random", "--resize", "16"])

    assert "16x16 pixels (bicubic resize to 16x16)" in capsys.readouterr().out


def test_the_seed_of_the_network_is_an_option(folders, tmp_path):
    values = []
    for seed in ("1", "1", "2"):
        path = tmp_path / "fid.json"
        options = ["--extractor", "random", "--seed", seed, "--json", str(path)]
        main(["eval", "fid", *folders, *options])
        values.append(json.loads(path.read_text())["numbers"][0]["value"])

    assert values[0] == values[1] != values[2]


def test_without_weights_it_says_what_to_fetch(folders, capsys):
    message = refused(folders, capsys)

    assert "pt_inception-2015-12-05-6726825d.pth" in message
    assert "--extractor efficientnet-lite2" in message and "`random`" in message


def test_a_damaged_tile_is_named(folders, tmp_path, capsys):
    (tmp_path / "synthetic" / "3.png").write_bytes(b"damaged")

    assert "3.png" in refused([*folders, "--extractor", "random"], capsys)


def test_odd_and_long_names_are_shown_whole(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    odd = tmp_path / "out[/x]" / ("deep" * 30)
    odd.parent.mkdir(parents=True)
    (tmp_path / "real").rename(odd)

    main(["eval", "fid", str(odd), folders[1], "--extractor", "random"])

    assert f"{odd}: 6 tiles of 24x24 pixels" in capsys.readouterr().out


def test_a_gpu_that_is_not_there_is_an_error(folders, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)

    message = refused([*folders, "--extractor", "random", "--device", "cuda"], capsys)

    assert "no GPU here" in message


def test_statistics_are_not_saved_to_a_file(folders, tmp_path, capsys):
    (tmp_path / "file").write_text("full")

    message = refused([*folders, "--save-statistics", str(tmp_path / "file")], capsys)

    assert "--save-statistics" in message


def test_a_missing_synthetic_folder_is_noticed_before_real_tiles_are_read(
    tmp_path, capsys, folders
):
    (tmp_path / "real" / "0.png").write_bytes(b"damaged")

    message = refused([folders[0], str(tmp_path / "nowhere"), "--extractor", "random"], capsys)

    assert "nowhere does not exist" in message


@pytest.mark.parametrize(
    "options",
    [["--batch-size", "0"], ["--resize", "2"], ["--extractor", "vgg"], ["--device", "tpu"]],
)
def test_an_option_out_of_range_is_refused(folders, options, capsys):
    assert options[0] in refused([*folders, *options], capsys)


def test_parts_and_what_they_amount_to(folders, tmp_path, capsys, monkeypatch):
    options = [*folders, "--extractor", "random", "--batch-size", "2", "--seed", "4"]
    main(["eval", "fid", *options, "--json", str(tmp_path / "one.json")])
    parts = ["--parts-folder", str(tmp_path / "parts"), "--json", str(tmp_path / "many.json")]
    for part in ("2/2", "1/2"):
        main(["eval", "fid", *options, *parts, "--part", part])
        assert not (tmp_path / "many.json").exists()
    assert "part 2/2: 4 of 6 real tiles measured" in capsys.readouterr().out
    main(["eval", "fid", *options, *parts])
    monkeypatch.chdir(tmp_path)
    main(["eval", "merge", "parts", "--json", "merged.json"])

    one, many, merged = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "many", "merged")
    )
    assert many == merged == one | {"settings": one["settings"] | {"parts": 2}}


def test_parts_of_another_comparison_are_not_mixed(folders, tmp_path, capsys):
    parts = ["--extractor", "random", "--parts-folder", str(tmp_path / "parts"), "--part", "1/2"]
    main(["eval", "fid", *folders, *parts])

    message = refused([*reversed(folders), *parts, "--resize", "32"], capsys)

    assert "another comparison: they differ in real, resize, synthetic" in message


def test_merging_what_is_no_folder_of_parts(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["eval", "merge", str(tmp_path)])

    assert caught.value.code == 2
    assert "comparison.json does not exist" in capsys.readouterr().err


def test_skipped_tiles_end_with_exit_code_1_after_the_numbers(folders, tmp_path, capsys):
    (tmp_path / "synthetic" / "3.png").write_bytes(b"damaged")
    path = tmp_path / "fid.json"
    with pytest.raises(SystemExit) as caught:
        main(["eval", "fid", *folders, "--extractor", "random", "--on-bad-tile", "skip",
              "--json", str(path)])  # fmt: skip

    assert caught.value.code == 1
    shown = capsys.readouterr()
    assert "1 tiles cannot be measured" in shown.err
    assert "synthetic: 5 tiles" in shown.out
    assert "3.png" in json.loads(path.read_text())["inputs"]["synthetic"]["bad_tiles"][0]


def test_the_second_run_is_from_the_cache_unless_told_otherwise(folders, monkeypatch, capsys):
    seen = []
    before = RandomExtractor.__call__

    def counted(extractor, tiles_NHWC):
        seen.append(len(tiles_NHWC))
        return before(extractor, tiles_NHWC)

    monkeypatch.setattr(RandomExtractor, "__call__", counted)
    command = ["eval", "fid", *folders, "--extractor", "random", "--seed", "77"]
    main(command)
    assert sum(seen) == 12
    main(command)
    assert sum(seen) == 12
    main([*command, "--no-cache"])
    assert sum(seen) == 24
    tables = capsys.readouterr().out
    assert len(set(re.findall(r"Fréchet distance\s+│\s+(\S+)", tables))) == 1


def test_processes_of_torchrun_give_what_one_gives(folders, tmp_path):
    options = [*folders, "--extractor", "random", "--batch-size", "2", "--no-cache"]
    main(["eval", "fid", *options, "--json", str(tmp_path / "one.json")])

    run_ranks(2, command_on_a_rank, [*options, "--json", str(tmp_path / "two.json")], joined=False)

    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert two == one


def command_on_a_rank(options):
    main(["eval", "fid", *options])


def test_threads_processes_and_parts_change_no_digit_of_a_float32_network(folders, tmp_path):
    network = write_float32_network(tmp_path)
    base = ["eval", "fid", *folders, "--extractor", str(network), "--no-cache"]
    base.append("--run-extractor-code")
    parts = ["--parts-folder", str(tmp_path / "parts"), "--batch-size", "2"]
    results = {name: tmp_path / f"{name}.json" for name in ("1", "2", "ranks", "merged")}
    for threads in ("1", "2"):
        commands = [
            [*base, "--batch-size", "4", "--json", str(results[threads])],
            [*base, *parts, "--part", f"{threads}/2"],
        ]
        code = f"from launch.cli import main; [main(one) for one in {commands}]"
        variables = environment(OMP_NUM_THREADS=threads)
        subprocess.run([sys.executable, "-c", code], env=variables, check=True)
    options = [*base[2:], "--batch-size", "4", "--json", str(results["ranks"])]
    run_ranks(2, command_on_a_rank, options, joined=False)
    main(["eval", "merge", parts[1], "--json", str(results["merged"])])

    numbers = {name: json.loads(path.read_text())["numbers"] for name, path in results.items()}

    for name in ("2", "ranks", "merged"):
        expected = pytest.approx(flat(numbers["1"]), rel=1e-10, abs=1e-16)
        assert flat(numbers[name]) == expected, name


def flat(numbers):
    """Each value, if there is one, the ends of its interval and the values of all splits."""
    return {
        (number["name"], at): value
        for number in numbers
        for at, value in enumerate(
            [number["value"], *(number["interval"] or ()), *number["details"].get("values", ())]
        )
        if value is not None
    }


def test_the_floor_by_patient(folders, tmp_path, capsys):
    lines = [f"{number},p{number // 2}" for number in range(6)]
    (tmp_path / "patients.csv").write_text("\n".join(["tile,patient", *lines]))

    main(["eval", "fid", *folders, "--extractor", "random",
          "--groups", str(tmp_path / "patients.csv")])  # fmt: skip

    assert "3 groups kept whole" in capsys.readouterr().out


def test_a_part_needs_a_folder(folders, capsys):
    assert "Name one" in refused([*folders, "--part", "1/2"], capsys)


def test_help_imports_no_torch():
    code = (
        "import sys; from launch.cli import build_app;"
        "build_app()(['eval', 'fid', '--help'], exit_on_error=False);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'scipy', 'ray')))"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert shown.returncode == 0, shown.stderr
    assert "--inception-weights" in shown.stdout


def test_energy_by_frequency_has_a_table_of_its_own(folders, tmp_path, capsys):
    path = tmp_path / "fid.json"
    main(["eval", "fid", *folders, "--extractor", "random", "--resize", "32", "--json", str(path)])

    shown = capsys.readouterr().out
    numbers = {number["name"]: number for number in json.loads(path.read_text())["numbers"]}
    assert "Energy by frequency, synthetic over real" in shown
    assert f"{numbers['spectrum_0.45-0.50']['value']:.4g}" in shown
    assert "weave, period 2" in shown
    assert "weave four of its periods" in shown
