# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How and when the things were seen that an answer rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spatialgeo_ros.answer.measured_part import MeasuredPart
from spatialgeo_ros.memory.snapshot import Presence
from spatialgeo_ros.scene.sighting import HowSeen


@dataclass(frozen=True)
class Sources:
    """The worst and the oldest of what an answer rests on.

    Attributes:
        how: the worst of them.
        stamp_ns: of the oldest image that one of them was seen in; 0 when none.
        age: seconds from that image to the one asked about; NaN when nothing was seen.
    """

    how: HowSeen = HowSeen.UNKNOWN
    stamp_ns: int = 0
    age: float = math.nan


def sources_of(part: MeasuredPart) -> Sources:
    """Return how the objects of a question were seen: in the image, or by the map."""
    seen = [(one.how, one.frame.stamp_ns, one.age) for one in part.sightings]
    if not seen and part.result is not None and part.snapshot is not None:
        named = {one.id: one for one in part.snapshot.objects}
        for one in (named[name] for name in part.result.objects if name in named):
            how = HowSeen.IN_VIEW if one.state is Presence.VISIBLE else HowSeen.REMEMBERED
            age = (part.observation.frame.stamp_ns - one.last_seen_ns) * 1e-9
            seen.append((how, one.last_seen_ns, max(0.0, age)))
    if not seen:
        return Sources()
    _, stamp, age = max(seen, key=lambda one: one[2])
    return Sources(max(how for how, _, _ in seen), stamp, age)
