"""What a segmenter minimizes: the same over any number of ranks, ignored pixels left out.

A pixel is ignored whose label is no class, such as 255. Each rank returns a loss whose gradients,
averaged over ranks as DistributedDataParallel does, are those of one process with the whole batch.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from hpc import collectives


def cross_entropy(logits_NKHW: torch.Tensor, labels_NHW: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the counted pixels of the global batch; 0 if there is none.

    The value of a rank is its share of that mean, times the number of ranks.
    """
    counted_NHW = labels_NHW < logits_NKHW.shape[1]
    targets_NHW = labels_NHW.where(counted_NHW, labels_NHW.new_full((), _IGNORED))
    total = functional.cross_entropy(
        logits_NKHW, targets_NHW, ignore_index=_IGNORED, reduction="sum"
    )
    pixels = collectives.sum_over_ranks(counted_NHW.sum().to(total.dtype))
    return total * collectives.world_size() / pixels.clamp(min=1)


def dice_loss(logits_NKHW: torch.Tensor, labels_NHW: torch.Tensor) -> torch.Tensor:
    """Mean over classes of 1 - 2·Σpt / (Σp + Σt), sums over the counted pixels of the global batch.

    p is the probability of the class and t whether it is the true one (soft Dice, squares left out:
    Drozdzal et al. 2016). Classes of which the batch holds no pixel are left out; 0 if all are.
    """
    classes = logits_NKHW.shape[1]
    counted_N1HW = (labels_NHW < classes)[:, None]
    chances_NKHW = logits_NKHW.softmax(dim=1) * counted_N1HW
    truth_NKHW = torch.stack([labels_NHW == k for k in range(classes)], dim=1)
    sums_3K = torch.stack(
        [
            (chances_NKHW * truth_NKHW).sum(dim=_PIXELS),
            chances_NKHW.sum(dim=_PIXELS),
            truth_NKHW.sum(dim=_PIXELS).to(chances_NKHW.dtype),
        ]
    )
    common_K, guessed_K, true_K = collectives.sum_over_ranks(sums_3K)
    present_K = (true_K > 0).to(common_K.dtype)
    loss_K = 1 - 2 * common_K / (guessed_K + true_K).clamp(min=1e-12)
    return (loss_K * present_K).sum() / present_K.sum().clamp(min=1)


_IGNORED = -100
_PIXELS = (0, 2, 3)
