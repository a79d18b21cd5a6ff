# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SAM 2 and SAM 3 on tiny random checkpoints, against the library's own passes."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from checkpoints.sam import SAM2_SIDE, SAM3_SIDE, write_sam2, write_sam3
from PIL import Image
from torch.nn import functional

from spatialgeo_ros.errors import (
    BadRegionError,
    BadRequestError,
    CancelledError,
    InternalError,
    ModelLoadError,
)
from spatialgeo_ros.grounding.detections import MOST_INSTANCES
from spatialgeo_ros.grounding.factory import load_grounding
from spatialgeo_ros.grounding.mask_logits import masks_of_logits
from spatialgeo_ros.grounding.sam2 import USUAL_INPUT, Sam2Segmenter
from spatialgeo_ros.grounding.sam3 import Sam3Detector
from spatialgeo_ros.grounding.square_input import SquareInput

CPU = torch.device("cpu")
SIZES = [(97, 143), (480, 640), (50, 31), (128, 128), (111, 113)]


def picture(height: int, width: int) -> np.ndarray:
    """Soft shapes with some noise: an image of noise alone averages to one grey."""
    rng = np.random.default_rng(height)
    small = Image.fromarray(rng.integers(0, 255, (7, 9, 3), dtype=np.uint8))
    large = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(large + rng.integers(-20, 20, large.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Sam2Segmenter, Path]:
    folder = tmp_path_factory.mktemp("sam2")
    return write_sam2(folder), Sam2Segmenter(folder, CPU, torch.float32), folder


@pytest.fixture(scope="module", params=[False, True], ids=["sam3", "sam3_lite_text"])
def sam3(request, tmp_path_factory) -> tuple[Any, Sam3Detector, Path]:
    folder = tmp_path_factory.mktemp("sam3")
    model = write_sam3(folder, lite=request.param)
    return model, Sam3Detector(folder, CPU, torch.float32, threshold=0.2), folder


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [128, 112, 1008])
def test_pixels_equal_pillows_within_rounding(size, side) -> None:
    image = picture(*size)
    made = SquareInput(side, USUAL_INPUT.mean, USUAL_INPUT.std).pixels(image)
    resized = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    wanted = (np.asarray(resized) / 255.0 - USUAL_INPUT.mean) / USUAL_INPUT.std
    apart = np.abs(made[0].numpy().transpose(1, 2, 0) - wanted) * USUAL_INPUT.std * 255
    assert apart.max() < 2.01
    assert apart.mean() < 0.1


@pytest.mark.parametrize("size", SIZES)
def test_sam2_equals_the_librarys_whole_pass(sam2, size) -> None:
    model, segmenter, _ = sam2
    height, width = size
    image = picture(height, width)
    boxes = [
        (0.1 * width, 0.1 * height, 0.6 * width, 0.7 * height),
        (0.3 * width, 0.2 * height, 0.9 * width, 0.95 * height),
    ]
    found = segmenter.segment(image, boxes)
    # What the library's processor does to boxes, and its post-processing to masks.
    scaled = torch.tensor(boxes).reshape(-1, 2, 2)
    scaled[..., 0] *= SAM2_SIDE / width
    scaled[..., 1] *= SAM2_SIDE / height
    with torch.no_grad():
        made = model(
            pixel_values=segmenter.input.pixels(image),
            input_boxes=scaled.reshape(1, -1, 4),
            multimask_output=False,
        )
    large = functional.interpolate(made.pred_masks[0], size, mode="bilinear", align_corners=False)
    for number, mask in enumerate(found):
        np.testing.assert_array_equal(mask.pixels, (large[number, 0] > 0).numpy())
        assert 0 < mask.pixels.mean() < 1  # an equality that says something
        assert mask.score == pytest.approx(float(made.iou_scores[0, number, 0]))
        assert mask.cell == pytest.approx(max(size) / (SAM2_SIDE / 4))
    assert len(found) == 2


def test_sam2_encodes_an_image_once(sam2, monkeypatch) -> None:
    _, segmenter, _ = sam2
    runs = []
    encode = segmenter.encode
    monkeypatch.setattr(segmenter, "encode", lambda pixels: runs.append(1) or encode(pixels))
    image, cache = picture(60, 80), {}
    first = segmenter.segment(image, [(5, 5, 60, 50)], cache=cache)
    second = segmenter.segment(image, [(5, 5, 60, 50), (1, 1, 9, 9)], cache=cache)
    assert len(runs) == 1
    np.testing.assert_array_equal(first[0].pixels, second[0].pixels)
    assert segmenter.segment(image, [], cache={}) == []
    assert len(runs) == 1


@pytest.mark.parametrize("box", [(0, 0, math.nan, 5), (10, 0, 5, 5), (0, math.inf, 5, 5)])
def test_sam2_refuses_boxes_that_are_none(sam2, box) -> None:
    with pytest.raises(BadRegionError, match="finite"):
        sam2[1].segment(picture(60, 80), [box])


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_sam2_can_be_cancelled_between_its_stages(sam2, looks) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) >= looks

    with pytest.raises(CancelledError):
        sam2[1].segment(picture(60, 80), [(5, 5, 60, 50)], cancelled=cancelled)
    assert len(asked) == looks


def test_sam2_says_that_its_numbers_overflow(sam2, monkeypatch) -> None:
    bad = torch.full((1, 32, 32), math.nan)
    monkeypatch.setattr(sam2[1], "decode", lambda *_: (bad, torch.ones(1)))
    with pytest.raises(InternalError, match="not finite"):
        sam2[1].segment(picture(60, 80), [(5, 5, 60, 50)])


@pytest.mark.parametrize("size", SIZES)
def test_sam3_equals_the_librarys_whole_pass(sam3, size) -> None:
    model, detector, folder = sam3
    height, width = size
    image = picture(height, width)
    phrases = ["red chair", "door", "lamp", "mug", "tree"]  # more than go into one batch
    found = detector.ground(image, phrases)
    assert [one.phrase for one in found] == phrases
    for phrase, result in zip(phrases, found, strict=True):
        tokens = detector._tokenizer(
            phrase, return_tensors="pt", padding="max_length", max_length=32
        )
        with torch.no_grad():
            made = model(pixel_values=detector.input.pixels(image), **tokens)
        # As post_process_instance_segmentation of the library, but for the masks: below.
        presence = made.presence_logits.sigmoid()
        scores = (made.pred_logits.sigmoid() * presence)[0]
        order = [int(k) for k in scores.argsort(descending=True) if scores[k] > 0.2]
        assert result.presence == pytest.approx(float(presence), abs=1e-5)
        assert len(result.instances) == len(order) > 0
        probabilities = functional.interpolate(made.pred_masks.sigmoid(), size, mode="bilinear")[0]
        logits = functional.interpolate(made.pred_masks, size, mode="bilinear")[0]
        for instance, k in zip(result.instances, order, strict=True):
            assert instance.score == pytest.approx(float(scores[k]), abs=1e-5)
            edges = made.pred_boxes[0, k].numpy() * (width, height, width, height)
            np.testing.assert_allclose(instance.box, edges, atol=2e-3)
            assert instance.mask is not None
            np.testing.assert_allclose(
                instance.mask.pixels.mean(), (logits[k] > 0).float().mean(), atol=1e-3
            )
            # The library enlarges probabilities: another contour within one cell of its grid.
            other = (probabilities[k] > 0.5).numpy()
            assert (instance.mask.pixels != other).mean() < 0.01
            assert instance.mask.cell == pytest.approx(max(size) / 32)


def test_sam3_encodes_an_image_once_and_a_phrase_once_ever(sam3, monkeypatch) -> None:
    _, detector, _ = sam3
    images, texts = [], []
    encode, read = detector.encode, detector.read
    monkeypatch.setattr(detector, "encode", lambda pixels: images.append(1) or encode(pixels))
    monkeypatch.setattr(detector, "read", lambda *text: texts.append(1) or read(*text))
    cache: dict[str, Any] = {}
    first = detector.ground(picture(60, 80), ["sofa"], cache=cache)
    again = detector.ground(picture(60, 80), ["couch", "sofa"], cache=cache)
    detector.ground(picture(50, 80), ["sofa"])
    assert (len(images), len(texts)) == (2, 2)
    assert again[1].instances[0].score == pytest.approx(first[0].instances[0].score, abs=1e-6)


def test_sam3_gives_no_instance_where_it_sees_no_such_thing(sam3, monkeypatch) -> None:
    _, detector, _ = sam3

    def decode(*_: Any) -> tuple[torch.Tensor, ...]:
        logits = torch.tensor([[9.0, 9.0, -9.0]])
        boxes = torch.tensor([[[0.1, 0.1, 0.5, 0.5], [1.2, 0.1, 1.5, 0.5], [0.0, 0.0, 1.0, 1.0]]])
        return logits, boxes, torch.full((1, 3, 8, 8), -1.0), presence

    monkeypatch.setattr(detector, "decode", decode)
    presence = torch.tensor([-3.0])
    (absent,) = detector.ground(picture(60, 80), ["cow"])
    assert absent.absent
    assert absent.presence == pytest.approx(0.0474, abs=1e-4)
    presence = torch.tensor([9.0])
    (seen,) = detector.ground(picture(60, 80), ["cow"])
    (only,) = seen.instances  # the second lies outside the image
    assert only.mask is None  # it has no pixel
    assert only.box == pytest.approx((8.0, 6.0, 40.0, 30.0))


def test_sam3_keeps_the_surest_of_many(sam3, monkeypatch) -> None:
    _, detector, _ = sam3
    many = 3 * MOST_INSTANCES
    logits = torch.linspace(1, 5, many)[None]
    places = torch.linspace(0, 0.5, many)[:, None] + torch.tensor([0.0, 0.0, 0.1, 0.1])
    boxes = places[None]
    made = logits, boxes, torch.ones(1, many, 4, 4), torch.tensor([20.0])
    monkeypatch.setattr(detector, "decode", lambda *_: made)
    (result,) = detector.ground(picture(60, 80), ["cup"])
    scores = [one.score for one in result.instances]
    assert len(scores) == MOST_INSTANCES
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(float(logits.max().sigmoid()))
    assert "more instances of 'cup'" in result.degraded


def test_sam3_asks_for_synonyms_too_and_counts_a_thing_once(sam3, monkeypatch) -> None:
    _, detector, _ = sam3
    monkeypatch.setattr(detector, "synonyms", {"sofa": ("couch",)})
    monkeypatch.setattr(detector, "nms", 0.7)
    box, other = [0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]
    made = {
        "red sofa": (torch.tensor([1.0, -9.0]), torch.tensor([box, other]), 0.0),
        "red couch": (torch.tensor([3.0, 2.0]), torch.tensor([box, other]), 4.0),
    }
    monkeypatch.setattr(detector, "_text", lambda text: (text, text))
    monkeypatch.setattr(torch, "cat", list)

    def decode(*inputs: Any) -> tuple[torch.Tensor, ...]:
        rows = [made[text] for text in inputs[-1]]
        presence = torch.tensor([presence for *_, presence in rows])
        logits, boxes = (torch.stack([row[k] for row in rows]) for k in (0, 1))
        return logits, boxes, torch.ones(len(rows), 2, 4, 4), presence

    monkeypatch.setattr(detector, "decode", decode)
    monkeypatch.setattr(detector, "_features", lambda *_: ())
    (result,) = detector.ground(picture(60, 80), ["The red sofa."])
    assert result.phrase == "The red sofa."
    assert [one.box[0] for one in result.instances] == pytest.approx([8.0, 48.0])
    sure = float(torch.tensor(3.0).sigmoid() * torch.tensor(4.0).sigmoid())
    assert result.instances[0].score == pytest.approx(sure)
    assert result.presence == pytest.approx(float(torch.tensor(4.0).sigmoid()))


def test_sam3_says_that_its_numbers_overflow(sam3, monkeypatch) -> None:
    _, detector, _ = sam3
    decode = detector.decode
    monkeypatch.setattr(detector, "decode", lambda *a: (decode(*a)[0] * math.nan, *decode(*a)[1:]))
    with pytest.raises(InternalError, match="not finite"):
        detector.ground(picture(60, 80), ["cup"])


@pytest.mark.parametrize(("phrase", "word"), [(" ", "no word"), ("chair " * 40, "tokens")])
def test_sam3_refuses_phrases_that_it_would_read_in_part(sam3, phrase, word) -> None:
    with pytest.raises(BadRequestError, match=word):
        sam3[1].ground(picture(60, 80), ["door", phrase])


def test_sam3_can_be_cancelled_between_its_batches(sam3) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(CancelledError):
        sam3[1].ground(picture(60, 80), [f"mug {c}" for c in "stuvwxyz"], cancelled=cancelled)


def test_a_description_names_weights_and_precision(sam2, sam3) -> None:
    for told in (sam2[1].describe(), sam3[1].describe()):
        assert told["precision"] == "float32"
        assert Path(told["weights"]).is_dir()
    assert sam3[1].describe()["input"] == f"{SAM3_SIDE}x{SAM3_SIDE}"


def test_a_grounding_profile_loads_both(sam2, sam3, tmp_path) -> None:
    files = {"files": ["config.json", "model.safetensors"]}
    content = {
        "name": "mine", "description": "for tests", "licence": "none", "origin": "here",
        "detector": {
            "kind": "sam3", "checkpoint": {"path": str(sam3[2]), **files}, "threshold": 0.2,
            "nms": 1.0,
        },
        "segmenter": {"kind": "sam2", "checkpoint": {"path": str(sam2[2]), **files}},
    }  # fmt: skip
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    loaded = load_grounding(path, device="cpu")
    assert loaded is not None and loaded.segmenter is not None
    image, cache = picture(97, 143), {}
    (found,) = loaded.detector.ground(image, ["red chair"], cache=cache)
    (wanted,) = sam3[1].ground(image, ["red chair"])
    assert [one.score for one in found.instances] == [one.score for one in wanted.instances]
    boxes = [one.box for one in found.instances]
    masks = loaded.segmenter.segment(image, boxes, cache=cache)
    for mask, other in zip(masks, sam2[1].segment(image, boxes), strict=True):
        np.testing.assert_array_equal(mask.pixels, other.pixels)
    assert len(cache) == 2  # features of both networks, each by its own name
    assert loaded.describe()["segmenter"]["kind"] == "sam2"
    loaded.close()


def test_sam3_has_one_size_of_input(sam3, tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    detector = {
        "kind": "sam3", "checkpoint": {"path": str(sam3[2]), "files": ["config.json"]},
        "image": {"rows": 64, "columns": 64},
    }  # fmt: skip
    said = {"name": "mine", "description": "x", "licence": "none", "origin": "here"}
    path.write_text(yaml.safe_dump({**said, "detector": detector}))
    with pytest.raises(ModelLoadError, match=r"'detector\.image' means nothing for this kind"):
        load_grounding(path, device="cpu")


def test_a_checkpoint_of_the_video_networks_is_read(sam2, tmp_path) -> None:
    """The published SAM 2.1 says that it is a video network, and holds more tensors."""
    from safetensors.torch import load_file, save_file

    _, segmenter, folder = sam2
    shutil.copytree(folder, tmp_path / "video")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "video" / "config.json").write_text(
        json.dumps({**config, "model_type": "sam2_video", "architectures": ["Sam2VideoModel"]})
    )
    tensors = load_file(folder / "model.safetensors")
    tensors["memory_attention.layers.0.weight"] = torch.zeros(2, 2)
    save_file(tensors, tmp_path / "video" / "model.safetensors", metadata={"format": "pt"})
    video = Sam2Segmenter(tmp_path / "video", CPU, torch.float32)
    image, boxes = picture(60, 80), [(5.0, 5.0, 60.0, 50.0)]
    np.testing.assert_array_equal(
        video.segment(image, boxes)[0].pixels, segmenter.segment(image, boxes)[0].pixels
    )


def test_the_published_sam3_is_read(tmp_path) -> None:
    """It holds the video network: the detector is a part of it."""
    from safetensors.torch import load_file, save_file

    write_sam3(tmp_path)
    detector = Sam3Detector(tmp_path, CPU, torch.float32, threshold=0.2)
    (tmp_path / "video").mkdir()
    for path in tmp_path.glob("*.json"):
        shutil.copy(path, tmp_path / "video")
    config = json.loads((tmp_path / "config.json").read_text())
    whole = {"model_type": "sam3_video", "detector_config": config}
    (tmp_path / "video" / "config.json").write_text(json.dumps(whole))
    tensors = load_file(tmp_path / "model.safetensors")
    tensors = {f"detector_model.{name}": value for name, value in tensors.items()}
    tensors["tracker_model.memory.weight"] = torch.zeros(2, 2)
    save_file(tensors, tmp_path / "video" / "model.safetensors", metadata={"format": "pt"})
    video = Sam3Detector(tmp_path / "video", CPU, torch.float32, threshold=0.2)
    image = picture(60, 80)
    (one,), (other,) = detector.ground(image, ["cup"]), video.ground(image, ["cup"])
    assert one.instances[0].box == pytest.approx(other.instances[0].box)
    assert one.presence == pytest.approx(other.presence)


def test_a_checkpoint_that_lacks_a_tensor_is_refused(sam2, tmp_path) -> None:
    """The library fills it with random numbers: masks would be of anything."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(sam2[2], tmp_path / "short")
    tensors = load_file(sam2[2] / "model.safetensors")
    name = next(name for name in tensors if name.startswith("mask_decoder"))
    del tensors[name]
    save_file(tensors, tmp_path / "short" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelLoadError, match=r"lacks 1 tensors.*mask_decoder"):
        Sam2Segmenter(tmp_path / "short", CPU, torch.float32)


def test_a_checkpoint_of_another_kind_is_named(sam2, tmp_path) -> None:
    with pytest.raises(ModelLoadError, match=r"holds a 'sam2'.*one of sam3"):
        Sam3Detector(sam2[2], CPU, torch.float32)
    with pytest.raises(ModelLoadError, match=r"config\.json"):
        Sam2Segmenter(tmp_path, CPU, torch.float32)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"size": {"height": 64, "width": 64}}, "do not belong together"),
        ({"size": {"height": 64, "width": 32}}, "no square"),
        ({"size": {"shortest_edge": 64}}, "cannot be read"),
        ({"resample": 3}, "another preparation"),
        ({"do_normalize": False}, "another preparation"),
        ({"image_std": [0.5, 0.0, 0.5]}, "another preparation"),
        ({"image_mean": [0.5]}, "cannot be read"),
    ],
)
def test_what_a_processor_asks_for_is_done_or_refused(tmp_path, said, words) -> None:
    write_sam2(tmp_path, **said)
    with pytest.raises(ModelLoadError, match=words):
        Sam2Segmenter(tmp_path, CPU, torch.float32)


def test_an_older_processors_file_is_read_too(tmp_path) -> None:
    flat = {"size": {"height": 32, "width": 32}, "image_mean": [0.1, 0.2, 0.3]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(flat))
    read = SquareInput.of_checkpoint(tmp_path, USUAL_INPUT)
    assert read == SquareInput(32, (0.1, 0.2, 0.3), USUAL_INPUT.std)
    assert SquareInput.of_checkpoint(tmp_path / "none", USUAL_INPUT) == USUAL_INPUT


def test_logits_are_enlarged_before_they_are_cut() -> None:
    """The contour lies where a line between two cells' logits is zero, not between the cells."""
    logits = torch.tensor([[[-1.0, 3.0]]])
    (mask,) = masks_of_logits(logits, 1, 8)
    # Cells' middles at pixels 1.5 and 5.5: zero a quarter of the way, at pixel 2.5.
    assert mask.pixels[0].tolist() == [False] * 3 + [True] * 5
    assert mask.cell == 4.0
    assert math.isnan(mask.score)


def test_many_masks_are_enlarged_in_parts() -> None:
    logits = torch.linspace(-1, 1, 19)[:, None, None].expand(19, 2, 2)
    masks = masks_of_logits(logits, 5, 7, [0.5] * 19)
    assert [bool(mask.pixels.all()) for mask in masks] == [False] * 10 + [True] * 9
