"""The gradients of a step as a CUDA graph: recorded once, and started as one thing from then on.

Recorded is what lies between a batch that is on the device and the gradients of both networks, the
scalars of the step included. Before it, the batch and its noise are put where the recording reads
them; after it, the optimizers and the moving average go on as in any other step. Nothing in between
may depend on the batch but by its numbers: γ and β are computed for all pixels, because how many
distinct neighbourhoods there are differs from batch to batch, and no term of a loss comes and goes.
The first steps are taken as usual, on the way that a recording asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from histosyn.config.train import TrainConfig
from histosyn.networks.noise import Noise
from histosyn.training.step_inputs import Arrived, StepInputs, step_inputs, step_noise
from hpc import collectives
from hpc.errors import ConfigError
from hpc.recorded_work import CudaGraphs, Recorder

# Until everything that is made once has been made; PyTorch's own examples take as many.
_WARM_UP = 3

# Losses and diagnostics, by name.
Measured = tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]
Compute = Callable[[StepInputs], Measured]


def recorder_for(config: TrainConfig, device: torch.device) -> Recorder | None:
    """What records the steps of a run, if they are to be recorded.

    Raises ConfigError where that cannot be done.
    """
    if not config.run.cuda_graphs:
        return None
    if device.type != "cuda":
        raise ConfigError(
            f"run.cuda_graphs = true, but this run computes on the {device.type}. Set "
            "run.cuda_graphs = false, or choose a GPU (run.device)."
        )
    if collectives.world_size() > 1:
        raise ConfigError(
            f"run.cuda_graphs = true is for one process, and there are {collectives.world_size()}: "
            "what they exchange is not recorded. Set run.cuda_graphs = false."
        )
    return CudaGraphs(device)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Recording:
    """Where the recorded step reads its inputs and writes scalars and gradients; what does it."""

    arrived: Arrived
    noise: Noise
    names: list[tuple[str, ...]]
    scalars: torch.Tensor
    gradients: list[tuple[torch.nn.Parameter, torch.Tensor | None]]
    replay: Callable[[], None]


class RecordedStep:
    """`compute`, which leaves gradients at these weights, recorded after a few rounds.

    What is measured by a recording is float64.
    """

    def __init__(
        self,
        config: TrainConfig,
        recorder: Recorder,
        compute: Compute,
        weights: list[torch.nn.Parameter],
    ) -> None:
        self._config, self._recorder = config, recorder
        self._compute, self._weights = compute, weights
        self._rounds = 0
        self._recording: _Recording | None = None

    def __call__(self, arrived: Arrived, step: int) -> Measured:
        """What a step measures, and its gradients where optimizers look for them."""
        if self._rounds < _WARM_UP:
            self._rounds += 1
            with self._recorder.warming_up():
                return self._compute(step_inputs(self._config, arrived, step))
        given = ("noise", step, arrived.positions, arrived.labels_uint8)
        noise = step_noise(self._config, *given)
        if self._recording is None:
            self._recording = self._record(arrived, noise, step)
        recording = self._recording
        _copy(arrived.tensors, recording.arrived.tensors)
        _copy(_tensors(noise), _tensors(recording.noise))
        recording.replay()
        # Whoever took them away does not take them from the recording.
        for weight, gradient in recording.gradients:
            weight.grad = gradient
        found = iter(recording.scalars.clone().unbind())
        losses, diagnostics = ({name: next(found) for name in names} for names in recording.names)
        return losses, diagnostics

    def _record(self, arrived: Arrived, noise: Noise, step: int) -> _Recording:
        kept, kept_noise = arrived.clone(), _clone(noise)
        names: list[tuple[str, ...]] = []

        def work() -> torch.Tensor:
            inputs = replace(step_inputs(self._config, kept, step), drawn=kept_noise)
            measured = self._compute(inputs)
            names.extend(map(tuple, measured))
            return torch.stack([it.double() for values in measured for it in values.values()])

        # What the rounds before left is not the recording's.
        for weight in self._weights:
            weight.grad = None
        scalars, replay = self._recorder.record(work)
        return _Recording(
            arrived=kept,
            noise=kept_noise,
            names=names,
            scalars=scalars,
            gradients=[(weight, weight.grad) for weight in self._weights],
            replay=replay,
        )


def _clone(noise: Noise) -> Noise:
    return Noise(entry=noise.entry.clone(), pixels=tuple(each.clone() for each in noise.pixels))


def _tensors(noise: Noise) -> list[torch.Tensor]:
    return [noise.entry, *noise.pixels]


def _copy(new: list[torch.Tensor], kept: list[torch.Tensor]) -> None:
    sizes: list[Any] = [[tuple(each.shape) for each in tensors] for tensors in (new, kept)]
    if sizes[0] != sizes[1]:
        raise ConfigError(
            f"run.cuda_graphs = true needs batches of one size: a batch of {sizes[0][0]} came "
            f"after one of {sizes[1][0]}. Set run.cuda_graphs = false."
        )
    for target, source in zip(kept, new, strict=True):
        target.copy_(source)
