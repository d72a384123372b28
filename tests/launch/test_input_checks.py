"""Wrong paths are told at once: nobody waits for torch to hear that a folder is missing."""

import json
import subprocess
import sys

import pytest
from launching import environment
from tissue import pack_blobs, write_folders

# Runs a command and says, besides, whether torch was imported for it.
RUN = """
import sys
from launch.cli import main
try:
    main(sys.argv[1:])
finally:
    print("torch" in sys.modules)
"""
UTILITY = """
[data]
real = "{real}"
test = "{test}"
synthetic = ["{synthetic}"]
[experiment]
margin = 0.1
"""
SWEEP = """
[train.data]
shards = "{shards}"
[search]
optimizer.generator_lr = {{ log_uniform = [1e-5, 1e-3] }}
[sweep]
validation = "{validation}"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    train = pack_blobs(folder)
    write_folders(folder / "plain", 2)
    (folder / "some.npz").touch()
    (folder / "runs").mkdir()
    (folder / "runs" / "first").mkdir()
    sets = {"real": "packed", "test": train, "synthetic": train}
    (folder / "utility.toml").write_text(UTILITY.format(**sets))
    missing = {"real": train, "test": train, "synthetic": "gone"}
    (folder / "utility-missing.toml").write_text(UTILITY.format(**missing))
    (folder / "sweep.toml").write_text(SWEEP.format(shards="packed", validation=train))
    (folder / "sweep-missing.toml").write_text(SWEEP.format(shards=train, validation="gone"))
    return folder


LABELS = "plain/labels"
PARTS = "packed holds train, the parts of a packed data set, and no shards itself"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"synth runs/frist {LABELS} out", "runs/frist is no model: it does not exist, but there"),
        (f"synth runs/first {LABELS} out", "the folder holds none of its files"),
        (f"synth some.npz {LABELS} out", "it is a file, not a folder"),
        ("synth none plain/lables out", "none is no model"),
        ("eval fid plain/tils plain/tiles", "real tiles: plain/tils does not exist, but there is"),
        ("eval fid plain/tiles plain/tils", "synthetic tiles: plain/tils does not exist"),
        ("eval fid plain/tiles plain/tiles --groups no.csv", "--groups: no.csv does not exist"),
        (f"eval faithfulness runs/first plain/tiles {LABELS}", "runs/first is no segmenter"),
        (f"eval faithfulness none plain/tiles {LABELS}", "it does not exist"),
        ("paint none", "none is no model: it does not exist"),
        ("train --data.shards none", "shards: none does not exist"),
        ("train --data.shards packed", f"{PARTS}. Name one of them: did you mean packed/train?"),
        ("train --data.shards plain", "plain holds no dataset.json"),
        ("train --data.shards packed/train --run.fork none", "run.fork: none does not exist"),
        ("train --data.shards packed/train --data.schema no", "There is no label schema no"),
        ("train --data.shards packed/train --data.stage-to $NOT_SET/x --run.folder $NOT_SET/y",
         "run.folder = $NOT_SET/y: the environment variable NOT_SET is not set"),
        ("eval segmenter train none out", "shards: none does not exist"),
        ("eval segmenter train packed out", "did you mean packed/train?"),
        ("eval utility --config utility.toml", "did you mean packed/train?"),
        ("eval utility --config utility-missing.toml", "data.synthetic[0]: gone does not exist"),
        ("tune --config sweep.toml", "packed/train?"),
        ("tune --config sweep-missing.toml", "gone does not exist"),
        ("import-original no.pth out --classes prostate-3", "no.pth does not exist"),
        ("import-original some.npz out --classes prostata-3", "Did you mean prostate-3?"),
    ],
)  # fmt: skip
def test_a_wrong_path_is_told_before_torch_is_imported(place, command, said):
    done = subprocess.run(
        [sys.executable, "-c", RUN, *command.split()],
        cwd=place, env=environment(COLUMNS="500"), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stderr.count("histosyn:") == 1
    assert done.stdout.splitlines()[-1] == "False", "torch was imported"
    assert not (place / "out").exists()


def test_what_inspect_takes_all_others_name(place):
    """`inspect` shows all parts of what `pack` wrote."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, "inspect", "packed", "--json", "inspected.json"],
        cwd=place, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [part["name"] for part in json.loads((place / "inspected.json").read_text())["parts"]]
