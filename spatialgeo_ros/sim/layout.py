# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Puts small things on a level surface: side by side, on each other, in rows and leaning.

Nothing interpenetrates by construction: things on one level keep their footprints apart, a thing on
a thing stands on its flat top, and a leaning thing touches what holds it with the rearmost edge of
its bounding box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.sim.paper_things import leaflet_in_holder, leaning_slab, standing_book
from spatialgeo_ros.sim.room import SceneObject
from spatialgeo_ros.sim.small_things import BUILDERS
from spatialgeo_ros.sim.supports import Surface, apart, rectangle
from spatialgeo_ros.sim.thing_kit import SMALL_COLOURS, SmallThing, assemble
from spatialgeo_ros.sim.turning import bounds, shifted

_TOUCH = 0.0004  # metres between a leaning thing and what holds it
_DRAWS = 25
_SLABS = ("book", "book", "magazine", "leaflet", "picture frame")


@dataclass(frozen=True)
class _Placed:
    """A thing on the surface: its place in the surface's frame, and who carries it.

    Attributes:
        thing: what it is.
        x, y, yaw: of its origin in the surface's frame, metres and radians.
        z: of its underside above the surface, metres.
        outline: [4, 2] corners of its footprint in the surface's frame.
        carrier: index of the thing below, -1 for the surface itself.
    """

    thing: SmallThing
    x: float
    y: float
    yaw: float
    z: float
    outline: NDArray[np.float64]
    carrier: int = -1


class Layout:
    """The things on one surface while it is being laid out.

    Args:
        surface: what carries them.
        rng: decides everything.
        gap: the least distance between two footprints, metres.
    """

    def __init__(self, surface: Surface, rng: np.random.Generator, gap: float) -> None:
        self.surface, self._rng, self._gap = surface, rng, gap
        self._placed: list[_Placed] = []
        self._taken: set[int] = set()  # indices that carry or hold something

    def __len__(self) -> int:
        return len(self._placed)

    def scatter(self, count: int, close: float) -> None:
        """Stand up to ``count`` drawn things on the surface.

        Args:
            count: how many to try.
            close: share of them that is put near one that is already there.
        """
        # The largest first: there is no room for it among the small ones later.
        drawn = [self._draw() for _ in range(count)]
        for thing in sorted(drawn, key=lambda one: -one.size[0] * one.size[1]):
            for _ in range(_DRAWS):
                x, y = self._spot(thing, close)
                if self._stand(thing, x, y, self._heading(), self._gap):
                    break

    def stack(self, count: int) -> None:
        """Put up to ``count`` drawn things on flat tops that are large enough."""
        rng = self._rng
        for _ in range(count):
            below = [
                index
                for index, placed in enumerate(self._placed)
                if placed.thing.top is not None and index not in self._taken
            ]
            if not below:
                return
            carrier = below[int(rng.integers(len(below)))]
            base = self._placed[carrier]
            thing = self._draw()
            for _ in range(_DRAWS):
                if self._top_of(carrier, base, thing):
                    break
                thing = self._draw()

    def row_of_books(self, most: int, leaning: bool) -> None:
        """Stand 3 to ``most`` books in a row from the left; at its end one may lean on the last."""
        rng = self._rng
        half_x, half_y = self.surface.half
        tallest = min(self.surface.headroom - 0.03, 0.26)
        x = -half_x + 0.001 if self.surface.sides else -half_x * float(rng.uniform(0.3, 0.9))
        last: SmallThing | None = None
        for _ in range(int(rng.integers(3, most + 1))):
            book = standing_book(self._colour(), rng, tallest)
            w, d, h = book.size
            y = -half_y + d / 2 + float(rng.uniform(0.004, 0.03))
            if d > 2 * half_y - 0.04 or not self._stand(book, x + w / 2, y, 0.0, 0.0):
                break
            x += w + float(rng.uniform(0.0005, 0.002))
            last = book
        if last is None or not leaning:
            return
        index = len(self._placed) - 1
        lean = float(rng.uniform(0.12, 0.4))
        book = standing_book(self._colour(), rng, last.size[2], lean)
        at = self._placed[index].x + last.size[0] / 2 + _TOUCH + book.size[0] / 2
        y = self._placed[index].y - last.size[1] / 2 + book.size[1] / 2
        if self._stand(book, at, y, 0.0, 0.0):
            self._taken |= {index, len(self._placed) - 1}

    def lean_on_back(self) -> None:
        """Lean a slab on the upright face behind the surface, where there is one."""
        if not self.surface.back:
            return
        rng = self._rng
        thing = self._slab(min(0.3, self.surface.headroom - 0.02))
        across = self.surface.half[0] - thing.size[0] / 2
        y = self.surface.half[1] - thing.size[1] / 2 - _TOUCH
        for _ in range(_DRAWS):
            if across > 0 and self._stand(
                thing, float(rng.uniform(-across, across)), y, 0.0, self._gap
            ):
                self._taken.add(len(self._placed) - 1)
                return

    def lean_on_thing(self) -> None:
        """Lean a slab on the front or a side of an upright thing, where there is one."""
        rng = self._rng
        tall = [
            index
            for index, placed in enumerate(self._placed)
            if placed.thing.upright and placed.carrier < 0 and placed.thing.size[2] > 0.09
        ]
        if not tall:
            return
        index = tall[int(rng.integers(len(tall)))]
        holder = self._placed[index]
        for _ in range(_DRAWS):
            thing = self._slab(holder.thing.size[2])
            side = float(rng.choice([0.0, math.pi / 2, -math.pi / 2]))
            reach = holder.thing.size[0 if side else 1] / 2 + _TOUCH + thing.size[1] / 2
            slide = float(rng.uniform(-0.3, 0.3)) * holder.thing.size[1 if side else 0]
            yaw = holder.yaw + side
            # The slab's back (+y of its frame) faces the holder.
            x = holder.x + math.sin(yaw) * reach + math.cos(yaw) * slide
            y = holder.y - math.cos(yaw) * reach + math.sin(yaw) * slide
            if self._stand(thing, x, y, yaw, self._gap, beside=index):
                self._taken |= {index, len(self._placed) - 1}
                return

    def leaflet_stand(self) -> None:
        """Stand a slanted holder with its leaflet."""
        colour = self._colour()
        both, sheet = leaflet_in_holder(colour, self._rng)
        leaflet, holder = (
            assemble("leaflet", colour, sheet),
            assemble("holder", "grey", [*both.parts]),
        )
        for _ in range(_DRAWS):
            x, y = self._spot(both, 0.0)
            yaw = float(self._rng.normal(0, 0.3))
            if not self._stand(both, x, y, yaw, self._gap):
                continue
            outline = self._placed.pop().outline
            carrier = len(self._placed)
            for thing, parts in ((holder, both.parts), (leaflet, sheet)):
                low, high = bounds(parts)
                u, v = (low + high)[:2] / 2
                c, s = math.cos(yaw), math.sin(yaw)
                at = (x + c * float(u) - s * float(v), y + s * float(u) + c * float(v))
                below = -1 if thing is holder else carrier
                self._placed.append(_Placed(thing, *at, yaw, float(low[2]), outline, below))
            self._taken |= {carrier, carrier + 1}
            return

    def objects(self, names: Callable[[SmallThing], str]) -> list[SceneObject]:
        """Return what was laid out, each with the name of what it stands on.

        Args:
            names: gives each thing a name that is unique in the room.
        """
        done: list[SceneObject] = []
        for placed in self._placed:
            thing = placed.thing
            below = self.surface.support if placed.carrier < 0 else done[placed.carrier].name
            x, y = self.surface.place(placed.x, placed.y)
            z = self.surface.centre[2] + placed.z
            yaw = (self.surface.yaw + placed.yaw + math.pi) % (2 * math.pi) - math.pi
            parts = shifted(thing.parts, 0.0, 0.0, z)
            done.append(
                SceneObject(
                    names(thing), thing.kind, thing.colour, (x, y, z + thing.size[2] / 2),
                    thing.size, yaw, tuple(parts), below,
                )
            )  # fmt: skip
        return done

    def _colour(self) -> str:
        return list(SMALL_COLOURS)[int(self._rng.integers(len(SMALL_COLOURS)))]

    def _draw(self) -> SmallThing:
        """A thing that fits under the headroom."""
        weights = np.array(list(BUILDERS.values()))
        while True:
            pick = int(self._rng.choice(len(weights), p=weights / weights.sum()))
            thing = list(BUILDERS)[pick](self._colour(), self._rng)
            if thing.size[2] < self.surface.headroom - 0.02:
                return thing

    def _slab(self, tallest: float) -> SmallThing:
        rng = self._rng
        kind = _SLABS[int(rng.integers(len(_SLABS)))]
        lean = float(rng.uniform(0.12, 0.45))
        return leaning_slab(kind, self._colour(), rng, lean, tallest)

    def _heading(self) -> float:
        """Most things stand roughly along the edges, some anyhow."""
        rng = self._rng
        if rng.random() < 0.6:
            return float(rng.choice([0.0, 0.0, math.pi / 2, -math.pi / 2]) + rng.normal(0, 0.15))
        return float(rng.uniform(-math.pi, math.pi))

    def _spot(self, thing: SmallThing, close: float) -> tuple[float, float]:
        rng = self._rng
        if self._placed and rng.random() < close:
            near = self._placed[int(rng.integers(len(self._placed)))]
            reach = (math.hypot(*near.thing.size[:2]) + math.hypot(*thing.size[:2])) / 2
            angle = float(rng.uniform(-math.pi, math.pi))
            distance = reach * float(rng.uniform(0.7, 1.1))
            return near.x + distance * math.cos(angle), near.y + distance * math.sin(angle)
        half_x, half_y = self.surface.half
        return float(rng.uniform(-half_x, half_x)), float(rng.uniform(-half_y, half_y))

    def _fits(self, outline: NDArray[np.float64], gap: float, but: Iterable[int]) -> bool:
        """Tell whether a footprint is on the surface and apart from all things but some."""
        inside = (np.abs(outline) <= np.array(self.surface.half)).all()
        skip = set(but)
        return bool(inside) and all(
            apart(outline, placed.outline, gap)
            for index, placed in enumerate(self._placed)
            if index not in skip
        )

    def _stand(
        self, thing: SmallThing, x: float, y: float, yaw: float, gap: float, beside: int = -1
    ) -> bool:
        """Stand a thing on the surface; ``beside``: the thing it touches, and what stands there."""
        outline = rectangle(x, y, (thing.size[0] / 2, thing.size[1] / 2), yaw)
        high = thing.size[2] > self.surface.headroom - 0.01
        if high or not self._fits(outline, gap, (beside,)):
            return False
        if beside >= 0 and not apart(outline, self._placed[beside].outline, 0.0):
            return False
        self._placed.append(_Placed(thing, x, y, yaw, 0.0, outline))
        return True

    def _top_of(self, carrier: int, base: _Placed, thing: SmallThing) -> bool:
        """Stand a thing on the flat top of another, wholly within it."""
        rng = self._rng
        top = base.thing.top
        assert top is not None
        turn = float(rng.choice([0.0, math.pi / 2]) + rng.normal(0, 0.1))
        reach = rectangle(0.0, 0.0, (thing.size[0] / 2, thing.size[1] / 2), turn).max(axis=0)
        free = np.array(top) - reach
        z = base.z + base.thing.size[2]
        if (free < 0).any() or z + thing.size[2] > self.surface.headroom - 0.01:
            return False
        u, v = (float(rng.uniform(-f, f)) for f in free)
        c, s = math.cos(base.yaw), math.sin(base.yaw)
        x, y = base.x + c * u - s * v, base.y + s * u + c * v
        yaw = base.yaw + turn
        outline = rectangle(x, y, (thing.size[0] / 2, thing.size[1] / 2), yaw)
        self._placed.append(_Placed(thing, x, y, yaw, z, outline, carrier))
        self._taken.add(carrier)
        return True
