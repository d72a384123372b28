"""Label maps of files and of shards are the same ones."""

import numpy as np
import pytest
from tissue import SCHEMA, pack_blobs

from histosyn.labels.label_map import load_schema
from histosyn.shards.label_maps import stored_maps
from histosyn.shards.unpacking import unpack
from hpc.errors import InputError, SampleError, SchemaError


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("maps"))


def test_shards_and_the_files_they_were_made_of(shards, tmp_path):
    unpack(shards, tmp_path / "labels", "labels")
    files, meaning = stored_maps(tmp_path / "labels", SCHEMA)
    packed, own = stored_maps(shards)
    assert own == meaning == SCHEMA
    by_name = {one.name.removesuffix(".png"): one for one in files}
    assert set(by_name) == {one.name for one in packed}
    for one in packed:
        assert one.data() == by_name[one.name].data()
        assert np.array_equal(one.read(SCHEMA), by_name[one.name].read(SCHEMA))


def test_what_does_not_fit(shards, tmp_path):
    with pytest.raises(SchemaError, match="have the schema prostate-3, not colon-10"):
        stored_maps(shards, load_schema("colon-10"))
    unpack(shards, tmp_path / "labels", "labels")
    with pytest.raises(InputError, match="--schema prostate-3, or a TOML file"):
        stored_maps(tmp_path / "labels")


def test_a_damaged_label_map_is_named(tmp_path):
    folder = pack_blobs(tmp_path, count=8)
    (one, *_), _ = stored_maps(folder)
    tar = min(folder.glob("*.tar"))
    data = tar.read_bytes()
    label = one.data()
    place = data.index(label) + len(label) // 2
    tar.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
    for read in (one.data, lambda: one.read(SCHEMA)):
        with pytest.raises(SampleError, match=rf"{one.name}.*CRC-32"):
            read()
