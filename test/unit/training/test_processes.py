# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of a training: one training after another in the same process."""

import pytest

from spatialgeo_ros.training.processes import make_accelerator
from spatialgeo_ros.training.recipe import Optimisation

pytest.importorskip("accelerate")


def test_trainings_of_other_precision_and_passes_follow_each_other() -> None:
    for precision, mixed, passes in (("bf16", "bf16", 1), ("fp32", "no", 4), ("bf16", "bf16", 2)):
        how = Optimisation(rate=1e-3, batch=1, accumulation=passes, precision=precision)
        accelerator = make_accelerator(how, "cpu")
        assert accelerator.mixed_precision == mixed
        assert accelerator.gradient_accumulation_steps == passes
