"""What two ranks compute. A module of its own, because each of them has to import it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import distributed, nn

from histosyn.networks.sync_batchnorm import SyncBatchNorm2d


def normalized_on_a_rank(rank: int, folder: Path, device: str, kinds: tuple[str, ...]) -> None:
    """What each kind of batch normalization makes of this rank's tiles, and its gradient, as files.

    NCCL wants a GPU for each rank; gloo takes what there is.
    """
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2
    )
    # Three tiles of one, one of the other.
    part = slice(0, 3) if rank == 0 else slice(3, 4)
    for kind in kinds:
        x, probe = tiles_of_all().to(device), tiles_of_all().to(device) * 0.5 + 1
        norm: nn.Module = SyncBatchNorm2d(x.shape[1])
        if kind != "ours":
            norm = nn.SyncBatchNorm(x.shape[1])
        found = normalized(norm.to(device), x[part], probe[part])
        torch.save([tensor.cpu() for tensor in found], folder / f"{kind}-{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


def tiles_of_all() -> torch.Tensor:
    return torch.randn(4, 8, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 + 3


def normalized(
    norm: nn.Module, x: torch.Tensor, probe: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.clone().requires_grad_()
    y = norm(x)
    (gradient,) = torch.autograd.grad((torch.sin(y) * probe).sum(), x)
    return y.detach(), gradient
