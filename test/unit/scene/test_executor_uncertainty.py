# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Standard deviations against random maps, probabilities, and doubts that are said."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from question_room import MAP, OBJECTS, ROOM, VIEWER, thing, with_objects

from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot
from spatialgeo_ros.query.program import (
    Arithmetic,
    Ceiling,
    Compare,
    Constant,
    Count,
    Everything,
    Exists,
    Filter,
    Floor,
    It,
    Named,
    Number,
    Over,
    Quantity,
    Rank,
    Related,
    Room,
    Standing,
    TellDirection,
    TellNumber,
    TellObjects,
    TellWhether,
    The,
    Those,
    Viewer,
    Wall,
)
from spatialgeo_ros.query.result import Result
from spatialgeo_ros.scene.executor import execute

ME, IT = Viewer(), It()
TABLE, MUG, SOFA, RED, BLUE, LAMP = (
    Those((name,)) for name in ("table_1", "mug_1", "sofa_1", "chair_1", "chair_2", "lamp_2")
)


def of(name: Any, *places: Any, frame: Standing | None = None) -> Quantity:
    return Quantity(name, places, frame)


TURNED = replace(
    MAP,
    objects=tuple(replace(one, yaw=0.3 * i) for i, one in enumerate(OBJECTS)),
    room=replace(ROOM, polygon=np.array([[0, 0], [6, 0.5], [5.5, 4], [0, 4.5]])),
    viewer=replace(VIEWER, yaw=0.2),
)


def random_map(world: MapSnapshot, rng: np.random.Generator) -> MapSnapshot:
    """The same map as another measurement of it might have been."""

    def moved(one: MapObject) -> MapObject:
        size = one.size + rng.normal(size=3) * one.size_sigma
        centre = rng.multivariate_normal(one.centre, one.covariance)
        return replace(one, centre=centre, size=size)

    assert world.viewer and world.room and world.room.polygon is not None
    sigma = world.viewer.position_sigma
    dx, dy, dz = rng.normal(size=3) * sigma
    walls = world.room.polygon
    ends = np.roll(walls, -1, 0)
    along = (ends - walls) / np.linalg.norm(ends - walls, axis=1)[:, None]
    normal = np.stack([along[:, 1], -along[:, 0]], 1)
    offset = (normal * walls).sum(1) + rng.normal(size=len(walls)) * world.room.polygon_sigma
    # Corners are where moved walls meet.
    corners = [
        np.linalg.solve(np.stack([normal[i - 1], normal[i]]), [offset[i - 1], offset[i]])
        for i in range(len(walls))
    ]
    return replace(
        world,
        objects=tuple(map(moved, world.objects)),
        viewer=replace(
            world.viewer, x=world.viewer.x + dx, y=world.viewer.y + dy, z=world.viewer.z + dz
        ),
        room=replace(
            world.room,
            floor=world.room.floor + rng.normal() * world.room.floor_sigma,
            ceiling=(world.room.ceiling or 0) + rng.normal() * world.room.ceiling_sigma,
            polygon=np.array(corners),
        ),
    )


NUMBERS: dict[str, Number] = {
    "self": of("distance", ME, TABLE),
    "pair": of("distance", TABLE, SOFA),
    "gap": of("gap", RED, SOFA),
    "passage": of("passage", TABLE, BLUE),
    "horizontal": of("horizontal", TABLE, BLUE),
    "higher by": of("higher_by", TABLE, LAMP),
    "drive": of("drive", ME, SOFA),
    "wall": of("distance", ME, Wall()),
    "wall ahead": of("distance", ME, Wall("front")),
    "wall of a thing": of("distance", RED, Wall()),
    "ceiling": of("distance", LAMP, Ceiling()),
    "floor": of("distance", ME, Floor()),
    "volume": of("volume", SOFA),
    "area": of("area", SOFA),
    "top": of("top", MUG),
    "bottom": of("bottom", LAMP),
    "free height": of("clearance", TABLE),
    "room's floor": of("area", Room()),
    "bearing": of("bearing", RED),
    "bearing from there": of("bearing", BLUE, frame=Standing(TABLE, SOFA)),
    "difference": Arithmetic("difference", (of("distance", ME, TABLE), of("distance", ME, MUG))),
    "ratio": Arithmetic("ratio", (of("width", SOFA), of("height", RED))),
    "product": Arithmetic("product", (of("width", SOFA), of("depth", SOFA))),
    "mean": Over("mean", of("distance", IT, TABLE), Named("chair")),
    "sum of gaps to one": Over("sum", of("gap", IT, TABLE), Named("chair")),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_sigma_is_the_spread_over_maps(name: str) -> None:
    program = TellNumber(NUMBERS[name])
    rng = np.random.default_rng(7)
    told = execute(program, TURNED)
    spread = np.std([execute(program, random_map(TURNED, rng)).values[0] for _ in range(250)])
    # 250 draws tell a standard deviation to 4.5 %.
    assert told.std_devs[0] == pytest.approx(spread, rel=0.15)


def test_what_two_numbers_share_does_not_add() -> None:
    farther = Arithmetic("difference", (of("distance", ME, TABLE), of("distance", ME, MUG)))
    unsure = replace(MAP, viewer=replace(VIEWER, position_sigma=0.5))
    assert execute(TellNumber(farther), unsure).std_devs[0] < 0.1
    nothing = Arithmetic("difference", (of("distance", ME, TABLE), of("distance", ME, TABLE)))
    assert execute(TellNumber(nothing), unsure).std_devs[0] == pytest.approx(0, abs=1e-12)


def test_a_threshold_within_the_noise_has_its_probability() -> None:
    """A box at 1.98 m ± 0.05 m is within 2 m with probability 0.66."""
    box = thing("box_1", "box", (3.48, 1, 1), (1, 1, 1), sigma=0.05)
    box = replace(box, size_sigma=np.zeros(3))
    world = replace(with_objects(box), viewer=replace(VIEWER, position_sigma=0.0))
    within = TellWhether(Compare(of("distance", ME, The(Named("box"))), "<", Constant(2, "m")))
    yes = execute(within, world)
    assert yes.boolean
    assert yes.probability == pytest.approx(0.5 + math.erf(0.4 / math.sqrt(2)) / 2)
    assert "0.66" in yes.text
    assert "1.98 m ± 0.05 m" in yes.text
    no = execute(
        TellWhether(Compare(of("distance", ME, The(Named("box"))), ">", Constant(2))), world
    )
    assert not no.boolean
    assert no.probability == pytest.approx(yes.probability)


def chairs(*places: float, sigma: float = 0.05) -> MapSnapshot:
    """Chairs ahead of the viewer with their nearest points at these distances."""
    return with_objects(
        *(
            thing(f"chair_{i}", "chair", (1.2 + far, 1, 1), (0.4, 0.4, 0.4), sigma=sigma)
            for i, far in enumerate(places)
        )
    )


def ranked(count: int | None, world: MapSnapshot, skip: int = 0) -> Result:
    rank = Rank(Named("chair"), of("distance", ME, IT), skip=skip, count=count)
    return execute(TellObjects(rank), world)


def test_a_close_race_is_said() -> None:
    doubtful = ranked(1, chairs(2.0, 2.03, 3.0))
    assert doubtful.objects == ("chair_0",)
    assert "chair_0 before chair_1 with probability 0.6" in doubtful.remarks[0]
    assert ranked(1, chairs(2.0, 2.5, 3.0)).remarks == ()
    # Only the border of what is taken matters, and with an order also what is within.
    assert ranked(1, chairs(2.0, 2.5, 2.53)).remarks == ()
    assert "chair_1 before chair_2" in ranked(2, chairs(2.0, 2.5, 2.53)).remarks[0]
    assert "chair_1 before chair_2" in ranked(None, chairs(2.0, 2.5, 2.53)).remarks[0]
    assert "chair_1 before chair_2" in ranked(1, chairs(2.0, 2.5, 2.53), skip=1).remarks[0]


def test_an_uncertain_viewer_does_not_blur_an_order_along_one_line() -> None:
    world = chairs(2.0, 2.2, sigma=0.01)
    assert ranked(1, replace(world, viewer=replace(VIEWER, position_sigma=1.0))).remarks == ()


def test_counts_say_how_sure_they_are() -> None:
    near = Filter(Named("chair"), Compare(of("distance", ME, IT), "<", Constant(2, "m")))
    world = chairs(1.0, 1.99, 2.01, 4.0)
    count = execute(TellNumber(Count(near)), world)
    assert count.values == (2.0,)
    assert 0.6 < count.std_devs[0] < 0.75  # two that are nearly tossed: sqrt(2 p (1 - p))
    exists = execute(TellWhether(Exists(near)), chairs(1.99))
    assert exists.boolean
    assert 0.5 < exists.probability < 0.7
    assert execute(TellWhether(Exists(near)), world).probability == 1.0


def test_doubtful_members_are_said() -> None:
    near = Filter(Named("chair"), Compare(of("distance", ME, IT), "<", Constant(2, "m")))
    listed = execute(TellObjects(near), chairs(1.0, 1.99, 4.0))
    assert listed.objects == ("chair_0", "chair_1")
    assert "chair_1 with probability 0.5" in listed.remarks[0]
    counted = execute(TellNumber(Count(near)), chairs(1.0, 2.01, 4.0))
    assert counted.values == (1.0,)
    assert "chair_1 with probability 0.4" in counted.remarks[0]
    # Whether the second belongs to them does not matter for the nearest.
    first = Rank(near, of("distance", ME, IT), count=1)
    assert execute(TellObjects(first, one=True), chairs(1.0, 1.99, 4.0)).remarks == ()


def test_a_probability_is_at_least_one_half_for_what_is_said() -> None:
    rng = np.random.default_rng(3)
    relations: tuple[Any, ...] = ("on", "above", "beside", "touching", "inside", "behind", "left")
    for _ in range(20):
        world = random_map(replace(MAP, objects=tuple(map(blurred, OBJECTS))), rng)
        for relation in relations:
            for subject, anchor in ((MUG, TABLE), (RED, TABLE), (TABLE, LAMP)):
                result = execute(TellWhether(Related(relation, subject, (anchor,))), world)
                assert result.probability >= 0.5, relation


def blurred(one: MapObject) -> MapObject:
    return replace(one, covariance=np.eye(3) * 0.1**2)


def test_a_direction_near_the_border_of_its_word_is_said() -> None:
    ahead = with_objects(thing("box_1", "box", (4, 1.02, 1), (0.2, 0.2, 0.2), sigma=0.1))
    result = execute(TellDirection(The(Named("box")), "side"), ahead)
    assert result.direction == "left"
    assert "where the word changes (probability 0.5" in result.remarks[0]
    assert execute(TellDirection(The(Named("box")), "any"), ahead).remarks == ()


def test_everything_is_sure_in_an_exact_world() -> None:
    exact = replace(
        MAP,
        objects=tuple(
            replace(one, covariance=np.zeros((3, 3)), size_sigma=np.zeros(3)) for one in OBJECTS
        ),
        viewer=replace(VIEWER, position_sigma=0.0),
        room=replace(ROOM, floor_sigma=0.0, ceiling_sigma=0.0, polygon_sigma=0.0),
    )
    result = execute(TellWhether(Related("touching", MUG, (TABLE,))), exact)
    assert (result.boolean, result.probability) == (True, 1.0)
    assert execute(TellNumber(of("distance", ME, TABLE)), exact).std_devs == (0.0,)
    everything = Rank(Everything(), of("distance", ME, IT))
    assert not [r for r in execute(TellObjects(everything), exact).remarks if "uncertainty" in r]
