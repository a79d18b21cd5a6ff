# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a node with the nano profile must not import: each start reads it from the robot's disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
#: Packages and modules, with all that is in them. Not accelerate, which transformers imports
#: wherever it is installed; only training asks for it.
FORBIDDEN = (
    "bitsandbytes", "matplotlib", "onnx", "onnxruntime", "onnxscript", "pandas", "scipy",
    "sklearn", "tensorrt", "torchvision", "torch.utils.tensorboard",
    "transformers.models.qwen2", "transformers.models.qwen2_5_vl", "transformers.models.siglip",
    "transformers.trainer", "spatialgeo_ros.models.spatial_mllm",
    "spatialgeo_ros.models.spatialrgpt", "spatialgeo_ros.models.vggt", "spatialgeo_ros.training",
    "spatialgeo_ros.evaluation",
)  # fmt: skip
PROGRAM = """
import json, sys
from spatialgeo_ros.perception import Perception

perception = Perception.load("nano", "cpu")
perception.warm_up()
perception.close()
json.dump(sorted(sys.modules), sys.stdout)
"""


def test_nano_loads_and_answers_without_them() -> None:
    """The backend is PyTorch, so ONNX Runtime is not selected."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert "transformers.models.llama.modeling_llama" in loaded  # it did load the networks
    found = [
        name
        for name in loaded
        if any(name == one or name.startswith(f"{one}.") for one in FORBIDDEN)
    ]
    assert not found, f"{len(found)} modules, such as {', '.join(found[:5])}"
