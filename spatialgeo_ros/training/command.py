# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo train``: the nano profile from nothing, published models by their recipes."""

from __future__ import annotations

import argparse
import functools
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from spatialgeo_ros.errors import SpatialGeoError

#: Models and what can be trained of them.
TRAININGS = {
    "spatialgeo": ("stage1", "stage2", "task_lora", "merge"),
    "spatial_mllm": ("sft", "choose", "cold_start", "grpo"),
}
_USAGE = """usage: spatialgeo train nano [--help]
       spatialgeo train spatialgeo stage1|stage2|task_lora|merge [--help]
       spatialgeo train spatial_mllm sft|choose|cold_start|grpo [--help]
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 done, 1 not possible and why, 2 misuse)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    model = arguments[0] if arguments else ""
    if model in TRAININGS:
        if len(arguments) < 2 or arguments[1] not in TRAININGS[model]:
            print(f"spatialgeo train {model}: say which: {', '.join(TRAININGS[model])}",
                  file=sys.stderr)  # fmt: skip
            return 2
        return _published(model, arguments[1], arguments[2:])
    if model in ("-h", "--help"):
        print(_USAGE)
        return 0
    if model and not model.startswith("-") and model not in ("nano", "nano_detector"):
        print(f"spatialgeo train: nothing is called '{model}'\n{_USAGE}", file=sys.stderr)
        return 2
    # Imported here: it needs the simulator, which the published models do not.
    from spatialgeo_ros.training import nano

    return nano.main(arguments[1:] if model == "nano" else arguments)


def _published(model: str, training: str, arguments: Sequence[str]) -> int:
    options = _parser(model, training).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    run: Callable[[str, argparse.Namespace], None] = {
        "stage1": _spatialgeo, "stage2": _spatialgeo, "task_lora": _spatialgeo, "merge": _merge,
        "sft": _spatial_mllm, "cold_start": _spatial_mllm, "grpo": _policy,
        "choose": _choose,
    }[training]  # fmt: skip
    try:
        run(f"{model}_{training}", options)
    except (SpatialGeoError, FloatingPointError, OSError) as error:
        print(f"spatialgeo train {model} {training}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser(model: str, training: str) -> argparse.ArgumentParser:
    texts = {
        "stage1": "SpatialGeo's first stage: the projectors of MoGe's layers, on captions",
        "stage2": "SpatialGeo's second stage: low-rank updates and all projectors, on questions",
        "task_lora": "own data: low-rank updates on a merged SpatialGeo, by default in NF4",
        "merge": "put low-rank updates and projectors into the base's weights, as one checkpoint",
        "sft": "Spatial-MLLM's supervised training",
        "cold_start": "Spatial-MLLM's cold start on chosen thoughts",
        "choose": "choose thoughts for the cold start from a larger model's completions",
        "grpo": "group relative policy optimisation of Spatial-MLLM",
    }
    parser = argparse.ArgumentParser(
        prog=f"spatialgeo train {model} {training}", description=texts[training]
    )
    paths = functools.partial(parser.add_argument, type=Path)
    where = "folder of the result, its log and its checkpoints"
    paths("--output", required=True, help=where)
    if training == "choose":
        paths("--data", required=True, help="problems with 'completions', JSON or JSONL")
        return parser
    if model == "spatialgeo":
        paths("--base", required=True, help="folder of LLaVA-1.5, or of a merged SpatialGeo")
        what = "stage 2's folder" if training == "merge" else "stage 1's folder"
        paths("--adapter", required=training == "merge", help=what)
        paths("--clip", required=True, help="folder of CLIP ViT-L/14 336")
        paths("--tower", help="MoGe v1's vit_model.pt or model.pt")
    else:
        paths("--base", required=True, help="Qwen2.5-VL's folder (with --vggt), or Spatial-MLLM's")
        paths("--vggt", help="VGGT's file or folder: the connector starts from nothing")
    if training == "merge":
        return parser
    if model == "spatialgeo":
        paths("--data", required=True, help="LLaVA's JSON")
    else:
        what = "annotations, JSON or JSONL: a.jsonl,b.json%%50 takes all of a and half of b"
        parser.add_argument("--data", required=True, help=what)
    paths("--files", required=True, help="folder that images and videos are named below")
    paths("--config", help="recipe; default: the published settings")
    what = "change a setting of the recipe; may be given several times"
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=what)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser


def recipe_path(name: str, own: Path | None = None) -> Path:
    """File of a training's settings."""
    from spatialgeo_ros.runtime.resources import find_resource

    return own or find_resource("config/training") / f"{name}.yaml"


def _spatialgeo(name: str, options: argparse.Namespace) -> None:
    from spatialgeo_ros.models.files.shards import read_json
    from spatialgeo_ros.speech.tokenizer import load_tokenizer
    from spatialgeo_ros.training.llava_data import ConversationData, collate_images
    from spatialgeo_ros.training.processes import make_accelerator
    from spatialgeo_ros.training.recipe import SpatialGeoRecipe, read_recipe
    from spatialgeo_ros.training.spatialgeo_trainee import SpatialGeoTrainee, load_start
    from spatialgeo_ros.training.trainee import Work
    from spatialgeo_ros.training.trainer import Training

    recipe = read_recipe(SpatialGeoRecipe, recipe_path(name, options.config), options.set)
    how = recipe.optimisation
    accelerator = make_accelerator(how, options.device)
    model = load_start(
        recipe, options.base, options.adapter, options.clip, options.tower, accelerator.device
    )
    assert model.vision_tower is not None
    side = model.vision_tower.image_size
    data = ConversationData(
        options.data, options.files, load_tokenizer(options.base), version=recipe.version,
        aspect=recipe.aspect, side=side, max_length=recipe.max_length,
    )  # fmt: skip
    trainee = SpatialGeoTrainee(
        model, recipe, str(options.base), read_json(options.base / "config.json")
    )
    work = Work(
        data, functools.partial(collate_images, max_length=recipe.max_length, side=side), how,
        options.output, data.lengths if how.grouped else None,
        facts={"training": name, "loss": _LOSS},
    )  # fmt: skip
    Training(accelerator, trainee, work).run()


_LOSS = "mean over the tokens of a pass, then over passes and processes"


def _spatial_mllm(name: str, options: argparse.Namespace) -> None:
    from spatialgeo_ros.training.clip_data import ClipData, collate_clips
    from spatialgeo_ros.training.processes import make_accelerator
    from spatialgeo_ros.training.recipe import SpatialMllmRecipe, read_recipe
    from spatialgeo_ros.training.spatial_mllm_trainee import SpatialMllmTrainee, load_mllm_start
    from spatialgeo_ros.training.trainee import Work
    from spatialgeo_ros.training.trainer import Training

    recipe = read_recipe(SpatialMllmRecipe, recipe_path(name, options.config), options.set)
    how = recipe.optimisation
    accelerator = make_accelerator(how, options.device)
    model = load_mllm_start(options.base, options.vggt, how, accelerator.device)
    rate = model.qwen.model.visual.config.tokens_per_second
    data = ClipData(options.data, options.files, model.chat, recipe.frames, rate)
    trainee = SpatialMllmTrainee(
        model, recipe.trained, how.checkpointing, options.base, options.vggt
    )
    collate = functools.partial(
        collate_clips, pad_id=model.tokenizer.pad_id, max_length=recipe.max_length
    )
    work = Work(data, collate, how, options.output, facts={"training": name, "loss": _LOSS})
    Training(accelerator, trainee, work).run()


def _policy(name: str, options: argparse.Namespace) -> None:
    from spatialgeo_ros.training.policy_trainee import train_policy
    from spatialgeo_ros.training.recipe import PolicyRecipe, read_recipe

    recipe = read_recipe(PolicyRecipe, recipe_path(name, options.config), options.set)
    train_policy(
        name, recipe, options.base, options.vggt, options.data, options.files, options.output,
        options.device,
    )  # fmt: skip


def _choose(name: str, options: argparse.Namespace) -> None:
    from spatialgeo_ros.training.recipe import PolicyRecipe, read_recipe
    from spatialgeo_ros.training.thought_choice import write_thoughts

    # In the words that policy optimisation will ask in.
    recipe = read_recipe(PolicyRecipe, recipe_path("spatial_mllm_grpo"))
    count, kept = write_thoughts(options.data, options.output, recipe.instruction)
    print(f"{options.output}: {kept} of {count} problems")


def _merge(name: str, options: argparse.Namespace) -> None:
    import torch

    from spatialgeo_ros.models.files.shards import read_json
    from spatialgeo_ros.models.llava.llava_checkpoint import load_llava
    from spatialgeo_ros.training.published_files import write_checkpoint

    # On the CPU: nothing is computed but the sums.
    model = load_llava(
        options.base, options.adapter, options.clip, options.tower, dtype=torch.float16
    )
    state = dict(model.language_model.state_dict())
    state |= {f"model.{key}": tensor for key, tensor in model.adapter.state_dict().items()}
    config = {**read_json(options.base / "config.json"), "model_type": "llava_llama",
              "torch_dtype": "float16"}  # fmt: skip
    write_checkpoint(options.output, state, config, options.base)


if __name__ == "__main__":
    raise SystemExit(main())
