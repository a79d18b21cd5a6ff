# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rows of the tables: objects, answers, distances. docs/batch.md says what the columns mean."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from spatialgeo_ros.answer.all_cameras import begin_on_any
from spatialgeo_ros.batch.outputs import seconds_text
from spatialgeo_ros.batch.questions import BatchQuestion, Pair
from spatialgeo_ros.errors import InternalError, SpatialGeoError, code_name
from spatialgeo_ros.mcp_server.file_robot import reply_of, reply_of_error, reply_of_result
from spatialgeo_ros.mcp_server.results import SpatialReply
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.program_json import from_text
from spatialgeo_ros.query.result import error_of
from spatialgeo_ros.scene.sighting import HowSeen, SightedEstimate, Sighting

_LOGGER = logging.getLogger(__name__)

_AXES = ("x", "y", "z")
_SIZES = ("width", "depth", "height")
_UPPER = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
OBJECT_COLUMNS = (
    "id", "label", "colour", "material", "state",
    *(f"{axis}_m" for axis in _AXES),
    *(f"sigma_{axis}_m" for axis in _AXES),
    *(f"cov_{_AXES[i]}{_AXES[j]}_m2" for i, j in _UPPER),
    *(f"{name}_m" for name in _SIZES),
    *(f"sigma_{name}_m" for name in _SIZES),
    "yaw_rad", "first_seen_s", "last_seen_s", "sightings", "existence", "cameras", "frame_id",
)  # fmt: skip
DISTANCE_COLUMNS = (
    "stamp_s", "elapsed_s", "camera", "from", "to", "kind", "distance_m", "std_dev_m", "valid",
    "how_seen", "age_s", "source", "error", "reason",
)  # fmt: skip


def object_row(one: MapObject, frame: str) -> dict[str, Any]:
    """Return the row of an object of the map, whose places are in ``frame``."""
    sigma = np.sqrt(np.diag(one.covariance))
    row: dict[str, Any] = {
        "id": one.id,
        "label": one.label,
        "colour": one.colour,
        "material": one.material,
        "state": one.state.name.lower(),
        "yaw_rad": float(one.yaw),
        "first_seen_s": seconds_text(one.first_seen_ns),
        "last_seen_s": seconds_text(one.last_seen_ns),
        "sightings": one.sightings,
        "existence": float(one.probability),
        "cameras": " ".join(sorted(one.cameras)),
        "frame_id": frame,
    }
    for k in range(3):
        row[f"{_AXES[k]}_m"] = float(one.centre[k])
        row[f"sigma_{_AXES[k]}_m"] = float(sigma[k])
        row[f"{_SIZES[k]}_m"] = float(one.size[k])
        row[f"sigma_{_SIZES[k]}_m"] = float(one.size_sigma[k])
    for i, j in _UPPER:
        row[f"cov_{_AXES[i]}{_AXES[j]}_m2"] = float(one.covariance[i, j])
    return row


def object_rows(snapshot: MapSnapshot) -> list[dict[str, Any]]:
    """Return the rows of all objects, by id."""
    return [
        object_row(one, snapshot.frame) for one in sorted(snapshot.objects, key=lambda one: one.id)
    ]


def ask(
    perception: Perception, question: BatchQuestion, observations: Sequence[Observation]
) -> tuple[SpatialReply, SpatialGeoError | None, int, Observation]:
    """Ask a question about the images of the cameras that are asked, at least one.

    Returns:
        The reply, the error behind it if it is one, the stamp of the oldest image that the answer
        rests on, 0 when none, and the image that it is about.
    """
    observation = observations[0]
    camera = observation.frame.camera
    try:
        if question.program:
            program = from_text(question.program)
            result = perception.run_query(program, camera, session=question.session)
            snapshot = perception.objects(camera)
            reply = reply_of_result(result, program, observation, snapshot)
            return reply, error_of(result), 0, observation
        asked, observation = begin_on_any(
            perception, question.text, observations, session=question.session
        )
        answer = perception.speak(asked)
        error = None if answer.result is None else error_of(answer.result)
        reply = reply_of(answer, observation, asked.measured.snapshot)
        return reply, error, answer.seen_stamp_ns, observation
    except SpatialGeoError as refusal:
        observation = refusal.observation or observation
        return reply_of_error(refusal, observation), refusal, 0, observation
    except Exception as defect:  # of ours: one question must not end a recording's work
        _LOGGER.exception("question %s", question.id)
        error = InternalError(f"internal error ({type(defect).__name__}): {defect}")
        return reply_of_error(error, observation), error, 0, observation


def answer_row(
    question: BatchQuestion,
    asked_ns: int,
    reply: SpatialReply,
    error: SpatialGeoError | None,
    camera: str,
    stamp_ns: int | None,
    seen_ns: int,
) -> dict[str, Any]:
    """Return the row of an answer.

    Args:
        question: that was asked.
        asked_ns: time that it was asked for.
        reply: to it.
        error: behind the reply, if it is one.
        camera: that was asked; "" for none.
        stamp_ns: of the image that was asked about; None for none.
        seen_ns: stamp of the oldest image that the answer rests on; 0 when none.
    """
    fields = asdict(reply)
    del fields["image_stamp_s"]
    answered = error is None and reply.result_type not in ("none", "error") and not reply.doubt
    return {
        "id": question.id,
        "question": question.text,
        "camera": camera,
        "asked_s": seconds_text(asked_ns),
        "stamp_s": None if stamp_ns is None else seconds_text(stamp_ns),
        "seen_stamp_s": seconds_text(seen_ns) if seen_ns else None,
        "valid": answered and all(length.valid for length in reply.lengths[:1]),
        "error_code": 0 if error is None else error.code,
        "error_name": "OK" if error is None else code_name(error),
        **fields,
    }


def measure_pair(
    perception: Perception, pair: Pair, observation: Observation, remembered: bool
) -> tuple[SightedEstimate | SpatialGeoError, list[Sighting]]:
    """Measure a pair in an image.

    Args:
        perception: that has the image.
        pair: to be measured.
        observation: of the image.
        remembered: whether things that are out of view may be as they were seen last.

    Returns:
        The estimate or why there is none, and the things that were found.
    """
    sightings: list[Sighting] = []
    try:
        for phrase in filter(None, (pair.first, pair.second)):
            sightings.append(perception.locate(observation, phrase, recall=remembered))
        (estimate,) = perception.measure(observation, [pair.kind], *sightings)
        return estimate, sightings
    except SpatialGeoError as error:
        return error, sightings


def distance_row(
    pair: Pair,
    measured: SightedEstimate | SpatialGeoError,
    observation: Observation,
    first_ns: int,
) -> dict[str, Any]:
    """Return the row of a measured pair; ``first_ns`` is the stamp of the first image."""
    frame = observation.frame
    row: dict[str, Any] = {
        "stamp_s": seconds_text(frame.stamp_ns),
        "elapsed_s": (frame.stamp_ns - first_ns) * 1e-9,
        "camera": frame.camera,
        "from": pair.first,
        "to": pair.second,
        "kind": pair.kind.name.lower(),
    }
    if isinstance(measured, SpatialGeoError):
        return {
            **row, "distance_m": math.nan, "std_dev_m": math.nan, "valid": False,
            "how_seen": HowSeen.UNKNOWN.name.lower(), "age_s": math.nan, "source": "",
            "error": code_name(measured), "reason": str(measured),
        }  # fmt: skip
    source = measured.source if isinstance(measured.source, str) else measured.source.value
    return {
        **row,
        "distance_m": float(measured.distance) if measured.valid else math.nan,
        "std_dev_m": float(measured.sigma) if measured.valid else math.nan,
        "valid": measured.valid,
        "how_seen": measured.how.name.lower(),
        "age_s": measured.age,
        "source": source,
        "error": "" if measured.valid else "NOT_MEASURED",
        "reason": measured.reason,
    }


def kinds_text(counts: dict[str, int]) -> str:
    """Return counts by name for one cell of a table: "boolean 1, number 3"."""
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))


def texts_of(notes: Sequence[str]) -> str:
    """Return texts for one cell of a table."""
    return "; ".join(notes)
