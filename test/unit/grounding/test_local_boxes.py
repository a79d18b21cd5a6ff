# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL in this process is asked for boxes: what transformers would say, read as boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from checkpoints.spatial_mllm import write_qwen_vl, write_spatial_mllm_3b

from spatialgeo_ros.errors import CancelledError, ModelLoadError, RequestTimeoutError
from spatialgeo_ros.grounding.box_models import BoxQuestion, LocalBoxModel
from spatialgeo_ros.grounding.factory import load_grounding
from spatialgeo_ros.grounding.vlm_boxes import VlmBoxDetector
from spatialgeo_ros.grounding.vlm_reply import ServedDetectorError, instructions
from spatialgeo_ros.models.grounding_profile import load_grounding_profile
from spatialgeo_ros.runtime.deadline import Deadline

pytestmark = pytest.mark.transformers

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
TOKENS = 24


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_qwen_vl(tmp_path_factory.mktemp("qwen"))


def write(folder: Path, checkpoint: Path, **detector: Any) -> Path:
    content = {
        "name": "mine", "description": "for tests", "licence": "none", "origin": "here",
        "detector": {
            "kind": "vlm_boxes", "format": "pixels_resized", "most_pixels": 56 * 84,
            "checkpoint": {"path": str(checkpoint), "files": ["config.json"]},
            "most_tokens": TOKENS, **detector,
        },
    }  # fmt: skip
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def load(folder: Path, checkpoint: Path, **detector: Any) -> VlmBoxDetector:
    loaded = load_grounding(write(folder, checkpoint, **detector), device="cpu")
    assert loaded is not None and isinstance(loaded.detector, VlmBoxDetector)
    return loaded.detector


def local(detector: VlmBoxDetector) -> LocalBoxModel:
    model = detector._model
    assert isinstance(model, LocalBoxModel)
    return model


def test_it_says_what_transformers_says(weights: Path, tmp_path: Path) -> None:
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

    model = local(load(tmp_path, weights))
    size = model.size(130, 90)
    question = instructions(["the inn", "ten"], "pixels_resized", size)
    deadline = Deadline(60.0)
    said = model.say(BoxQuestion(IMAGE, size, question, {}, deadline))

    theirs = Qwen2_5_VLForConditionalGeneration.from_pretrained(weights, dtype=torch.float32)
    theirs.eval()
    tokenizer = Qwen2Tokenizer.from_pretrained(weights)
    columns, rows = size
    assert (columns % 28, rows % 28) == (0, 0) and columns * rows <= 56 * 84
    pixels = processed(rows, columns)
    count = rows * columns // 28**2
    text = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        f"<|vision_start|>{'<|image_pad|>' * count}<|vision_end|>{question}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    ids = torch.tensor([tokenizer(text).input_ids])
    kinds = (ids == theirs.config.image_token_id).int()
    grid = torch.tensor([[1, rows // 14, columns // 14]])
    out = theirs.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels,
        image_grid_thw=grid, mm_token_type_ids=kinds, max_new_tokens=TOKENS, do_sample=False,
        repetition_penalty=1.05,
    )  # fmt: skip
    wanted = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
    assert said == wanted.strip() and said


def processed(rows: int, columns: int) -> torch.Tensor:
    """Pixels of IMAGE by the library's image processor that needs no torchvision."""
    transformers = pytest.importorskip("transformers")
    kind = getattr(transformers, "Qwen2VLImageProcessorPil", None)
    if kind is None:
        pytest.skip("this transformers has no image processor that works without torchvision")
    processor = kind(min_pixels=56 * 56, max_pixels=56 * 84, patch_size=14, merge_size=2)
    made = processor(images=IMAGE, return_tensors="pt")
    assert made["image_grid_thw"].tolist() == [[1, rows // 14, columns // 14]]
    pixels: torch.Tensor = made["pixel_values"]
    return pixels


def test_pixels_equal_the_library_s(weights: Path, tmp_path: Path) -> None:
    from spatialgeo_ros.models.spatial_mllm.video_input import PixelBudget, prepare_video

    columns, rows = local(load(tmp_path, weights)).size(130, 90)
    ours = prepare_video([IMAGE], PixelBudget(56 * 56, 56 * 84))
    assert ours.grid_thw == (1, rows // 14, columns // 14)
    # Pillow rounds between its two passes: a grey level or two of 255.
    apart = (ours.pixel_values - processed(rows, columns)).abs() * 0.27 * 255
    assert apart.max() < 3 and apart.mean() < 0.5


def test_a_reply_becomes_boxes_and_an_image_is_encoded_once(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spatialgeo_ros.speech.stream import Generation

    detector = load(tmp_path, weights, score=0.4)
    model = local(detector)
    columns, rows = model.size(130, 90)
    encoded: list[int] = []
    encode = model._model.encode_video

    def counted(*args: Any, **kwargs: Any) -> Any:
        encoded.append(1)
        return encode(*args, **kwargs)

    def answer(visual: Any, question: str, *_: Any, **__: Any) -> Generation:
        assert f"pixels of the image, which is {columns}x{rows}" in question
        box = f"[0, 0, {columns // 2}, {rows}]"
        entry = f'[{{"label": "red chair", "bbox_2d": {box}}}]'
        return Generation(entry if "red chair" in question else "[]", (), "eos", 9)

    monkeypatch.setattr(model._model, "encode_video", counted)
    monkeypatch.setattr(model._model, "answer", answer)
    cache: dict[str, Any] = {}
    chair, door = detector.ground(IMAGE, ["red chair", "door"], cache=cache)
    (instance,) = chair.instances
    assert instance.box == pytest.approx((0, 0, 65, 90), abs=0.5)
    assert instance.score == pytest.approx(0.4)
    assert door.absent and "states no scores" in chair.degraded
    detector.ground(IMAGE, ["red chair", "table"], cache=cache)
    assert encoded == [1]
    facts = detector.describe()
    assert facts["images"] == "stay in this process" and "decoding" in facts


def test_words_that_are_no_boxes_are_an_error_that_names_the_model(
    weights: Path, tmp_path: Path
) -> None:
    detector = load(tmp_path, weights)
    with pytest.raises(ServedDetectorError, match=f"{weights.name}.*no JSON list of boxes"):
        detector.ground(IMAGE, ["door"])


def test_a_slow_answer_is_given_up_and_so_is_a_cancelled_one(weights: Path, tmp_path: Path) -> None:
    detector = load(tmp_path, weights, timeout=0.001)
    with pytest.raises(RequestTimeoutError, match="raise detector.timeout"):
        detector.ground(IMAGE, ["door"])
    asked: list[int] = []

    def soon() -> bool:
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(CancelledError):
        load(tmp_path, weights).ground(IMAGE, ["door"], cancelled=soon)


def test_mistakes_are_named(weights: Path, tmp_path: Path) -> None:
    for settings, words in (
        ({"address": "http://localhost:1/v1"}, "'detector.address' means nothing.*runs here"),
        ({"multiple": 28}, "'detector.multiple' means nothing.*checkpoint has it"),
        ({"quantisation": "nf5"}, "'detector.quantisation' must be one of"),
    ):
        with pytest.raises(ModelLoadError, match=words):
            load_grounding_profile(write(tmp_path, weights, **settings))
    other = write_spatial_mllm_3b(tmp_path / "mllm")
    with pytest.raises(ModelLoadError, match="'model_type' is 'spatial-mllm'"):
        load(tmp_path, other)


def test_the_shipped_profile_runs_here() -> None:
    profile = load_grounding_profile("qwen2_5_vl_boxes")
    assert profile.detector.checkpoint is not None and profile.detector.kind == "vlm_boxes"
