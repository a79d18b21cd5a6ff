# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of a training and how they share it: accelerate, by whatever launched them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.construction import choose_device
from spatialgeo_ros.training.recipe import Optimisation


def make_accelerator(optimisation: Optimisation, device: str = "auto") -> Any:
    """Join the processes of a launch, or be the only one.

    Args:
        optimisation: precision, passes and seed.
        device: "auto", "cpu", or "cuda" for a refusal where there is none.

    Raises:
        ModelLoadError: accelerate is not installed, or there is no such device.
    """
    if device == "cuda":
        choose_device(device)
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
        from accelerate.utils import GradientAccumulationPlugin
    except ModuleNotFoundError as error:
        raise ModelLoadError(
            f"{error.name} is not installed; this training needs it: "
            "pip install 'spatialgeo_ros[train]'"
        ) from error
    passes = GradientAccumulationPlugin(
        num_steps=optimisation.accumulation, sync_with_dataloader=False
    )
    # Of an earlier training in this process: accelerate refuses another precision or device. There
    # is no public name for it; transformers' Trainer does the same.
    AcceleratorState._reset_state(reset_partial_state=True)
    precision = "bf16" if optimisation.precision == "bf16" else "no"
    accelerator = Accelerator(
        mixed_precision=precision, gradient_accumulation_plugin=passes, cpu=device == "cpu"
    )
    if plugin := accelerator.state.deepspeed_plugin:
        tell_deepspeed(plugin.deepspeed_config, optimisation)
    # The same on all processes, as published.
    random.seed(optimisation.seed)
    np.random.seed(optimisation.seed)
    torch.manual_seed(optimisation.seed)
    return accelerator


def tell_deepspeed(config: dict[str, Any], optimisation: Optimisation) -> None:
    """Put a recipe's numbers into DeepSpeed's configuration.

    It divides the loss by its own number of passes and clips gradients itself, before accelerate is
    asked to; and no prepared data loader tells it the batch.
    """
    config["train_micro_batch_size_per_gpu"] = optimisation.batch
    config["gradient_accumulation_steps"] = optimisation.accumulation
    config["gradient_clipping"] = optimisation.clip
