"""Inception: where its weights come from, what is refused, and the same numbers as pytorch-fid."""

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eval.distances.feature_set import distance, measure
from eval.distances.report import compare
from eval.extractors.inception import (
    WEIGHTS_NAME,
    WEIGHTS_VARIABLE,
    InceptionExtractor,
    _folded,
    find_weights,
)
from eval.extractors.torchvision_import import import_pytorch_fid
from eval.features.tile_sources import TileFolder
from hpc.errors import InputError
from hpc.files import sha256_of_file

pytest.importorskip("pytorch_fid", reason="needs the extra `fid`")


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """An empty hub folder, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch-home"))

    def refuse(*arguments, **options):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def random_state():
    """Seeded random weights in pytorch-fid's architecture."""
    inception = import_pytorch_fid()
    captured = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda url, **options: {})
        patch.setattr(
            torch.nn.Module, "load_state_dict", lambda network, state: captured.update(it=network)
        )
        inception.fid_inception_v3()
    generator = torch.Generator().manual_seed(0)
    state = captured["it"].state_dict()
    for weight in state.values():
        if weight.ndim > 1:
            fan_in = weight[0].numel()
            weight.copy_(torch.randn(weight.shape, generator=generator) * (2 / fan_in) ** 0.5)
    return state


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(random_state(), path)
    return path


def write_tiles(folder, seed, count=4):
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for number in range(count):
        coarse = rng.integers(100, 250, size=(8, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((48, 40)).save(folder / f"{number}.png")
    return folder


def test_the_pipeline_gives_the_value_of_pytorch_fid(weights, tmp_path, monkeypatch):
    from pytorch_fid import fid_score

    folders = [write_tiles(tmp_path / name, seed) for seed, name in enumerate(("one", "other"))]
    extractor = InceptionExtractor(weights)
    ours = [
        measure(TileFolder(folder=folder), extractor, batch_size=size)
        for folder, size in zip(folders, (2, 5), strict=True)
    ]
    inception = import_pytorch_fid()
    state = torch.load(weights, weights_only=True)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda url, **options: state)
    network = inception.InceptionV3([3])
    theirs = [
        fid_score.get_activations(sorted(folder.iterdir()), network, batch_size=5, num_workers=0)
        for folder in folders
    ]

    for feature_set, activations in zip(ours, theirs, strict=True):
        assert feature_set.features_ND == pytest.approx(activations, rel=1e-4, abs=1e-5)
    # The matrix square root takes minutes in 2048 dimensions, but no distance changes when all
    # features are written in an orthonormal basis of the few dimensions that they span.
    basis, _ = np.linalg.qr(np.concatenate(theirs).T)
    coordinates = [activations @ basis for activations in theirs]
    statistics = [
        part for one in coordinates for part in (one.mean(axis=0), np.cov(one, rowvar=False))
    ]
    expected = frechet_of_pytorch_fid(*statistics)
    assert distance(*ours) == pytest.approx(expected, rel=1e-3)
    caveats = [text for text in compare(*ours).warnings if "not the published ones" in text]
    assert len(caveats) == 1


def test_the_clean_mode_resizes_as_pillow_does_without_rounding(weights):
    tiles = np.random.default_rng(0).integers(0, 256, size=(2, 400, 350, 3), dtype=np.uint8)
    resized = [
        [
            Image.fromarray(tile[..., c].astype(np.float32)).resize(
                (299, 299), Image.Resampling.BICUBIC
            )
            for c in range(3)
        ]
        for tile in tiles
    ]
    extractor = InceptionExtractor(weights, clean=True)

    found = extractor(tiles)

    prepared = torch.from_numpy(np.array(resized).clip(0, 255) / 255).float()
    with torch.inference_mode():
        expected = extractor._network(prepared)[0].flatten(1).numpy()
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)
    plain = InceptionExtractor(weights)
    assert plain.identity != extractor.identity
    assert "antialiased" in extractor.identity.preprocessing
    assert not np.allclose(plain(tiles), found, rtol=1e-2)


def test_folded_batch_norms_change_next_to_nothing(weights):
    inception = import_pytorch_fid()
    state = torch.load(weights, weights_only=True)
    generator = torch.Generator().manual_seed(1)
    for name, value in state.items():
        if name.endswith(("bn.weight", "bn.running_var")):
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
        elif name.endswith(("bn.bias", "bn.running_mean")):
            value.copy_(0.2 * torch.randn(value.shape, generator=generator))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda url, **options: state)
        network = inception.InceptionV3([3]).eval()
    tiles = torch.rand((2, 3, 80, 80), generator=generator)

    with torch.inference_mode():
        expected = network(tiles)[0].clone()
        found = _folded(network)(tiles)[0]

    assert found.numpy() == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)


def frechet_of_pytorch_fid(*statistics):
    import scipy
    from pytorch_fid import fid_score

    if tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 18):
        pytest.skip("pytorch-fid's distance needs scipy < 1.18")
    with pytest.warns(DeprecationWarning, match="disp"):
        return fid_score.calculate_frechet_distance(*statistics)


def test_where_weights_are_looked_for(tmp_path, monkeypatch):
    given, named = tmp_path / "given.pth", tmp_path / "named.pth"
    cached = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
    for path in (given, named, cached):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    assert find_weights() == cached
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(named))
    assert find_weights() == named
    assert find_weights(given) == given


def test_a_named_file_that_is_missing_is_not_replaced_by_another(tmp_path, monkeypatch):
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "gone.pth"))

    with pytest.raises(InputError, match=rf"{WEIGHTS_VARIABLE}: .*gone\.pth does not exist"):
        find_weights()


def test_without_weights_the_error_says_what_to_fetch_and_where_to_put_it():
    with pytest.raises(InputError) as caught:
        find_weights()

    message = str(caught.value)
    for part in (WEIGHTS_NAME, "--inception-weights", WEIGHTS_VARIABLE, "torch-home", "random"):
        assert part in message


def test_an_altered_file_is_refused_by_the_hash_in_its_name(tmp_path):
    altered = tmp_path / WEIGHTS_NAME
    altered.write_bytes(b"altered")

    with pytest.raises(InputError, match=r"damaged or altered.*begins with 6726825d"):
        InceptionExtractor(altered)


def test_a_file_that_keeps_the_promise_of_its_name_is_loaded(weights, tmp_path):
    sha256 = sha256_of_file(weights)
    promising = tmp_path / f"inception-{sha256[:8]}.pth"
    promising.symlink_to(weights)

    assert InceptionExtractor(promising).identity.weights_sha256 == sha256


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"fc.weight": torch.zeros(2)}, id="another network"),
        pytest.param([1, 2], id="no weights"),
        pytest.param(torch.nn.Linear(1, 1), id="code"),
        pytest.param(b"garbage", id="garbage"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)

    with pytest.raises(InputError, match=r"weights\.pth does not hold the weights"):
        InceptionExtractor(path)


def test_weights_that_are_not_finite_are_refused_by_name(weights, tmp_path):
    state = torch.load(weights, weights_only=True)
    state["Mixed_5b.branch1x1.conv.weight"][0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(InputError, match=r"numbers of \S*branch1x1\.conv\.weight are not finite"):
        InceptionExtractor(tmp_path / "nan.pth")


def test_the_loader_of_pytorch_fid_is_put_back(weights):
    inception = import_pytorch_fid()
    before = inception.load_state_dict_from_url

    InceptionExtractor(weights)

    assert inception.load_state_dict_from_url is before


def test_without_pytorch_fid_the_error_names_the_extra(monkeypatch, weights):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(InputError, match=r"pip install 'histosyn\[fid\]'"):
        InceptionExtractor(weights)
