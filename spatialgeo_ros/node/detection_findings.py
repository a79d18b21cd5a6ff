# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a detector's boxes can be used: their labels and their coordinates. No ROS in here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.geometry.regions import Region

_NORMALISED = 2.0  # px: no box of a real image ends so near to its upper left corner
_OUTSIDE = 0.5  # share of the boxes that reach out of the image from which they are another's


def judge_labels(topic: str, labels: Sequence[str]) -> Iterator[Finding]:
    """Yield that the detections have no labels, so that nothing is found by them.

    Numbers without a name are ``class_labels.ClassLabels``' to say.

    Args:
        topic: Of the detections.
        labels: As they came; none says nothing.
    """
    if labels and not any(label.strip() for label in labels):
        yield Finding(
            "detections-labels",
            f"the detections on {topic} have no label (results is empty, or class_id is): things "
            "are asked for by words; let the detector publish the names of its classes in "
            "results[].hypothesis.class_id",
        )


def judge_extents(topic: str, unusable: bool) -> Iterator[Finding]:
    """Yield that there are boxes that enclose nothing.

    Args:
        topic: Of the detections.
        unusable: Whether some have no extent or are not finite; the others are used.
    """
    if unusable:
        yield Finding(
            "detections-boxes",
            f"boxes on {topic} are left out: they have no area, or are not finite; the detector "
            "must publish their centre and size (bbox.size_x, bbox.size_y) in pixels",
        )


def judge_boxes(topic: str, boxes: Sequence[Region], width: int, height: int) -> Iterator[Finding]:
    """Yield that boxes are in other coordinates than the image's pixels.

    Args:
        topic: Of the detections.
        boxes: With corners in pixels.
        width: Of the image.
        height: The same.
    """
    corners = [box.box for box in boxes if box.box is not None]
    if not corners:
        return
    if all(max(x1, y1) < _NORMALISED for _, _, x1, y1 in corners):
        wrong = "lie within 2 pixels of the upper left corner: they are shares of the image"
    else:
        slack = 0.02 * max(width, height)
        outside = sum(
            x1 > width + slack or y1 > height + slack or x0 < -slack or y0 < -slack
            for x0, y0, x1, y1 in corners
        )
        if outside <= _OUTSIDE * len(corners):
            return
        wrong = f"reach out of the {width}x{height} image: they are those of another size"
    yield Finding(
        "detections-boxes",
        f"the boxes on {topic} {wrong}; the detector must publish pixels of the image that it "
        "copies the header of",
    )
