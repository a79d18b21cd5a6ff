# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pass of a trainee in pieces on two processes (FSDP2 over gloo) beside one in one piece.

Run by torchrun from tests: kind of model and the folder that the tests made. Prints the two losses,
and by how much the largest difference of a gradient is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from spatialgeo_ros.speech.tokenizer import load_tokenizer
from spatialgeo_ros.training.clip_data import ClipData, collate_clips
from spatialgeo_ros.training.command import recipe_path
from spatialgeo_ros.training.llava_data import ConversationData, collate_images
from spatialgeo_ros.training.recipe import SpatialGeoRecipe, SpatialMllmRecipe, read_recipe
from spatialgeo_ros.training.spatial_mllm_trainee import SpatialMllmTrainee, load_mllm_start
from spatialgeo_ros.training.spatialgeo_trainee import SpatialGeoTrainee, load_start
from spatialgeo_ros.training.trainee import Trainee


def spatialgeo(start: Path) -> tuple[Trainee, Any, str]:
    changes = ["precision=fp32", "lora.rank=4", "lora.dropout=0", "drop_probability=0"]
    recipe = read_recipe(SpatialGeoRecipe, recipe_path("spatialgeo_stage2"), changes)
    model = load_start(recipe, start / "llava", start / "first", start / "clip",
                       start / "vit_model.pt", "cpu")  # fmt: skip
    torch.manual_seed(0)  # of the updates
    trainee = SpatialGeoTrainee(model, recipe, "", {})
    for name, parameter in trainee.named_parameters():
        if "lora_B" in name:  # else the gradients of half of the updates are 0
            torch.nn.init.normal_(parameter, std=0.1)
    data = ConversationData(
        start / "questions.json", start / "images", load_tokenizer(start / "llava"), version="v1",
        aspect="pad", side=84, max_length=2048,
    )  # fmt: skip
    return trainee, collate_images([data[k] for k in range(3)], 2048, 84), "LlamaDecoderLayer"


def spatial_mllm(start: Path) -> tuple[Trainee, Any, str]:
    changes = ["precision=fp32", "frames.least=4", "frames.most=4", "frames.min_pixels=784",
               "frames.max_pixels=3136"]  # fmt: skip
    recipe = read_recipe(SpatialMllmRecipe, recipe_path("spatial_mllm_sft"), changes)
    vggt = start / "vggt.safetensors"
    model = load_mllm_start(start / "qwen", vggt, recipe.optimisation, "cpu")
    trainee = SpatialMllmTrainee(model, recipe.trained, False, start / "qwen", vggt)
    data = ClipData(str(start / "data.jsonl"), start / "files", model.chat, recipe.frames, 2.0)
    batch = collate_clips([data[k] for k in range(2)], model.tokenizer.pad_id, 8192)
    return trainee, batch, "Qwen2_5_VLDecoderLayer"


def main(kind: str, start: str) -> None:
    dist.init_process_group("gloo")
    build = {"spatialgeo": spatialgeo, "spatial_mllm": spatial_mllm}[kind]
    whole, batch, layer = build(Path(start))
    loss = whole.train()(batch)
    loss.backward()
    expected = {n: p.grad for n, p in whole.named_parameters() if p.requires_grad}
    pieces, batch, _ = build(Path(start))
    mesh = init_device_mesh("cpu", (2,))
    for module in list(pieces.modules()):
        if type(module).__name__ == layer:
            fully_shard(module, mesh=mesh)
    fully_shard(pieces, mesh=mesh)
    shared = pieces.train()(batch)
    shared.backward()
    worst = 0.0
    for name, parameter in pieces.named_parameters():
        if parameter.requires_grad:
            found, wanted = parameter.grad.full_tensor(), expected[name]  # type: ignore[union-attr]
            assert wanted is not None and float(wanted.abs().max()) > 0, name
            worst = max(worst, float((found - wanted).abs().max() / wanted.abs().max()))
    if dist.get_rank() == 0:
        print(json.dumps([float(loss), float(shared), worst]))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
