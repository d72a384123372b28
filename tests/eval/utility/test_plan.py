"""Which trainings there are, which patients each sees, and what must not be mixed."""

from dataclasses import replace

import numpy as np
import pytest
from experimenting import write_experiment, write_settings
from tissue import SCHEMA, pack_blobs, write_folders

from eval.utility.batches import open_batches_of
from eval.utility.config import keep_settings, read_utility
from eval.utility.plan import PlannedTraining, Sources, planned_trainings
from histosyn.packing.pack import PackConfig, pack
from hpc.errors import ConfigError, DatasetError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    write_experiment(folder, arms='["real", "augmentation", "real+synthetic", "synthetic"]')
    return folder


@pytest.fixture
def config(root):
    return read_utility(root / "utility.toml")


@pytest.fixture
def sources(config):
    return Sources(config)


def test_synthetic_alone_is_trained_once_a_seed(config):
    trainings = planned_trainings(config)
    assert len(trainings) == 2 * (3 * 2 + 1)
    assert len({planned.name for planned in trainings}) == len(trainings)
    assert [c.share for c in trainings if c.arm == "synthetic"] == [1.0, 1.0]


def test_synthetic_tiles_of_each_share_are_trained_each(config):
    both = replace(config, data=replace(config.data, synthetic=config.data.synthetic * 2))
    assert [c.share for c in planned_trainings(both) if c.arm == "synthetic"] == [
        0.5,
        1.0,
        0.5,
        1.0,
    ]


def test_a_larger_share_of_a_seed_holds_the_smaller_one(sources):
    for seed in range(5):
        half, whole = sources.patients(0.5, seed), sources.patients(1.0, seed)
        assert len(half) == 3
        assert whole == list("abcdef")
        assert set(half) < set(whole)
        assert len(sources.patients(0.01, seed)) == 1
    assert len({tuple(sources.patients(0.5, seed)) for seed in range(5)}) > 1


def test_each_seed_may_have_synthetic_tiles_of_its_own(config, root):
    for seed in (0, 1):
        copy = root / f"of-half-{seed}"
        if not copy.exists():
            pack(root / "made/tiles", root / "made/labels", copy, SCHEMA, PackConfig(seed=seed))
    folders = (root / "of-half-{seed}/train", root / "synthetic/train")
    named = replace(config, data=replace(config.data, synthetic=folders))
    assert named.data.synthetic_by_seed
    sources = Sources(named)
    assert len(sources.synthetic) == 3
    for seed in (0, 1):
        for share, name in ((0.5, f"of-half-{seed}"), (1.0, "synthetic")):
            planned = PlannedTraining(arm="synthetic", share=share, seed=seed)
            assert sources.synthetic_for(planned).folders[-1] == root / name / "train"


def keys_seen(source, batches=6):
    stream = source.batches()
    return {key for _ in range(batches) for key in next(stream).keys}


def test_a_training_sees_the_tiles_of_its_patients_only(config, sources):
    planned = PlannedTraining(arm="real", share=0.5, seed=0)
    index = sources.real.index
    wanted = {
        index.entry(*index.place(row)).key
        for row in range(len(index))
        if index.entry(*index.place(row)).group in sources.patients(0.5, 0)
    }
    assert keys_seen(open_batches_of(planned, sources, config)) == wanted


def test_a_step_of_both_holds_as_many_tiles_of_each(config, sources):
    source = open_batches_of(
        PlannedTraining(arm="real+synthetic", share=1.0, seed=0), sources, config
    )
    batch = next(source.batches(start=3))
    assert batch.tiles_NCHW.shape[0] == batch.labels_NHW.shape[0] == 4
    assert [key.startswith("synthetic") for key in batch.keys] == [False, False, True, True]
    assert batch.positions_N.tolist() == [0, 1, 2, 3]
    assert len(source.index) == len(sources.real.index) + len(sources.synthetic[0].index)


def test_the_control_differs_in_its_stains_alone(config, sources):
    real, control = (
        next(
            open_batches_of(PlannedTraining(arm=arm, share=1.0, seed=0), sources, config).batches()
        )
        for arm in ("real", "augmentation")
    )
    assert real.keys == control.keys
    assert np.array_equal(real.labels_NHW, control.labels_NHW)
    assert not np.array_equal(real.tiles_NCHW, control.tiles_NCHW)


def other(config, **data):
    return replace(config, data=replace(config.data, **data))


def test_a_patient_on_both_sides_is_refused(config):
    with pytest.raises(DatasetError, match="a is in .*which is learnt from, and in"):
        Sources(other(config, test=config.data.real))


def test_synthetic_tiles_of_test_label_maps_are_refused(config, root, tmp_path):
    pack(root / "source/tiles", root / "source/labels", tmp_path / "leak", SCHEMA, PackConfig())
    with pytest.raises(DatasetError, match="other label maps than the test's"):
        Sources(other(config, synthetic=(tmp_path / "leak/train",)))


def test_tiles_without_patients_are_refused(config, tmp_path):
    shards = pack_blobs(tmp_path, size=32)
    with pytest.raises(DatasetError, match="without groups"):
        Sources(other(config, real=shards, synthetic=config.data.synthetic))


def test_other_sizes_are_refused(config, tmp_path):
    with pytest.raises(DatasetError, match="64x64"):
        Sources(other(config, synthetic=(pack_blobs(tmp_path),)))


def test_folders_of_pairs_are_packed_once(config, root, tmp_path):
    tiles, labels = write_folders(tmp_path, count=3, size=32)
    for path in (*tiles.iterdir(), *labels.iterdir()):
        path.rename(path.with_name(f"new-{path.name}"))
    data = {"synthetic": (), "synthetic_tiles": tiles, "synthetic_labels": labels}
    experiment = replace(config.experiment, folder=tmp_path / "experiment")
    pairs = replace(other(config, **data), experiment=experiment)
    assert len(Sources(pairs).synthetic[0].index) == 3
    for path in tiles.iterdir():
        path.unlink()
    assert len(Sources(pairs).synthetic[0].index) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": "0.0"}, r"experiment\.margin"),
        ({"arms": '["synthetic"]'}, "needs real"),
        ({"shares": "[0.5, 0.5]"}, "names one twice"),
        ({"shares": "[1.5]"}, r"must lie in \(0, 1\]"),
        ({"synthetic": "[]"}, "Name the synthetic tiles once"),
        ({"synthetic": '["a", "b", "c"]'}, "3 folders for 2 shares"),
        ({"global_batch": "1"}, r"data\.global_batch"),
        ({"seeds": "[]"}, "is empty"),
        ({"synthetic_tiles": '"a"'}, "go together"),
        ({"arms": '["real", "imagined"]'}, "must be"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        read_utility(write_settings(tmp_path, **change))


def test_a_margin_cannot_be_changed_afterwards(config, tmp_path):
    here = replace(config, experiment=replace(config.experiment, folder=tmp_path))
    keep_settings(here)
    more = replace(here, experiment=replace(here.experiment, seeds=(0, 1, 2)))
    keep_settings(more)
    wider = replace(here, experiment=replace(here.experiment, margin=0.5))
    with pytest.raises(ConfigError, match=r"experiment\.margin changed .*was 0\.1"):
        keep_settings(wider)
