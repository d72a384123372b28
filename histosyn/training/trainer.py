"""The GAN trainer. It knows nothing of files, clusters or metrics: observers do.

A batch becomes the inputs of a step, the configured update steps both optimizers, the moving
average (EMA) follows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from histosyn.config.train import TrainConfig
from histosyn.networks.convolutions import Form, computed_as
from histosyn.networks.generator import Generator
from histosyn.networks.label_tables import label_tables
from histosyn.networks.modulation import tables_below
from histosyn.shards.batch import Batch
from histosyn.shards.stream import ShardStream
from histosyn.training.adversaries import Adversaries
from histosyn.training.diagnostics import diagnose
from histosyn.training.objectives import make_objective
from histosyn.training.recalibration import Recalibration
from histosyn.training.recorded_step import Measured, RecordedStep, recorder_for
from histosyn.training.step_inputs import Arrived, StepInputs, moved, step_inputs
from histosyn.training.steps import StepTrainer
from histosyn.training.updates import UPDATES, simultaneous_gradients
from hpc.device_copies import CopyStream
from hpc.recorded_work import Recorder

# In a checkpoint; those of older versions always were.
AVERAGE_IS_READY = "average_is_ready"


class Trainer(StepTrainer):
    """Trains generator and discriminator from `step` to the configured number of steps."""

    config: TrainConfig
    stream: ShardStream

    def __init__(
        self,
        config: TrainConfig,
        stream: ShardStream,
        adversaries: Adversaries,
        device: torch.device,
        recalibration: Recalibration | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        super().__init__(config, stream, device)
        self.adversaries = adversaries
        self.objective = make_objective(
            config.loss,
            config.discriminator,
            device,
            stain=adversaries.generator.network.stain,
        )
        self._update = UPDATES[config.run.updates]
        self._recalibration = recalibration
        # For batches of other sources: those of the stream come with it.
        self._find = label_tables(config, adversaries.generator.network.classes, device)
        self._copies = CopyStream(device)
        # Settled by whoever starts a run; for others it is as PyTorch has it.
        form, below = config.run.convolutions, config.run.tables_below
        self._form: Form = "plain" if form == "auto" else form
        self._tables_below = 1.0 if below is None else below
        recorder = recorder or recorder_for(config, device)
        self._recorded: RecordedStep | None = None
        if recorder is not None:
            networks = adversaries.networks.values()
            weights = [weight for network in networks for weight in network.parameters()]
            self._recorded = RecordedStep(config, recorder, self._gradients, weights)
        self._table_costs = config.run.table_costs

    def take_step(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Both networks learn from a batch; losses by "network/term"."""
        if batch.tables is None:
            batch = replace(batch, tables=self._find(batch.labels_NHW))
        arrived = moved(batch, self.device, self._copies)
        with computed_as(self._form), tables_below(self._tables_below, self._table_costs):
            losses, self.diagnostics = self._learn(arrived)
        self.adversaries.ema.update(self.adversaries.generator.network, self.step)
        return losses

    def _learn(self, arrived: Arrived) -> Measured:
        if self._recorded is not None:
            measured = self._recorded(arrived, self.step)
            self.adversaries.step_optimizers()
            return measured
        inputs = step_inputs(self.config, arrived, self.step)
        result = self._update(self.adversaries, self.objective, inputs)
        return result.losses, diagnose(result, self.objective.accuracy)

    def _gradients(self, inputs: StepInputs) -> Measured:
        result = simultaneous_gradients(self.adversaries, self.objective, inputs)
        return result.losses, diagnose(result, self.objective.accuracy)

    def averaged_generator(self) -> Generator:
        """The moving average, fit to be looked at: what is drawn, evaluated, saved and shipped.

        Every rank has to ask for it at the same step: its batch statistics are counted together.
        Raises StopRequested if all ranks are asked to stop meanwhile.
        """
        ema = self.adversaries.ema
        if self._recalibration is not None:
            self._recalibration(ema.network, self.step, self.asked)
        return ema.network

    @property
    def average_is_ready(self) -> bool:
        """Whether the average of this step has its batch statistics."""
        return self._recalibration is None or self._recalibration.is_done(self.step)

    def take_over_average(self, ready: bool) -> None:
        """The average was loaded, with statistics of its own or without."""
        if self._recalibration is not None:
            self._recalibration.done_at = self.step if ready else None

    def state(self) -> dict[str, Any]:
        """Everything that determines the future of this run, but for the configuration."""
        return {
            "step": self.step,
            "images_seen": self.images_seen,
            AVERAGE_IS_READY: self.average_is_ready,
            "players": self.adversaries.state(),
            "carried": self.carried,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.step = state["step"]
        self.adversaries.load(state["players"])
        self.carried = state.get("carried", {})
        self.take_over_average(state.get(AVERAGE_IS_READY, True))

    def learning_rates(self) -> dict[str, float]:
        """Those of both networks, which stay as configured."""
        settings = self.config.optimizer
        return {
            "generator_lr": settings.generator_lr,
            "discriminator_lr": settings.discriminator_lr,
        }
