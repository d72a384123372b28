"""torchvision networks by name, with weights from a file: nothing of the file is run.

The architectures are torchvision's. The layer that tells its own classes apart is left out, so that
what remains gives features.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError

from eval.extractors.torchvision_import import import_torchvision
from hpc.errors import ConfigError, InputError
from hpc.weights import not_finite, read_pickled_tensors, read_weights

# Where each family keeps its last layer.
_HEADS = {
    "resnet": "fc",
    "resnext": "fc",
    "wide_resnet": "fc",
    "shufflenet": "fc",
    "regnet": "fc",
    "densenet": "classifier",
    "efficientnet": "classifier",
    "vit": "heads",
    "swin": "head",
}
_PREFIX = "module."  # nn.DataParallel puts it before every key


def torchvision_network(architecture: str, path: Path) -> torch.nn.Module:
    """torchvision's `architecture` without its head, with the weights of a state dict.

    The file is `.safetensors`, or of `torch.save`. Raises ConfigError for an architecture that is
    not known, InputError for weights that are damaged, not finite or of another network.
    """
    family = architecture.partition("_")[0].rstrip("0123456789")
    family = "wide_resnet" if architecture.startswith("wide_resnet") else family
    head = _HEADS.get(family)
    models = import_torchvision().models
    if head is None or architecture not in models.list_models(models):
        raise ConfigError(
            f"{path}: no architecture is called {architecture!r}. Known are those of torchvision "
            f"whose names begin with {', '.join(sorted(_HEADS))}, such as resnet50."
        )
    network: torch.nn.Module = models.get_model(architecture, weights=None)
    setattr(network, head, torch.nn.Identity())
    try:
        network.load_state_dict(_without_head(_state_dict(path), head))
    except (RuntimeError, SafetensorError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path} does not hold the weights of {architecture} ({reason}). Name the architecture "
            "that they were trained in."
        ) from error
    if strange := not_finite(network.state_dict()):
        raise InputError(f"{path}: {strange[0]} holds numbers that are not finite. Copy it again.")
    return network.eval()


def _state_dict(path: Path) -> Mapping[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        return read_weights(path).state
    found = read_pickled_tensors(path)
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise ValueError("it is no state dict")
    return found


def _without_head(state: Mapping[str, torch.Tensor], head: str) -> dict[str, torch.Tensor]:
    plain = {name.removeprefix(_PREFIX): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in plain.items() if not name.startswith(f"{head}.")}
