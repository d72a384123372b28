"""Networks in files: their preprocessing, what they give, and what is refused."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eval.extractors.choice import open_extractor
from eval.extractors.network_file import FileExtractor, Preprocessing
from eval.features.extractor import resized_antialiased
from hpc.errors import ConfigError, InputError
from hpc.files import sha256_of_file
from launch.cli import main

STATED = """
name = "tiny"
size = 24
filter = "bicubic"
mean = [0.5, 0.4, 0.3]
std = [0.2, 0.25, 0.5]
"""


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3, bias=False), torch.nn.AdaptiveAvgPool2d(1)
    ).eval()


def save(path, module, size=24):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(module, torch.zeros(2, 3, size, size)).save(str(path))
    return path


@pytest.fixture
def file(tmp_path):
    (tmp_path / "tiny.toml").write_text(STATED)
    return save(tmp_path / "tiny.pt", network())


def tiles(count=3, height=40, width=30):
    shape = (count, height, width, 3)
    return np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)


def as_pillow_does(tile, size, kind):
    channels = [
        np.asarray(Image.fromarray(tile[..., c].astype(np.float32)).resize((size, size), kind))
        for c in range(3)
    ]
    return np.stack(channels).clip(0, 255) / 255


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [24, 64])
def test_the_resize_is_that_of_pillow_without_its_rounding(name, size):
    found = resized_antialiased(
        torch.from_numpy(tiles()).permute(0, 3, 1, 2).float() / 255, size, name
    )

    expected = [
        as_pillow_does(tile, size, getattr(Image.Resampling, name.upper())) for tile in tiles()
    ]
    assert found.numpy() == pytest.approx(np.stack(expected), abs=1e-5)


def test_features_are_those_of_the_network_on_what_was_stated(file):
    extractor = open_extractor(str(file), run_code=True)
    mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.25, 0.5])
    prepared = [
        (as_pillow_does(tile, 24, Image.Resampling.BICUBIC) - mean[:, None, None])
        / std[:, None, None]
        for tile in tiles()
    ]

    with torch.no_grad():
        expected = network()(torch.from_numpy(np.stack(prepared)).float()).flatten(1).numpy()

    assert extractor.dimension == 5
    assert extractor(tiles()) == pytest.approx(expected, abs=1e-5)
    assert extractor.identity.name == "tiny"
    assert extractor.identity.weights_sha256 == sha256_of_file(file)
    assert "antialiased bicubic resize to 24x24" in extractor.identity.preprocessing


def test_the_identity_tells_preprocessings_apart(file):
    one = FileExtractor(file, run_code=True).identity
    file.with_suffix(".toml").write_text(STATED.replace("0.25", "0.24"))

    assert FileExtractor(file, run_code=True).identity != one


def test_a_network_without_stated_preprocessing_is_refused(file):
    file.with_suffix(".toml").unlink()

    with pytest.raises(ConfigError, match=r"Write .*tiny\.toml with"):
        FileExtractor(file, run_code=True)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("size = 24", "", "size is missing"),
        ("size = 24", "size = 0", "at least 1"),
        ("size = 24", 'size = "24"', "size"),
        ('"bicubic"', '"nearest"', "filter"),
        ("0.25, 0.5]", "0.25]", "std"),
        ("0.25, 0.5]", "0.25, 0.0]", "every std above 0"),
        ("size", "siez = 3\nsize", "siez"),
        ('name = "tiny"', "name = ", "not valid TOML"),
    ],
)
def test_what_is_stated_wrongly_is_refused(file, before, after, message):
    file.with_suffix(".toml").write_text(STATED.replace(before, after))

    with pytest.raises(ConfigError, match=message):
        FileExtractor(file, run_code=True)


def test_a_network_of_another_size_is_refused(tmp_path):
    (tmp_path / "fixed.toml").write_text(STATED)
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 4)).eval()
    path = save(tmp_path / "fixed.pt", flat, size=32)

    with pytest.raises(InputError, match=r"cannot work on tiles \(N, 3, 24, 24\).*size"):
        FileExtractor(path, run_code=True)


def test_a_network_that_does_not_pool_is_refused(tmp_path):
    (tmp_path / "maps.toml").write_text(STATED)
    path = save(tmp_path / "maps.pt", torch.nn.Conv2d(3, 5, 3))

    with pytest.raises(InputError, match=r"instead of features \(N, D\)"):
        FileExtractor(path, run_code=True)


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "odd.toml").write_text(STATED)
    (tmp_path / "odd.pt").write_bytes(content)

    with pytest.raises(InputError, match=r"odd\.pt is no TorchScript file"):
        FileExtractor(tmp_path / "odd.pt", run_code=True)


class Complex(torch.nn.Module):
    def forward(self, x):
        return torch.complex(x, x).mean((2, 3))


def test_complex_features_are_refused(tmp_path):
    """Their real parts alone would be measured."""
    (tmp_path / "tiny.toml").write_text(STATED)
    save(tmp_path / "tiny.pt", Complex())

    with pytest.raises(InputError, match=r"tiny\.pt gives complex features"):
        FileExtractor(tmp_path / "tiny.pt", run_code=True)


def test_a_pickled_network_is_not_unpickled(tmp_path):
    (tmp_path / "pickled.toml").write_text(STATED)
    torch.save(network(), tmp_path / "pickled.pt")

    with pytest.raises(InputError, match="is no TorchScript file"):
        FileExtractor(tmp_path / "pickled.pt", run_code=True)


def test_a_file_of_torch_export_is_refused_because_it_would_be_unpickled(tmp_path):
    (tmp_path / "exported.toml").write_text(STATED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(network(), (torch.zeros(2, 3, 24, 24),))
        torch.export.save(exported, tmp_path / "exported.pt2")

    with pytest.raises(InputError, match=r"written by torch\.export.*TorchScript"):
        FileExtractor(tmp_path / "exported.pt2", run_code=True)


def test_preprocessing_says_what_it_is():
    stated = Preprocessing(name="a", size=4, filter="bilinear", mean=(0, 0, 0), std=(1, 1, 1))

    assert str(stated) == (
        "RGB / 255, antialiased bilinear resize to 4x4, minus [0, 0, 0], divided by [1, 1, 1]"
    )


def test_a_flipped_bit_of_a_weight_is_told(file):
    weights = network()[0].weight.detach().numpy().tobytes()
    data = bytearray(file.read_bytes())
    data[data.index(weights)] ^= 0x40
    file.write_bytes(data)

    with pytest.raises(InputError, match=r"tiny\.pt is damaged: its part .* was altered"):
        FileExtractor(file, run_code=True)


class Writing(torch.nn.Module):
    def forward(self, x):
        found = torch.from_file("OVERWRITTEN", True, 16, dtype=torch.uint8)
        found.fill_(65)
        return x.mean((2, 3)) + found.float().mean() * 0


def test_a_program_that_writes_files_is_run_only_where_the_user_says_so(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("evil.toml").write_text(STATED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Writing()).save("evil.pt")
    Image.new("RGB", (24, 24)).save("a.png")

    with pytest.raises(InputError, match=r"not opened: .*by --run-extractor-code"):
        FileExtractor(Path("evil.pt"))
    with pytest.raises(SystemExit) as stop:
        main(["eval", "fid", ".", ".", "--extractor", "evil.pt", "--no-cache"])
    assert stop.value.code == 2
    assert "a program, which can overwrite your files" in " ".join(capsys.readouterr().err.split())
    assert not Path("OVERWRITTEN").exists()

    FileExtractor(Path("evil.pt"), run_code=True)
    assert Path("OVERWRITTEN").exists(), "the canary sings when it may"
