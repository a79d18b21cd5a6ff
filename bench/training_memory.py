# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory that weights, gradients and optimiser take on each GPU, for every shipped training.

``python -m bench training_memory``. The trainings' own modules are built at full size on the meta
device by the shipped recipes, and their tensors counted; nothing is computed. What a pass keeps of
its activations comes on top.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from bench.full_size import CLIP_L_336, LLAVA_7B, QWEN_3B_TEXT, QWEN_3B_VISION, VGGT_1B
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.fusion import HierarchicalAdapter
from spatialgeo_ros.models.moge import configs as moge_configs
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge
from spatialgeo_ros.models.quantise import is_quantisable
from spatialgeo_ros.models.spatial_mllm import SpatialMllm
from spatialgeo_ros.models.spatial_mllm.connector import Connector
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.models.vggt import Vggt
from spatialgeo_ros.training.command import recipe_path
from spatialgeo_ros.training.policy_trainee import PolicyTrainee
from spatialgeo_ros.training.recipe import (
    LORA,
    PolicyRecipe,
    SpatialGeoRecipe,
    SpatialMllmRecipe,
    read_recipe,
)
from spatialgeo_ros.training.spatial_mllm_trainee import SpatialMllmTrainee
from spatialgeo_ros.training.spatialgeo_trainee import SpatialGeoTrainee

GPUS = (1, 2, 4, 8)
_GIB = 2**30
#: NF4 with double quantisation: 4 bits, a byte for each 64, 4 bytes for each 256 of those.
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)


@dataclass(frozen=True)
class Counted:
    """Parameters of a training.

    Attributes:
        trained: how many learn.
        frozen_bytes: of all others.
    """

    trained: int
    frozen_bytes: float


@dataclass(frozen=True)
class Engine:
    """How a launch shares memory out.

    Attributes:
        name: of the file in ``config/training/accelerate``.
        trained: bytes of each learning parameter that every GPU holds.
        shared: bytes of each that are dealt out to the GPUs.
        frozen_shared: whether frozen weights are dealt out, too.
    """

    name: str
    trained: float
    shared: float
    frozen_shared: bool

    def gib(self, counted: Counted, gpus: int) -> float:
        """GiB on each GPU."""
        frozen = counted.frozen_bytes / (gpus if self.frozen_shared else 1)
        return (frozen + counted.trained * (self.trained + self.shared / gpus)) / _GIB


#: Copies: float32 weight, gradient and two moments. ZeRO: bfloat16 weight and gradient, float32
#: master and moments. FSDP2: float32 weight, gradient and moments.
ENGINES = (
    Engine("copies", 16, 0, False),
    Engine("zero2", 2, 14, False),
    Engine("zero3", 0, 16, True),
    Engine("fsdp2", 0, 16, True),
)


def count(module: nn.Module, packed: nn.Module | None = None) -> Counted:
    """Count a module's parameters and buffers; linear layers of ``packed`` as NF4."""
    in_nf4: set[int] = set()
    for name, layer in packed.named_modules() if packed is not None else ():
        if is_quantisable(name, layer) and "lora_" not in name:
            in_nf4.add(id(layer.weight))
    frozen = 0.0
    for one in [*module.parameters(), *module.buffers()]:
        if not one.requires_grad:
            frozen += one.numel() * (_NF4_BYTES if id(one) in in_nf4 else one.element_size())
    return Counted(sum(p.numel() for p in module.parameters() if p.requires_grad), frozen)


def spatialgeo(name: str) -> Counted:
    """A training of SpatialGeo."""
    recipe = read_recipe(SpatialGeoRecipe, recipe_path(name))
    with torch.device("meta"):
        vision, tower = ClipVisionTower(CLIP_L_336), build_moge(moge_configs.V1_VITL)
        assert isinstance(tower, MoGe1)
        width = int(LLAVA_7B["hidden_size"])
        adapter = HierarchicalAdapter(vision.dim, tower.backbone.dim, width)
        language = LlamaForCausalLM(LlamaConfig(**LLAVA_7B))
        # The backbone alone is trained with: vit_model.pt.
        model = SpatialGeoModel(language, adapter, vision, tower.backbone).bfloat16()
        model.requires_grad_(False)
        trainee = SpatialGeoTrainee(model, recipe, "", {})
    packs = LORA in recipe.trained and recipe.lora.quantisation == "nf4"
    return count(trainee, trainee.language if packs else None)


def spatial_mllm(name: str) -> Counted:
    """A training of Spatial-MLLM; the policy's reference model is counted, too."""
    with torch.device("meta"):
        config = Qwen2_5_VLConfig(
            text_config=QWEN_3B_TEXT, vision_config=QWEN_3B_VISION, tie_word_embeddings=True
        )
        qwen, vggt = Qwen2_5_VLForConditionalGeneration(config), Vggt(VGGT_1B, heads=())
        qwen.lm_head.weight = qwen.get_input_embeddings().weight
        connector = Connector(2 * VGGT_1B.embed_dim, QWEN_3B_TEXT["hidden_size"])
        chat = SimpleNamespace(tokenizer=SimpleNamespace(token_id=lambda _: 0))
        model = SpatialMllm(qwen, vggt, connector, cast(Any, chat)).bfloat16()
        model.requires_grad_(False)
        if name.endswith("grpo"):
            policy = read_recipe(PolicyRecipe, recipe_path(name))
            reference = count(qwen.model.language_model).frozen_bytes
            found = count(PolicyTrainee(model, policy, Path(), None))
            return Counted(found.trained, found.frozen_bytes + reference)
        recipe = read_recipe(SpatialMllmRecipe, recipe_path(name))
        return count(SpatialMllmTrainee(model, recipe.trained, False, Path(), None))


TRAININGS: dict[str, tuple[Callable[[str], Counted], tuple[str, ...]]] = {
    "spatialgeo_stage1": (spatialgeo, ("copies", "zero2", "fsdp2")),
    "spatialgeo_stage2": (spatialgeo, ("copies", "zero2", "fsdp2")),
    "spatialgeo_task_lora": (spatialgeo, ("copies",)),
    "spatial_mllm_sft": (spatial_mllm, ("copies", "zero2", "zero3", "fsdp2")),
    "spatial_mllm_grpo": (spatial_mllm, ("copies", "zero2")),
}


def rows() -> list[str]:
    """Lines of the table."""
    lines = [
        "| training | learns, M | frozen, GiB | launch | "
        + " | ".join(f"{n} GPU{'s' * (n > 1)}" for n in GPUS)
        + " |",
        "|---|---|---|---|" + "---|" * len(GPUS),
    ]
    for name, (build, launches) in TRAININGS.items():
        counted = build(name)
        for engine in ENGINES:
            if engine.name in launches:
                sizes = " | ".join(f"{engine.gib(counted, gpus):.1f}" for gpus in GPUS)
                lines.append(
                    f"| {name} | {counted.trained / 1e6:.1f} | {counted.frozen_bytes / _GIB:.1f} "
                    f"| {engine.name} | {sizes} |"
                )
    return lines


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds")
    parser.parse_args()
    print("\n".join(rows()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
