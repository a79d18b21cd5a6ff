# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one of the published trainings is made of: a module with a loss, data and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from spatialgeo_ros.training.parameter_groups import PROJECTOR
from spatialgeo_ros.training.recipe import Optimisation


class Trainee(nn.Module):
    """What is trained: its forward pass gives the loss of a batch.

    Attributes:
        projector: part of the names of the parameters that ``projector_rate`` is for.
    """

    projector: str | tuple[str, ...] = PROJECTOR

    def forward(self, batch: Any) -> Tensor:
        """Return the loss of a batch, a scalar."""
        raise NotImplementedError

    def go_to(self, samples: int) -> None:
        """Be as after so many samples of this process, where more than the weights depends on it.

        Most depend on nothing.
        """

    def write(self, folder: Path, state: Mapping[str, Tensor]) -> None:
        """Write the published layout.

        Args:
            folder: made if it is not there.
            state: what was trained, by its names in this module, whole and on the CPU.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Work:
    """Data and settings of a training.

    Attributes:
        samples: what is learnt from.
        collate: of a list of samples, a batch; a batch has ``dropped``, a number of broken samples.
        optimisation: see there.
        output: folder for checkpoints, log and the result.
        lengths: of the samples, where batches of like length are wanted.
        prepare: makes of a batch, on its process, what the trainee's forward pass takes, and parts
            for the log; for what needs the trained model itself (rollouts).
        facts: written to the log's first line.
    """

    samples: Dataset[Any]
    collate: Callable[[list[Any]], Any]
    optimisation: Optimisation
    output: Path
    lengths: Sequence[int] | None = None
    prepare: Callable[[Any, int], tuple[Any, dict[str, float]]] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
