# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes, annotation files, the order of samples, and the simulator's questions as data."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from checkpoints.llava import write_tokenizer

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.runtime.resources import find_resource
from spatialgeo_ros.speech.tokenizer import IMAGE_ID, load_tokenizer
from spatialgeo_ros.training.annotation_file import AnnotationFile
from spatialgeo_ros.training.command import TRAININGS, recipe_path
from spatialgeo_ros.training.command import main as train_command
from spatialgeo_ros.training.epoch_batches import EpochOrder, ProcessBatches
from spatialgeo_ros.training.llava_data import ConversationData, collate_images, image_pixels
from spatialgeo_ros.training.recipe import (
    PolicyRecipe,
    SpatialGeoRecipe,
    SpatialMllmRecipe,
    read_recipe,
)

KINDS = {
    "stage1": SpatialGeoRecipe,
    "stage2": SpatialGeoRecipe,
    "task_lora": SpatialGeoRecipe,
    "sft": SpatialMllmRecipe,
    "cold_start": SpatialMllmRecipe,
    "grpo": PolicyRecipe,
}
NAMES = [f"{model}_{kind}" for model, kinds in TRAININGS.items() for kind in kinds if kind in KINDS]


@pytest.fixture(scope="module")
def renderer() -> None:
    from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer
    from spatialgeo_ros.sim.room import make_room

    try:
        RoomRenderer(make_room(0), 16, 12).close()
    except RendererUnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "name", [f"{m}_{k}" for m in TRAININGS for k in TRAININGS[m] if k in KINDS]
)
def test_every_training_has_a_recipe(name: str) -> None:
    kind = KINDS[next(one for one in KINDS if name.endswith(one))]
    assert read_recipe(kind, recipe_path(name))


@pytest.mark.parametrize(
    ("name", "gpus", "batch", "rate", "projectors", "decay"),
    [
        ("spatialgeo_stage1", 8, 256, 1e-3, None, 0.0),
        ("spatialgeo_stage2", 8, 128, 2e-4, 2e-5, 0.0),
        ("spatialgeo_task_lora", 1, 128, 2e-4, 2e-5, 0.0),
        ("spatial_mllm_sft", 6, 48, 7e-6, 2e-5, 0.1),
    ],
)
def test_recipes_hold_the_published_settings(
    name: str, gpus: int, batch: int, rate: float, projectors: float | None, decay: float
) -> None:
    kind = SpatialGeoRecipe if "geo" in name else SpatialMllmRecipe
    how = read_recipe(kind, recipe_path(name)).optimisation
    assert how.batch * how.accumulation * gpus == batch
    assert (how.rate, how.projector_rate, how.weight_decay) == (rate, projectors, decay)
    assert (how.schedule, how.warmup_ratio, how.clip, how.seed) == ("cosine", 0.03, 1.0, 42)
    assert (how.precision, how.betas, how.epsilon) == ("bf16", (0.9, 0.999), 1e-8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("rate", "write name=value"),
        ("speed=1", "'speed' is no setting"),
        ("lora.ranks=1", "'ranks' is no setting"),
        ("batch=2.5", "must be of type int"),
        ("batch=many", "must be of type int"),
        ("batch=true", "must be of type int"),
        ("batch=0", "'batch' must be above 0"),
        ("schedule=constant", "one of cosine, linear"),
        ("trained=[connector]", "may name moge_projectors"),
        ("lora=8", "must be a section"),
        ("epochs=0", "'epochs' must be above 0"),
    ],
)
def test_wrong_settings_are_named(change: str, said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        read_recipe(SpatialGeoRecipe, recipe_path("spatialgeo_stage2"), [change])


def test_settings_are_changed_by_name() -> None:
    changes = ["rate=2e-5", "lora.rank=8", "projector_rate=null", "trained=[lora]"]
    recipe = read_recipe(SpatialGeoRecipe, recipe_path("spatialgeo_stage2"), changes)
    assert (recipe.optimisation.rate, recipe.lora.rank) == (2e-5, 8)
    assert (recipe.optimisation.projector_rate, recipe.trained) == (None, ("lora",))


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="none.yaml"):
        read_recipe(SpatialGeoRecipe, tmp_path / "none.yaml")
    (tmp_path / "short.yaml").write_text("version: v1\n")
    with pytest.raises(BadRequestError, match="'aspect' is missing"):
        read_recipe(SpatialGeoRecipe, tmp_path / "short.yaml")


@pytest.mark.parametrize("layout", ["array", "pretty", "lines"])
def test_annotations_are_read_where_they_lie(tmp_path: Path, layout: str) -> None:
    entries = [{"id": n, "text": 'Wänd, {[" ☃' * n} for n in range(5)]
    path = tmp_path / "data.json"
    if layout == "lines":
        path.write_text("\n".join(json.dumps(e, ensure_ascii=False) for e in entries))
    else:
        indent = 2 if layout == "pretty" else None
        path.write_text(json.dumps(entries, ensure_ascii=False, indent=indent))
    file = AnnotationFile(path, lambda entry: entry["id"] * 10)
    assert [file[k] for k in range(len(file))] == entries
    assert file.measures.tolist() == [0, 10, 20, 30, 40]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{}, {", "neither"),
        ("[{}, {}", "breaks off"),
        ("[{}, 3]", "no JSON object"),
        ("", "no entry"),
        ("{}\nnot\n", "byte 3"),
    ],
)
def test_damaged_annotations_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(BadRequestError, match=said):
        AnnotationFile(path, lambda entry: 1)
    with pytest.raises(BadRequestError, match=r"none\.json"):
        AnnotationFile(tmp_path / "none.json")


@pytest.mark.parametrize("lengths", [None, [3, -4, 5, -6, 7, 8, -9, 10, 11, 12, 13]])
def test_processes_share_the_batches_of_a_step(lengths: list[int] | None) -> None:
    order = EpochOrder(11, lengths, 2, 4, seed=1)
    assert order.steps == 2
    alone = list(ProcessBatches(order, 2, 4, 1, 0, 0, 5))
    four = [list(ProcessBatches(order, 2, 1, 4, rank, 0, 5)) for rank in range(4)]
    for step in range(5):
        assert alone[4 * step : 4 * step + 4] == [one[step] for one in four]
    # Every sample once in an epoch; the last step is filled up from its beginning.
    first = sum(alone[:8], [])
    assert sorted(first[:11]) == list(range(11)) and first[11:] == first[:5]
    if lengths is None:  # of so few samples with lengths, those left over lead each time
        assert first != sum(alone[8:16], [])


def test_a_run_goes_on_with_the_batches_that_are_left() -> None:
    order = EpochOrder(10, None, 2, 2, seed=1)
    whole = list(ProcessBatches(order, 2, 2, 1, 0, 0, 7))
    assert list(ProcessBatches(order, 2, 2, 1, 0, 4, 7)) == whole[8:]
    assert len(ProcessBatches(order, 2, 2, 1, 0, 4, 7)) == len(whole[8:])


def test_square_images_are_cut_and_padded_ones_are_not() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :20] = 255  # only the cut takes this away
    cut, padded = (image_pixels(image, aspect, 20) for aspect in ("square", "pad"))
    assert cut.shape == padded.shape == (3, 20, 20)
    assert float(cut.amax() - cut.amin()) < 3 < float(padded.amax() - padded.amin())
    from transformers import CLIPImageProcessor

    own = np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)
    processor = CLIPImageProcessor(size={"shortest_edge": 20}, crop_size=20)
    expected = processor(own, return_tensors="pt").pixel_values[0]
    assert float((image_pixels(own, "square", 20) - expected).abs().max()) < 0.05


@pytest.mark.usefixtures("renderer")
def test_the_simulator_exports_for_llava(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece", reason="needs the extra 'llava'")
    from spatialgeo_ros.training.conversation_export import main

    words = ["--format", "llava", "--out", tmp_path, "--rooms", 2, "--views", 2, "--questions", 3,
             "--size", 160, 120]  # fmt: skip
    assert main([str(one) for one in words]) == 0
    entries = json.loads((tmp_path / "llava.json").read_text())
    assert len(entries) >= 3
    for entry in entries:
        assert cv2.imread(str(tmp_path / "images" / entry["image"])).shape == (120, 160, 3)
        said = [turn["value"] for turn in entry["conversations"]]
        assert said[0].startswith("<image>\n")
        assert not any("region" in one or " ?" in one or "the object" in one for one in said)
    data = ConversationData(
        tmp_path / "llava.json", tmp_path / "images",
        load_tokenizer(write_tokenizer(tmp_path / "tokenizer")), version="v1", aspect="pad",
        side=28, max_length=2048,
    )  # fmt: skip
    batch = collate_images([data[k] for k in range(len(data))], 2048, 28)
    assert batch.dropped == 0 and len(batch.pixels) == len(entries)
    assert bool(((batch.text.input_ids == IMAGE_ID).sum(1) == 1).all())
    assert bool(((batch.text.labels > 0).sum(1) > 5).all())


@pytest.mark.usefixtures("renderer")
def test_the_simulator_exports_for_qwen(tmp_path: Path) -> None:
    from spatialgeo_ros.sim.room import make_room
    from spatialgeo_ros.training.clip_data import read_frames
    from spatialgeo_ros.training.conversation_export import main
    from spatialgeo_ros.training.recipe import Frames
    from spatialgeo_ros.training.rewards import group_rewards

    words = ["--format", "qwen", "--out", tmp_path, "--rooms", 1, "--frames", 6, "--questions", 30,
             "--size", 160, 120]  # fmt: skip
    assert main([str(one) for one in words]) == 0
    lines = [json.loads(line) for line in (tmp_path / "qwen.jsonl").read_text().splitlines()]
    frames, seconds = read_frames(tmp_path / "clips" / lines[0]["video"], Frames(4, 4))
    assert (len(frames), frames[0].shape, seconds) == (4, (120, 160, 3), 0.5)
    room = make_room(0)
    sizes = {thing.name: max(thing.size) for thing in room.objects}
    types = set()
    for line in lines:
        types.add(line["original_question_type"])
        truth = line["conversations"][1]["value"]
        (reward,) = group_rewards(line["problem_type"], line["solution"], [truth])
        assert reward.task == 1
        if line["original_question_type"] == "object_size_estimation":
            name = next(one for one in sizes if f"the {one}," in line["problem"])
            assert float(truth) == pytest.approx(100 * sizes[name], abs=0.5)
        if line["original_question_type"] == "object_counting":
            kind = line["problem"].split()[2].removesuffix("(s)")
            assert int(truth) == sum(thing.kind == kind for thing in room.objects)
        if line["options"]:
            assert all(option in line["conversations"][0]["value"] for option in line["options"])
    assert {"room_size_estimation", "object_size_estimation", "object_abs_distance"} <= types


def test_thoughts_are_chosen_by_their_worth(tmp_path: Path) -> None:
    def item(kind: str, truth: str, *said: str, **more: str) -> dict[str, object]:
        thoughts = [f"<think>so</think><answer>{one}</answer>" for one in said]
        told = {"problem": "How many?", "path": "a.mp4", "solution": f"<answer>{truth}</answer>"}
        return {**told, "problem_type": kind, "completions": thoughts, **more}

    items = [
        item("multiple choice", "A", "B", "A", "C"),
        item("multiple choice", "A", "B", "C"),  # below the median of its type
        item("multiple choice", "B", "B"),
        item("numerical", "10", "9", "20"),
        item("numerical", "10", "40", original_question_type="other"),  # alone in its type
    ]
    worthless = {**item("verbal", "xyz"), "completions": ["nothing"]}
    (tmp_path / "data.json").write_text(json.dumps([*items, worthless]))
    output = tmp_path / "chosen.jsonl"
    words = ["spatial_mllm", "choose", "--data", tmp_path / "data.json", "--output", output]
    assert train_command([str(one) for one in words]) == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    said = [line["conversations"][1]["value"] for line in lines]
    assert [one[25:-9] for one in said] == ["A", "B", "9", "40"]
    asked = lines[0]["conversations"][0]["value"]
    assert asked.startswith("<video>\nHow many?\nPlease think") and asked.endswith("tags.")


def test_problems_without_completions_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data.json").write_text(json.dumps([{"problem": "?", "problem_type": "verbal"}]))
    words = ["--data", str(tmp_path / "data.json"), "--output", str(tmp_path / "out.jsonl")]
    assert train_command(["spatial_mllm", "choose", *words]) == 1
    assert "no 'completions'" in capsys.readouterr().err
    (tmp_path / "data.json").write_text(json.dumps([{"completions": ["a"], "problem": "?"}]))
    assert train_command(["spatial_mllm", "choose", *words]) == 1
    assert "problem 0 lacks problem_type, solution" in capsys.readouterr().err


def test_launch_files_are_shipped_for_every_engine() -> None:
    import yaml

    folder = find_resource("config/training/accelerate")
    kinds = {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yaml")}
    assert set(kinds) == {"copies", "zero2", "zero3", "zero3_offload", "fsdp2_spatialgeo",
                          "fsdp2_spatial_mllm"}  # fmt: skip
    config = pytest.importorskip("accelerate.commands.config.config_args", reason="extra 'train'")
    for name in kinds:
        assert config.load_config_from_file(str(folder / f"{name}.yaml")).mixed_precision == "bf16"


def test_full_sizes_are_counted() -> None:
    pytest.importorskip("peft", reason="needs the extra 'train'")
    from bench.training_memory import Counted, Engine, spatialgeo

    assert Engine("", 2, 14, False).gib(Counted(2**30, 2**31), 2) == 2 + 2 + 7
    with torch.no_grad():
        counted = spatialgeo("spatialgeo_stage1")
    assert counted.trained == 4 * (1024 * 4096 + 4096 + 4096 * 4096 + 4096)


def test_deepspeed_gets_the_recipe_s_numbers() -> None:
    """accelerate leaves accumulation and clipping to it, and its own defaults are 1 and none."""
    from spatialgeo_ros.training.processes import tell_deepspeed

    how = read_recipe(SpatialMllmRecipe, recipe_path("spatial_mllm_sft")).optimisation
    fields = {"zero_optimization": {"stage": 3}, "gradient_accumulation_steps": 1}
    tell_deepspeed(fields, how)
    assert fields["gradient_accumulation_steps"] == how.accumulation == 8
    assert (fields["gradient_clipping"], fields["train_micro_batch_size_per_gpu"]) == (1.0, 1)
