# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The gate's metric for detectors: what a user would notice fails it, what rounding does passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from spatialgeo_ros.runtime.backend import TensorSpec
from spatialgeo_ros.runtime.comparison import OutputReport, ParityError
from spatialgeo_ros.runtime.detection_parity import (
    KEPT,
    MASK_SIDE,
    DetectionMetric,
    Detections,
    iou_matrix,
)
from spatialgeo_ros.runtime.parity import Fingerprint, run_gate, self_check

Outputs = dict[str, Tensor]


def read(outputs: Mapping[str, Tensor]) -> Detections:
    return Detections(outputs["scores"], outputs["boxes"], outputs.get("masks"))


METRIC = DetectionMetric(read)


def found(phrases: int = 2, queries: int = 60, masks: bool = False) -> Outputs:
    """Well separated boxes with scores from 0.9 down, in an order of their own."""
    generator = torch.Generator().manual_seed(0)
    order = torch.stack([torch.randperm(queries, generator=generator) for _ in range(phrases)])
    scores = (0.9 * 0.93 ** torch.arange(queries))[order]
    corner = torch.stack([order * 20.0, order * 5.0], dim=-1)
    boxes = torch.cat([corner, corner + 15.0], dim=-1)
    outputs = {"scores": scores, "boxes": boxes}
    if masks:
        logits = torch.full((phrases, queries, 64, 96), -3.0)
        logits[..., 10:40, 20:70] = 2.0
        outputs["masks"] = logits
    return outputs


def compared(mine: Outputs, theirs: Outputs, precision: str = "fp16") -> dict[str, OutputReport]:
    reports = METRIC.compare(METRIC.summary(mine), METRIC.summary(theirs), precision)
    return {report.name: report for report in reports}


def passed(mine: Outputs, theirs: Outputs, precision: str = "fp16") -> bool:
    return all(report.passed for report in compared(mine, theirs, precision).values())


def test_the_same_in_another_order_is_the_same() -> None:
    outputs = found(masks=True)
    shuffled = torch.randperm(60, generator=torch.Generator().manual_seed(3))
    other = {name: tensor[:, shuffled] for name, tensor in outputs.items()}
    reports = compared(other, outputs, "fp32")
    assert all(report.passed and report.excess == 0 for report in reports.values())
    assert set(reports) == {"top box of each phrase", "boxes and scores", "masks"}


def top(outputs: Outputs, phrase: int = 0, rank: int = 0) -> int:
    return int(outputs["scores"][phrase].argsort(descending=True)[rank])


def another_top_box(outputs: Outputs) -> None:
    outputs["scores"][0, top(outputs, rank=3)] = 0.95


def top_box_moved(outputs: Outputs) -> None:
    outputs["boxes"][1, top(outputs, 1)] += torch.tensor([1.0, 0.0, 1.0, 0.0])  # IoU 14 / 16


def scores_lower(outputs: Outputs) -> None:
    outputs["scores"] *= 0.95


def order_reversed(outputs: Outputs) -> None:
    ranks = [top(outputs, 0, rank) for rank in range(1, 8)]
    outputs["scores"][0, ranks] = outputs["scores"][0, ranks].flip(0)


def sure_box_lost(outputs: Outputs) -> None:
    for rank in (2, 3, 4, 5):
        outputs["scores"][0, top(outputs, 0, rank)] = 0.0


def ghost(outputs: Outputs) -> None:
    for rank in (50, 51, 52, 53):
        outputs["scores"][0, top(outputs, 0, rank)] = 0.6


def mask_shrunk(outputs: Outputs) -> None:
    outputs["masks"][:, :, 10:14] = -1.0  # a seventh of its rows


def score_nan(outputs: Outputs) -> None:
    outputs["scores"][0, 59] = math.nan


def box_infinite(outputs: Outputs) -> None:
    outputs["boxes"][1, top(outputs, 1)] = math.inf


def mask_nan(outputs: Outputs) -> None:
    outputs["masks"][0, top(outputs), 63, 95] = math.nan


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (another_top_box, "top box of each phrase"),
        (top_box_moved, "top box of each phrase"),
        (scores_lower, "boxes and scores"),
        (order_reversed, "boxes and scores"),
        (sure_box_lost, "boxes and scores"),
        (ghost, "boxes and scores"),
        (mask_shrunk, "masks"),
        (score_nan, "scores"),
        (box_infinite, "boxes"),
        (mask_nan, "masks"),
    ],
)
def test_what_a_user_would_notice_fails(spoil: Callable[[Outputs], None], names: str) -> None:
    outputs, spoilt = found(masks=True), found(masks=True)
    spoil(spoilt)
    for precision in ("fp32", "fp16"):
        assert not compared(spoilt, outputs, precision)[names].passed
    if names in ("scores", "boxes") or spoil is mask_nan:
        assert compared(spoilt, outputs)[names].not_finite > 0


def test_rounding_passes_in_halves_and_not_in_float32() -> None:
    outputs = found(masks=True)
    generator = torch.Generator().manual_seed(1)
    noisy = {
        name: tensor + scale * (torch.rand(tensor.shape, generator=generator) - 0.5)
        for (name, tensor), scale in zip(outputs.items(), (0.02, 0.3, 0.5), strict=True)
    }
    assert passed(noisy, outputs, "fp16")
    assert not passed(noisy, outputs, "fp32")


def test_two_boxes_that_tie_have_no_order() -> None:
    outputs, other = found(), found()
    first, second = top(outputs), top(outputs, rank=1)
    for one, high in ((outputs, first), (other, second)):
        one["scores"][0, [first, second]] = 0.9
        one["scores"][0, high] = 0.9005
    assert passed(other, outputs, "fp32")
    other["scores"][0, second] = 0.95  # no tie any more
    assert not passed(other, outputs, "fp32")


def test_faint_boxes_do_not_count() -> None:
    outputs, other = found(), found()
    for rank in range(30, 60):
        other["boxes"][0, top(other, 0, rank)] += 500.0
    assert passed(other, outputs)


def test_pictures_that_show_nothing_are_compared_too() -> None:
    """Thresholds are relative: a network that answers nothing is not the same as any other."""
    outputs, other = found(), found()
    for one in (outputs, other):
        one["scores"] *= 0.1
    assert passed(other, outputs)
    other["boxes"] += 7.0
    assert not passed(other, outputs)


def test_networks_of_other_shapes_are_not_compared() -> None:
    with pytest.raises(ParityError, match="'scores' is"):
        METRIC.compare(METRIC.summary(found(1)), METRIC.summary(found(2)), "fp16")
    with pytest.raises(ParityError, match="'masks' is missing"):
        METRIC.compare(METRIC.summary(found()), METRIC.summary(found(masks=True)), "fp16")


def test_the_summary_is_small() -> None:
    summary = METRIC.summary(found(masks=True))
    assert {name: tuple(t.shape) for name, t in summary.items()} == {
        "scores": (2, KEPT), "boxes": (2, KEPT, 4), "masks": (2, 3, MASK_SIDE, MASK_SIDE),
    }  # fmt: skip
    assert (summary["scores"].diff(dim=1) <= 0).all()


def test_overlap_of_boxes() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 5, 9], [3, 3, 1, 1]])
    overlap = iou_matrix(boxes, boxes)
    assert overlap[0, 1] == pytest.approx(1 / 7)
    assert overlap[2, 2] == 0 and overlap[3, 3] == 0  # no area
    assert overlap[0, 0] == 1


class Fake:
    """A backend that gives what it is told for a picture."""

    name = "fake"
    inputs = outputs = (TensorSpec("number", (1,), torch.int64),)

    def __init__(self, change: Callable[[Outputs], None] = lambda outputs: None) -> None:
        self.change = change

    def run(self, feeds: Mapping[str, Tensor]) -> Outputs:
        outputs = found(masks=True)
        if int(feeds["number"]) == 2:  # only in the last picture
            self.change(outputs)
        return outputs


def known(count: int) -> list[Outputs]:
    return [{"number": torch.tensor([k])} for k in range(count)]


def gate(change: Callable[[Outputs], None]):
    return run_gate(Fake(change), Fake(), "fp16", known=known, metric=METRIC)  # type: ignore[arg-type]


def test_the_gate_takes_the_networks_own_inputs_and_metric() -> None:
    assert gate(lambda outputs: None).passed
    report = gate(top_box_moved)
    assert not report.passed
    assert str(report).startswith("fake DIFFERS from fake (fp16): top box of each phrase: ")
    assert report.to_dict()["outputs"][0]["place"][0] == 2


def test_the_self_check_remembers_what_was_found() -> None:
    backend = Fake()
    summary = METRIC.summary(backend.run(known(1)[0]))
    stored = Fingerprint(dict(Fingerprint.take(summary, METRIC).values))
    assert self_check(backend, stored, "fp16", known=known, metric=METRIC).passed  # type: ignore[arg-type]

    class Moved(Fake):
        def run(self, feeds: Mapping[str, Tensor]) -> Outputs:
            outputs = super().run(feeds)
            top_box_moved(outputs)
            return outputs

    report = self_check(Moved(), stored, "fp16", known=known, metric=METRIC)  # type: ignore[arg-type]
    assert not report.passed and report.reference == "its own earlier result"
