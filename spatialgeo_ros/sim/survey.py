# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The drive that surveys a room: one turn on the spot, then one lap of the tour."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spatialgeo_ros.sim.path import BaseState, RobotPath
from spatialgeo_ros.sim.room import Room

#: How fast the base turns on the spot, radians per second.
TURN_RATE = math.radians(30.0)


@dataclass(frozen=True)
class SurveyStop:
    """One image of a survey.

    Attributes:
        seconds: since the drive began.
        state: where the base is then.
    """

    seconds: float
    state: BaseState


def survey(room: Room, frames: int, speed: float = 0.4) -> list[SurveyStop]:
    """Plan a drive that sees a room from many sides, as somebody who scans it with a camera does.

    The base turns once around on the spot, beginning with the wall at its back, so that things come
    into view one after the other; then it drives a lap of :class:`RobotPath`. Half of the images
    belong to each.

    Args:
        room: the room to drive in.
        frames: how many images, at least 2.
        speed: along the tour, metres per second.

    Raises:
        ValueError: the room has no free place, or there are too few images.
    """
    if frames < 2:
        raise ValueError(f"a survey needs at least 2 images, not {frames}")
    path = RobotPath(room, speed)
    start = path.at(0.0)
    turn_frames = frames // 2
    turn_seconds = 2 * math.pi / TURN_RATE
    stops = []
    for k in range(turn_frames):
        phase = k / turn_frames
        # Away from what the tour looks at first, and around to it half a turn later and once more.
        yaw = start.yaw + math.pi + 2 * math.pi * phase
        yaw = math.atan2(math.sin(yaw), math.cos(yaw))
        stops.append(SurveyStop(turn_seconds * phase, BaseState(start.x, start.y, yaw)))
    # Another half turn leads to the heading that the lap begins with.
    begin = 1.5 * turn_seconds
    for k in range(frames - turn_frames):
        seconds = path.period * k / (frames - turn_frames)
        stops.append(SurveyStop(begin + seconds, path.at(seconds)))
    return stops
