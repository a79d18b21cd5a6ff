# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All questions about one room."""

from __future__ import annotations

import numpy as np

from spatialgeo_ros.evaluation.rooms import choice_tasks, number_tasks
from spatialgeo_ros.evaluation.rooms.task import Task
from spatialgeo_ros.evaluation.rooms.truth import RoomTruth

#: Most questions of a type about one room.
_MOST_NUMBERS, _MOST_CHOICES = 3, 2


def make_tasks(truth: RoomTruth) -> list[Task]:
    """Ask everything that can be asked about a drive; the same truth gives the same questions.

    Returns:
        Up to 3 counts, distances and sizes, the room's area, up to 2 nearest objects, a direction
        of each of the three forms, up to 2 orders of appearance and 2 routes. What has no clear
        answer in the room is left out.
    """
    scene = f"room_{truth.room.seed}"
    rng = np.random.default_rng([truth.room.seed, 4])
    return [
        *number_tasks.count_tasks(truth, scene, _MOST_NUMBERS, rng),
        *number_tasks.distance_tasks(truth, scene, _MOST_NUMBERS, rng),
        *number_tasks.size_tasks(truth, scene, _MOST_NUMBERS, rng),
        number_tasks.room_task(truth, scene),
        *choice_tasks.nearest_tasks(truth, scene, _MOST_CHOICES, rng),
        *choice_tasks.direction_tasks(truth, scene, rng),
        *choice_tasks.appearance_tasks(truth, scene, _MOST_CHOICES, rng),
        *choice_tasks.route_tasks(truth, scene, rng),
    ]
