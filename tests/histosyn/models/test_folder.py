"""Loading a model from a folder, wherever that comes from."""

from painting import random_model

from histosyn.models.folder import load_model
from hpc.files import sha256_of_file


def test_a_folder_as_a_hub_gives_it_is_loaded_offline(tmp_path):
    """Links into a store of blobs named by digest, and files of the hub's own beside them."""
    made = random_model(tmp_path / "made")
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "0123abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for path in made.iterdir():
        blob = blobs / sha256_of_file(path)
        path.rename(blob)
        (snapshot / path.name).symlink_to(blob)
    (snapshot / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    assert load_model(snapshot).sha256 == sha256_of_file(snapshot / "model.safetensors")
