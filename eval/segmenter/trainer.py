"""The steps of a segmenter's training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from eval.segmenter.config import SegmenterConfig
from eval.segmenter.losses import cross_entropy, dice_loss
from eval.segmenter.unet import UNet
from histosyn.networks.convolutions import Form, computed_as
from histosyn.networks.ema import Ema
from histosyn.shards.batch import Batch
from histosyn.training.steps import BatchSource, StepTrainer
from hpc import collectives
from hpc.randomness import key_of

_TERMS = {"cross_entropy": cross_entropy, "dice": dice_loss}


class SegmenterTrainer(StepTrainer):
    """Trains a U-Net on a stream's tiles and label maps, from `step` to the configured number.

    The same seed gives the same initial weights on every rank and device.
    """

    config: SegmenterConfig

    def __init__(self, config: SegmenterConfig, stream: BatchSource, device: torch.device) -> None:
        super().__init__(config, stream, device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key_of(config.run.seed, "weights"))
            network = UNet(config.network, len(stream.index.schema))
        self.dtype = torch.float64 if config.run.precision == "float64" else torch.float32
        self.network = network.to(device, self.dtype)
        self.ema = Ema(self.network, config.run.ema_decay)
        settings = config.optimizer
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
        )
        # Its backward averages gradients over ranks.
        alone = collectives.world_size() == 1
        self._ddp = self.network if alone else DistributedDataParallel(self.network)
        weights = {"cross_entropy": config.loss.cross_entropy, "dice": config.loss.dice}
        self._weights = {name: weight for name, weight in weights.items() if weight}
        # Settled by whoever starts a run; for others it is as PyTorch has it.
        form = config.run.convolutions
        self._form: Form = "plain" if form == "auto" else form

    def take_step(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Learn from a batch of labelled tiles."""
        labels_NHW = batch.labels_NHW.to(self.device, non_blocking=True).long()
        with computed_as(self._form):
            losses = self._losses(self._tiles(batch), labels_NHW)
            total = torch.stack([self._weights[name] * loss for name, loss in losses.items()]).sum()
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()
        self.optimizer.step()
        self.ema.update(self.network, self.step)
        return {name: loss.detach() for name, loss in losses.items()}

    def _tiles(self, batch: Batch) -> torch.Tensor:
        """In [-1, 1], in the configured order in memory, which features take over."""
        tiles_NCHW = batch.tiles_NCHW.to(self.device, non_blocking=True).to(self.dtype) / 127.5 - 1
        if not self.config.run.channels_last:
            return tiles_NCHW
        return tiles_NCHW.contiguous(memory_format=torch.channels_last)

    def _losses(
        self, tiles_NCHW: torch.Tensor, labels_NHW: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        with self._autocast():
            logits_NKHW = self._ddp(tiles_NCHW)
        # Sums over many pixels need more digits than bfloat16 has.
        logits_NKHW = logits_NKHW.to(self.dtype)
        return {name: _TERMS[name](logits_NKHW, labels_NHW) for name in self._weights}

    def learning_rates(self) -> dict[str, float]:
        """One, which stays as configured: the moving average does what its decay would do."""
        return {"lr": self.config.optimizer.lr}

    def state(self) -> dict[str, Any]:
        """Everything that determines the future of this run, but for the configuration."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return {
            "step": self.step,
            "images_seen": self.images_seen,
            "carried": self.carried,
            **parts,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.step = state["step"]
        self.carried = state["carried"]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "ema": self.ema.network, "optimizer": self.optimizer}

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.run.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)
