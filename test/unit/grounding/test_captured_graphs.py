# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detectors whose networks are captured for shapes that come again find what eager ones find.

On a CPU the same code calls the networks; ``SPATIALGEO_TEST_DEVICE=cuda`` captures for real
(test/gpu runs this file so).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.grounding import write_grounding_profile
from checkpoints.sam import write_sam2, write_sam3

from spatialgeo_ros.grounding import captured_graphs
from spatialgeo_ros.grounding.captured_graphs import CapturedGraphs
from spatialgeo_ros.grounding.factory import LoadedGrounding, load_grounding, warm_up
from spatialgeo_ros.grounding.sam2 import Sam2Segmenter
from spatialgeo_ros.grounding.sam3 import Sam3Detector
from spatialgeo_ros.runtime.cuda_graph import CaptureError

pytestmark = pytest.mark.transformers

DEVICE = torch.device(os.environ.get("SPATIALGEO_TEST_DEVICE", "cpu"))
PHRASES = ["red chair", "door", "white lamp"]
CHECKPOINTS = ("mm_grounding_dino", "grounding_dino", "owlvit", "owlv2", "sam3")


def picture(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captured")
    (folder / "sam3").mkdir()
    write_sam3(folder / "sam3")
    return folder


@pytest.fixture
def detector(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bool], Any]:
    """Makes a detector whose networks are captured, or always eager."""

    def make(checkpoint: str, capturing: bool) -> Any:
        device = DEVICE if DEVICE.type == "cuda" else None
        word = "" if capturing else "not wanted here"
        monkeypatch.setattr(captured_graphs, "refusal", lambda _: word)
        if checkpoint == "sam3":
            return Sam3Detector(folder / "sam3", device or DEVICE, torch.float32, threshold=0.2)
        path = write_grounding_profile(checkpoint, folder, threshold=0.1)
        grounding = load_grounding(path, str(DEVICE))
        assert isinstance(grounding, LoadedGrounding)
        return grounding.detector

    return make


def same(found: Any, wanted: Any) -> None:
    assert [one.phrase for one in found] == [one.phrase for one in wanted]
    for a, b in zip(found, wanted, strict=True):
        assert [i.score for i in a.instances] == pytest.approx(
            [i.score for i in b.instances], abs=1e-4
        )
        for x, y in zip(a.instances, b.instances, strict=True):
            assert x.box == pytest.approx(y.box, abs=2e-2)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_captured_networks_find_what_eager_ones_find(
    checkpoint: str, detector: Callable[[str, bool], Any]
) -> None:
    eager, captured = detector(checkpoint, False), detector(checkpoint, True)
    assert captured._captured.capturing and not eager._captured.capturing
    wanted, found = [], []
    for seed, size in enumerate([(67, 101)] * 4 + [(120, 75)] * 3):
        image = picture(*size, seed)
        wanted.append(eager.ground(image, PHRASES))
        found.append(captured.ground(image, PHRASES))
    assert sum(len(result.instances) for results in wanted for result in results) > 3
    for results, expected in zip(found, wanted, strict=True):
        same(results, expected)
    made = [shape.captured for shape in captured._captured._shapes.values()]
    assert any(one is not None for one in made), "nothing was captured"
    assert "CUDA graphs" in captured.describe()["launch"]
    assert captured.describe()["launch"][0] != "0"


def test_a_segmenter_takes_any_number_of_boxes_in_one_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sam2(tmp_path)
    monkeypatch.setattr(captured_graphs, "refusal", lambda _: "not wanted here")
    eager = Sam2Segmenter(tmp_path, DEVICE, torch.float32)
    monkeypatch.setattr(captured_graphs, "refusal", lambda _: "")
    captured = Sam2Segmenter(tmp_path, DEVICE, torch.float32)
    boxes = [(5.0 * k, 4.0, 40.0 + 6 * k, 60.0) for k in range(7)]
    for count in (1, 2, 7, 3):
        image = picture(97, 143, count)
        for a, b in zip(
            captured.segment(image, boxes[:count]), eager.segment(image, boxes[:count]), strict=True
        ):
            assert (a.pixels != b.pixels).mean() < 1e-3 and a.score == pytest.approx(
                b.score, abs=1e-3
            )
    assert len(captured._captured._shapes) == 2  # encoder and decoder


def test_what_cannot_be_captured_runs_eagerly_and_says_why(
    detector: Callable[[str, bool], Any], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def refuse(*_: Any) -> Any:
        raise CaptureError("it reads a value back")

    eager, captured = detector("owlvit", False), detector("owlvit", True)
    captured._captured.close()
    monkeypatch.setattr(captured_graphs, "verified_capture", refuse)
    image = picture(64, 64, 1)
    for _ in range(3):
        same(captured.ground(image, PHRASES), eager.ground(image, PHRASES))
    said = captured.describe()["launch"]
    assert "OwlImageGraph runs eagerly: it reads a value back" in said
    assert caplog.text.count("runs eagerly") == 1


def test_few_shapes_are_kept() -> None:
    class Doubling(torch.nn.Module):
        input_names, output_names = ("x",), ("y",)

        def run(self, feeds: Any) -> Any:
            return {"y": 2 * feeds["x"]}

    graphs = CapturedGraphs(DEVICE, "a detector", stream=None)
    monkey = Doubling()
    graphs._stream = captured_graphs.WorkStream(torch.device("cpu"))
    for size in range(1, 30):
        found = graphs.run(monkey, {"x": torch.ones(size)})  # type: ignore[arg-type]
        assert torch.equal(found["y"], torch.full((size,), 2.0))
    assert len(graphs._shapes) <= 8


def test_warming_up_leaves_nothing_to_capture_for_images_of_that_size(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured_graphs, "refusal", lambda _: "")
    path = write_grounding_profile("mm_grounding_dino", folder, threshold=0.1)
    grounding = load_grounding(path, str(DEVICE))
    assert grounding is not None
    warm_up(grounding, (67, 101))
    before = set(grounding.detector._captured._shapes)  # type: ignore[attr-defined]
    captured = list(grounding.detector._captured._shapes.values())  # type: ignore[attr-defined]
    assert captured and all(shape.captured is not None for shape in captured)
    grounding.detector.ground(picture(67, 101, 3), PHRASES)
    assert set(grounding.detector._captured._shapes) == before  # type: ignore[attr-defined]
