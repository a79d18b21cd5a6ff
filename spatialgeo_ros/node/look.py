# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A look: an image and what a detector is to look for in it. No ROS in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from spatialgeo_ros.memory.observation import Observation


class Purpose(IntEnum):
    """What a look is for; the smaller ones come first."""

    REQUEST = 0
    WATCH = 1
    MAP = 2


@dataclass(eq=False)
class Look:
    """An image and what is to be looked for in it.

    Attributes:
        observation: the image.
        phrases: to be looked for.
        purpose: of it.
        cancelled: whether nobody wants it any more.
        done: whether it was looked at, or given up.
        found: whether it was looked at.
    """

    observation: Observation
    phrases: tuple[str, ...]
    purpose: Purpose
    cancelled: Callable[[], bool] = lambda: False
    done: bool = False
    found: bool = False
