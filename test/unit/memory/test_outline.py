# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A box that was lifted onto something else is still around the known thing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from map_scene import Stage, looking, thing, towards

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.detected import Detected, MapFrame
from spatialgeo_ros.memory.objects import ObjectMap
from spatialgeo_ros.memory.outline import outline
from spatialgeo_ros.memory.snapshot import Presence

LAMP, BOX = (0.3, 0.3, 1.2), (0.5, 0.5, 0.5)
AHEAD = looking(0, 0, 0.0)


def along_the_ray(one: Detected, pose: Pose, times: float) -> Detected:
    """The same box, lifted to ``times`` the distance."""
    eye = pose.translation
    centre = eye + times * (one.centre - eye)
    return replace(one, points=eye + times * (one.points - eye), centre=centre)


def known_lamp(sightings: int = 3) -> tuple[Stage, ObjectMap]:
    stage, objects = Stage([thing("lamp", 2.0, 0.0, LAMP)]), ObjectMap()
    for _ in range(sightings):
        objects.update(stage.frame(AHEAD))
    return stage, objects


def lifted(stage: Stage, times: float, **changes) -> MapFrame:
    frame = stage.frame(AHEAD)
    (one,) = frame.detected
    return replace(frame, detected=(replace(along_the_ray(one, AHEAD, times), **changes),))


def listed(objects: ObjectMap) -> dict[str, Presence]:
    return {one.id: one.state for one in objects.snapshot().objects}


def test_the_outline_is_the_box_in_the_image() -> None:
    stage, objects = known_lamp()
    frame = stage.frame(AHEAD)
    box = outline(objects.tracked("lamp_1"), frame)
    assert box is not None
    np.testing.assert_allclose(box, frame.detected[0].box, atol=6)
    behind = stage.frame(looking(2.0, 0.05, 0.0))
    assert outline(objects.tracked("lamp_1"), behind) is None


def test_a_lamp_that_is_lifted_to_the_wall_behind_it_is_no_second_lamp() -> None:
    stage, objects = known_lamp()
    place = objects.tracked("lamp_1").centre.copy()
    update = objects.update(lifted(stage, 1.9))
    assert update.identified == ("lamp_1",) and not update.added
    assert listed(objects) == {"lamp_1": Presence.VISIBLE}
    lamp = objects.tracked("lamp_1")
    assert lamp.sightings == 4 and lamp.last_ns == update.stamp_ns
    np.testing.assert_array_equal(lamp.centre, place)


def test_beside_a_lamp_hardly_known_the_other_place_waits_for_a_second_image() -> None:
    stage, objects = known_lamp(2)
    first = objects.update(lifted(stage, 1.9))
    assert first.added == ("lamp_2",) and "lamp_2" not in listed(objects)
    objects.update(lifted(stage, 1.9))
    assert "lamp_2" in listed(objects)


def test_a_thing_of_another_name_or_elsewhere_in_the_image_is_new_at_once() -> None:
    stage, objects = known_lamp()
    update = objects.update(lifted(stage, 1.9, label="sofa", kind="sofa"))
    assert update.added == ("sofa_1",) and "sofa_1" in listed(objects)
    stage, objects = known_lamp()
    stage.things.append(thing("lamp", 2.5, 1.2, LAMP))
    update = objects.update(stage.frame(AHEAD, detect=["lamp"]))
    assert update.added == ("lamp_2",) and "lamp_2" in listed(objects)


def test_a_second_lamp_right_behind_the_known_one_is_found_when_both_are_detected() -> None:
    stage, objects = known_lamp()
    frame = lifted(stage, 1.5)
    both = replace(frame, detected=(*stage.frame(AHEAD).detected, *frame.detected))
    update = objects.update(both)
    assert update.identified == ("lamp_1", "lamp_2") and len(listed(objects)) == 2


def test_a_thing_put_before_the_known_one_is_another_after_two_images() -> None:
    """It hides the other one, so that nothing shows which of them the box is around."""
    stage, objects = known_lamp()
    stage.things.append(thing("lamp", 1.45, 0.0, (0.22, 0.22, 0.87), bottom=0.33))
    for expected in (1, 2):
        frame = stage.frame(AHEAD)
        front = next(one for one in frame.detected if one.centre[0] < 1.7)
        update = objects.update(replace(frame, detected=(front,)))
        assert update.identified == ("lamp_2",)
        assert len(listed(objects)) == expected
    assert listed(objects)["lamp_1"] is Presence.REMEMBERED


def test_a_thing_carried_away_along_the_ray_is_new_where_it_is_and_gone_where_it_was() -> None:
    stage, objects = known_lamp()
    stage.things = [thing("lamp", 3.0, 0.0, tuple(1.4 * np.array(LAMP)))]
    for _ in range(4):
        objects.update(stage.frame(AHEAD))
    assert listed(objects) == {"lamp_1": Presence.GONE, "lamp_2": Presence.VISIBLE}


def test_a_box_lifted_onto_a_known_thing_of_another_kind_waits_for_a_second_image() -> None:
    """The detector saw a sofa behind the plant; its box was lifted onto the plant."""
    stage, objects = Stage([thing("plant", 2.0, 0.0, BOX)]), ObjectMap()
    for y in (-0.6, 0.0, 0.6):
        objects.update(stage.frame(towards(0.0, y, (2.0, 0.0))))
    frame = stage.frame(AHEAD)
    (plant,) = frame.detected
    sofa = replace(plant, label="sofa", kind="sofa", size=np.array([0.6, 0.6, 0.5]))
    assert objects.update(replace(frame, detected=(sofa,))).added == ("sofa_1",)
    assert set(listed(objects)) == {"plant_1"}
    for _ in range(3):
        objects.update(stage.frame(AHEAD))
    assert set(listed(objects)) == {"plant_1"}


def test_of_two_boxes_around_one_outline_only_one_is_the_known_thing() -> None:
    stage, objects = known_lamp()
    wall, beyond = (lifted(stage, times).detected[0] for times in (1.5, 1.9))
    frame = replace(stage.frame(AHEAD), detected=(wall, beyond))
    update = objects.update(frame)
    assert sorted(update.identified) == ["lamp_1", "lamp_2"] and update.added == ("lamp_2",)


def test_a_person_on_a_known_sofa_is_listed_at_once() -> None:
    stage, objects = Stage([thing("sofa", 2.5, 0.0, (1.8, 0.9, 0.8))]), ObjectMap()
    for _ in range(3):
        objects.update(stage.frame(AHEAD))
    stage.things.append(thing("person", 2.3, 0.0, (0.5, 0.5, 1.2)))
    assert objects.update(stage.frame(AHEAD)).added == ("person_1",)
    assert "person_1" in listed(objects)


def test_a_chair_pushed_under_a_table_is_listed_with_its_second_image() -> None:
    table, chair = thing("table", 2.5, 0.0, (1.4, 0.9, 0.74)), thing("chair", 2.2, 0.0)
    stage, objects = Stage([table]), ObjectMap()
    for _ in range(3):
        objects.update(stage.frame(AHEAD))
    stage.things = [table, chair]
    for expected in (1, 2):
        objects.update(stage.frame(AHEAD))
        assert len(listed(objects)) == expected


@pytest.mark.parametrize("seen_first", ["leaves", "pot"])
def test_the_pot_and_the_leaves_of_a_plant_are_one_plant(seen_first: str) -> None:
    stage, objects = Stage([thing("plant", 2.0, 0.0, BOX)]), ObjectMap()
    views = [{"green": 0.7, "orange": 0.2}, {"green": 0.2, "orange": 0.7}]
    for colours in views if seen_first == "leaves" else views[::-1]:
        frame = stage.frame(AHEAD)
        objects.update(replace(frame, detected=(replace(frame.detected[0], colours=colours),)))
    assert set(listed(objects)) == {"plant_1"}
