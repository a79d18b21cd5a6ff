# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A question that names no camera is asked of the images of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spatialgeo_ros.answer.program_part import all_of_image
from spatialgeo_ros.errors import PhraseNotFoundError, SpatialGeoError
from spatialgeo_ros.geometry.regions import Region


def begin_on_any(
    perception: Any,
    question: str,
    observations: Sequence[Any],
    regions: Sequence[Region] = (),
    cancelled: Callable[[], bool] | None = None,
    *,
    recall: bool = True,
    session: str = "",
) -> tuple[Any, Any]:
    """Work out the measured part of a question in the image that shows what it names.

    With a map the question is about the whole map, whatever camera is asked: one image is enough,
    and where another camera's shows all that the answer rests on, it is measured there. Without
    poses the images are asked one after the other.

    Args:
        perception: The facade.
        question: In plain English.
        observations: Of the cameras that are asked, at least one.
        regions: Objects that the question names.
        cancelled: Asked between stages.
        recall: Whether what is in no view may be remembered.
        session: Name of the dialogue.

    Returns:
        What ``perception.begin`` returned, and the observation it is about.

    Raises:
        SpatialGeoError: As ``perception.begin``, with the observation that it is about; of several
            images, what is wrong in the first.
    """
    in_view_of = () if recall else [one.frame.camera for one in observations]
    before = perception.dialogue(session)  # of each image, not what the last one was asked

    def begin(observation: Any) -> Any:
        try:
            return perception.begin(
                question,
                observation,
                regions,
                cancelled,
                in_view_of=in_view_of,
                session=session,
                dialogue=before,
            )
        except SpatialGeoError as error:
            error.observation = observation
            raise

    problem: PhraseNotFoundError | None = None
    for observation in observations:
        try:
            asked = begin(observation)
        except PhraseNotFoundError as error:
            problem = problem or error
            continue
        for other in observations:
            if other is not observation and shown_better(asked.measured, other):
                return begin(other), other
        return asked, observation
    assert problem is not None
    raise problem


def shown_better(part: Any, other: Any) -> bool:
    """Tell whether another image shows all that an answer of the map rests on."""
    snapshot, result = part.snapshot, part.result
    if snapshot is None or result is None or not result.objects or part.sightings:
        return False
    return bool(all_of_image(result, snapshot, other))
