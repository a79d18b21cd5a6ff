# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where wheel odometry believes the base to be: it drifts with the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.sim.path import BaseState


@dataclass(frozen=True)
class OdometryModel:
    """Systematic and random errors of wheel odometry, as large as asked for.

    The shape of the errors: a wrong wheel radius (all ways too long or short) and a wrong wheel
    base (all turns), after Borenstein and Feng, "Measurement and Correction of Systematic Odometry
    Errors in Mobile Robots", IEEE T-RA 12(6), 1996; and noise whose variance grows with the way
    and the turn, after Thrun, Burgard and Fox, "Probabilistic Robotics", 2005, section 5.4. Drawn
    once per drive, they are scaled together until the largest error of position is ``drift``
    times the length of the way.

    Attributes:
        drift: largest error of position over the drive, as a share of the whole way; 0 for none.
        radius: standard deviation of the scale of ways, before scaling.
        base: standard deviation of the scale of turns, before scaling.
        way_noise: metres per square root of a metre of way, in each direction.
        turn_noise: radians per square root of a metre of way.
        turn_share: radians per square root of a radian of turn.
    """

    drift: float = 0.02
    radius: float = 0.01
    base: float = 0.004
    way_noise: float = 0.01
    turn_noise: float = 0.006
    turn_share: float = 0.004

    def apply(self, states: Sequence[BaseState], rng: np.random.Generator) -> list[BaseState]:
        """Return what odometry says along a drive; it starts at the true place.

        Args:
            states: true places of the base, in order.
            rng: source of the errors.
        """
        steps = [_step(a, b) for a, b in zip(states, states[1:], strict=False)]
        ways = np.array([math.hypot(dx, dy) for dx, dy, _ in steps])
        turns = np.array([dyaw for _, _, dyaw in steps])
        scales = rng.standard_normal(2) * (self.radius, self.base)
        way_errors = rng.standard_normal((len(steps), 2)) * self.way_noise * np.sqrt(ways)[:, None]
        turn_sigma = np.hypot(
            self.turn_noise * np.sqrt(ways), self.turn_share * np.sqrt(np.abs(turns))
        )
        turn_errors = rng.standard_normal(len(steps)) * turn_sigma

        def believed(factor: float) -> list[BaseState]:
            place = states[0]
            places = [place]
            for (dx, dy, dyaw), (ex, ey), turn in zip(steps, way_errors, turn_errors, strict=True):
                grown = 1 + factor * scales[0]
                place = _moved(
                    place,
                    grown * dx + factor * ex,
                    grown * dy + factor * ey,
                    (1 + factor * scales[1]) * dyaw + factor * turn,
                )
                places.append(place)
            return places

        wanted = self.drift * float(ways.sum())
        if wanted == 0.0:
            return list(states)
        factor = 1.0
        for _ in range(12):  # the error is almost proportional to the factor
            factor *= wanted / largest_error(states, believed(factor))
        return believed(factor)


def largest_error(states: Sequence[BaseState], believed: Sequence[BaseState]) -> float:
    """Largest distance in metres between true and believed places."""
    return max(math.hypot(a.x - b.x, a.y - b.y) for a, b in zip(states, believed, strict=True))


def _step(a: BaseState, b: BaseState) -> tuple[float, float, float]:
    """Motion from ``a`` to ``b`` in the frame of ``a``: metres ahead and to the left, radians."""
    dx, dy = b.x - a.x, b.y - a.y
    c, s = math.cos(a.yaw), math.sin(a.yaw)
    turn = (b.yaw - a.yaw + math.pi) % (2 * math.pi) - math.pi
    return c * dx + s * dy, -s * dx + c * dy, turn


def _moved(place: BaseState, ahead: float, left: float, turn: float) -> BaseState:
    c, s = math.cos(place.yaw), math.sin(place.yaw)
    x, y = place.x + c * ahead - s * left, place.y + s * ahead + c * left
    return BaseState(x, y, (place.yaw + turn + math.pi) % (2 * math.pi) - math.pi)
