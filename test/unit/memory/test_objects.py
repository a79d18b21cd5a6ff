# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The object map in a room with known truth: what stays, moves, goes, walks, and wrong poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from map_scene import SECOND, Stage, looking, thing, towards, walls

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.detected import Unplaced
from spatialgeo_ros.memory.objects import ObjectMap
from spatialgeo_ros.memory.snapshot import Presence

MUG, BOX, TABLE = (0.1, 0.1, 0.12), (0.4, 0.3, 0.3), (1.2, 0.8, 0.74)


def related(a: str, b: str) -> float:
    if a == b:
        return 1.0
    return 0.9 if {a, b} == {"chair", "office chair"} else 0.0


def new_map(**options) -> ObjectMap:
    return ObjectMap(related=related, **options)


def by_id(objects: ObjectMap) -> dict:
    return {one.id: one for one in objects.snapshot().objects}


def states(objects: ObjectMap) -> dict[str, Presence]:
    return {name: one.state for name, one in by_id(objects).items()}


def ring(count: int = 8, radius: float = 2.5, at: tuple[float, float] = (0.0, 0.0)) -> list[Pose]:
    """Poses on a circle that all look at its middle."""
    return [
        towards(at[0] + radius * np.cos(a), at[1] + radius * np.sin(a), at)
        for a in np.linspace(0, 2 * np.pi, count, endpoint=False)
    ]


def test_a_thing_seen_from_all_sides_is_one_object_whose_sigma_is_bounded_by_the_poses() -> None:
    stage, objects = Stage([thing("chair", 0.0, 0.0, yaw=0.4)]), new_map(drift_share=0.0)
    for pose in ring(24):
        update = objects.update(stage.frame(pose))
        assert update.used and update.identified == ("chair_1",)
    (chair,) = objects.snapshot().objects
    assert chair.state is Presence.VISIBLE and chair.sightings == 24
    assert np.linalg.norm(chair.centre - [0, 0, 0.45]) < 0.03
    np.testing.assert_allclose(chair.size, (0.48, 0.5, 0.9), atol=0.05)
    assert np.sqrt(chair.covariance[0, 0]) >= 0.02
    assert chair.probability > 0.9 and chair.labels == {"chair": 1.0}
    assert chair.first_seen_ns == SECOND and chair.last_seen_ns == 24 * SECOND


def test_what_leaves_the_view_is_remembered_and_what_was_not_looked_at_stays_as_sure() -> None:
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    objects.update(stage.frame(looking(0, 0, 0.0)))
    objects.update(stage.frame(looking(0, 0, 0.0)))
    before = by_id(objects)["chair_1"].probability
    for _ in range(20):
        objects.update(stage.frame(looking(0, 0, np.pi)))
    snapshot = objects.snapshot()
    assert snapshot.objects[0].state is Presence.REMEMBERED and not snapshot.in_view
    assert snapshot.objects[0].probability == before
    assert snapshot.viewer is not None and abs(abs(snapshot.viewer.yaw) - np.pi) < 1e-6


def test_two_identical_chairs_side_by_side_keep_their_ids_seen_together_or_alone() -> None:
    stage = Stage([thing("chair", 2.0, 0.32), thing("chair", 2.0, -0.32)])
    objects = new_map()
    first = objects.update(stage.frame(looking(0, 0, 0.0)))
    assert first.identified == ("chair_1", "chair_2")
    for place in [(0.5, 1.0), (0.5, -1.0), (1.0, 2.0), (1.0, -2.0), (2.0, 2.5), (2.0, -2.5)]:
        update = objects.update(stage.frame(towards(*place, (2.0, 0.0))))
        assert set(update.identified) <= {"chair_1", "chair_2"} and not update.added
        assert update.identified[0] == "chair_1" or len(update.identified) == 1
    both = stage.things
    for k, alone in enumerate(both):
        stage.things = [alone]
        update = objects.update(stage.frame(towards(0, 0, (2.0, alone.block.y)), detect=["chair"]))
        assert update.identified == (f"chair_{k + 1}",)


def test_a_removed_thing_is_gone_when_its_place_is_seen_empty_and_comes_back_under_its_id() -> None:
    stage = Stage([thing("chair", 2.0, 0.0), thing("box", 1.8, 1.2, BOX)])
    objects = new_map()
    for _ in range(3):
        objects.update(stage.frame(looking(0, 0, 0.2)))
    whole = stage.things
    stage.things = whole[1:]
    gone = [name for _ in range(4) for name in objects.update(stage.frame(looking(0, 0, 0.2))).gone]
    assert gone == ["chair_1"]
    assert states(objects) == {"chair_1": Presence.GONE, "box_1": Presence.VISIBLE}
    stage.things = whole
    update = objects.update(stage.frame(looking(0, 0, 0.2)))
    assert update.returned == ("chair_1",) and not update.added
    assert states(objects)["chair_1"] is Presence.VISIBLE


def test_what_something_hides_is_not_gone() -> None:
    stage, objects = Stage([thing("chair", 2.5, 0.0)]), new_map()
    for _ in range(3):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    stage.things.append(thing("shelf", 1.5, 0.0, (1.0, 1.6, 1.8)))
    for _ in range(10):
        update = objects.update(stage.frame(looking(0, 0, 0.0), detect=["shelf"]))
        assert not update.gone
    assert states(objects)["chair_1"] is Presence.REMEMBERED


def test_a_thing_moved_out_of_sight_leaves_a_gone_place_and_is_a_new_object() -> None:
    stage, objects = Stage([thing("chair", 2.0, 1.0)]), new_map()
    for _ in range(3):
        objects.update(stage.frame(looking(0, 0, 0.3)))
    objects.update(stage.frame(looking(0, 0, np.pi)))
    stage.things = [stage.things[0].at(2.0, -0.8)]
    updates = [objects.update(stage.frame(looking(0, 0, 0.0))) for _ in range(4)]
    assert [u.added for u in updates] == [("chair_2",), (), (), ()]
    assert [name for u in updates for name in u.gone] == ["chair_1"]
    assert states(objects) == {"chair_1": Presence.GONE, "chair_2": Presence.VISIBLE}


def test_a_thing_that_is_seen_to_move_keeps_its_id_and_gets_the_new_place() -> None:
    stage, objects = Stage([thing("box", 2.0, -0.8, BOX)]), new_map()
    for _ in range(5):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    moved = []
    for y in np.arange(-0.8, 0.8, 0.08):
        stage.things = [stage.things[0].at(2.0, float(y))]
        update = objects.update(stage.frame(looking(0, 0, 0.0), step=0.2))
        moved += update.moved
        assert update.identified == ("box_1",) and not update.gone
    assert "box_1" in moved
    (box,) = objects.snapshot().objects
    assert np.linalg.norm(box.centre[:2] - [2.0, 0.72]) < 0.3
    for _ in range(4):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    (box,) = objects.snapshot().objects
    assert np.linalg.norm(box.centre[:2] - [2.0, 0.72]) < 0.06


@pytest.mark.parametrize("kinds", [("box", "bucket"), ("chair", "chair")])
def test_swapped_things_are_gone_from_where_they_were_and_new_where_they_are(kinds) -> None:
    """Told apart by kind, or where that is equal by clearly different colours."""
    colours = ("", "") if kinds[0] != kinds[1] else ("red", "blue")
    sizes = [BOX, BOX] if kinds[0] != kinds[1] else [(0.48, 0.5, 0.9)] * 2
    a, b = (
        thing(kind, 2.0, y, size, colour)
        for kind, y, size, colour in zip(kinds, (0.7, -0.7), sizes, colours, strict=True)
    )
    stage, objects = Stage([a, b]), new_map()
    for _ in range(3):
        first = objects.update(stage.frame(looking(0, 0, 0.0)))
    stage.things = [a.at(2.0, -0.7), b.at(2.0, 0.7)]
    for _ in range(6):
        last = objects.update(stage.frame(looking(0, 0, 0.0)))
    assert not set(first.identified) & set(last.identified)
    known = states(objects)
    assert all(known[name] is Presence.GONE for name in first.identified)
    assert all(known[name] is Presence.VISIBLE for name in last.identified)
    assert len(known) == 4


def test_equal_things_that_are_swapped_cannot_be_told_and_change_nothing() -> None:
    a, b = thing("chair", 2.0, 0.7), thing("chair", 2.0, -0.7)
    stage, objects = Stage([a, b]), new_map()
    objects.update(stage.frame(looking(0, 0, 0.0)))
    stage.things = [b, a]
    for _ in range(4):
        update = objects.update(stage.frame(looking(0, 0, 0.0)))
    assert update.identified == ("chair_2", "chair_1")
    assert set(states(objects).values()) == {Presence.VISIBLE}


def test_a_walking_person_is_one_object_leaves_no_trail_and_is_forgotten_out_of_sight() -> None:
    person = thing("person", 2.5, -2.0, (0.5, 0.3, 1.7))
    chair = thing("chair", 1.6, 1.2)
    stage, objects = Stage([chair]), new_map(dynamic_memory=5.0)
    for _ in range(3):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    listed = []
    for y in np.arange(-2.0, 2.0, 0.2):  # at 1 m/s
        stage.things = [chair, person.at(2.5, float(y))]
        update = objects.update(stage.frame(looking(0, 0, 0.0), step=0.2))
        assert not update.gone and not update.moved
        listed.append([n for n in by_id(objects) if n.startswith("person")])
    assert all(len(names) <= 1 for names in listed)
    assert {name for names in listed for name in names} == {"person_1"}
    stage.things = [chair]
    for _ in range(8):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    assert states(objects) == {"chair_1": Presence.VISIBLE}


def test_a_person_who_leaves_while_the_robot_looks_away_is_forgotten_not_gone() -> None:
    stage, objects = Stage([thing("person", 2.5, 0.0, (0.5, 0.3, 1.7))]), new_map()
    for _ in range(3):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    for _ in range(3):
        objects.update(stage.frame(looking(0, 0, np.pi)))
    assert states(objects) == {"person_1": Presence.REMEMBERED}
    for _ in range(9):
        objects.update(stage.frame(looking(0, 0, np.pi)))
    assert not objects.snapshot().objects


def test_a_room_that_is_the_mirror_image_of_another_has_objects_of_its_own() -> None:
    things = [thing("chair", 1.5, 1.0), thing("table", 2.2, -0.8, TABLE), thing("box", 1, 2, BOX)]
    mirrored = [t.at(10 + t.block.x, -t.block.y) for t in things]
    stage = Stage(things + mirrored, walls() + walls(4.0, 10.0))
    objects = new_map()
    for x in (0.0, 10.0, 0.0):
        for heading in np.linspace(0, 2 * np.pi, 9):
            assert objects.update(stage.frame(looking(x, 0, float(heading)))).used
    known = by_id(objects)
    assert sorted(known) == ["box_1", "box_2", "chair_1", "chair_2", "table_1", "table_2"]
    assert all(one.state is not Presence.GONE for one in known.values())
    for one, other in (("chair_1", "chair_2"), ("box_1", "box_2"), ("table_1", "table_2")):
        a, b = sorted((known[one].centre, known[other].centre), key=lambda c: c[0])
        np.testing.assert_allclose(b - a, [10, -2 * a[1], 0], atol=0.1)


def drifted(pose: Pose, way: float, share: float) -> Pose:
    """What odometry believes after ``way`` metres, with an error of ``share`` of it."""
    return Pose(pose.rotation, pose.translation + [share * way * 0.6, share * way * 0.8, 0.0])


def test_drift_of_two_per_cent_of_the_way_keeps_ids_and_counts() -> None:
    corners = [(2.2, 1.4), (-2.2, 1.4), (-2.2, -1.4), (2.2, -1.4)]
    things = [thing("chair", x, y) for x, y in corners]
    things += [thing("chair", 2.2, 2.1), thing("table", 0.0, 0.0, TABLE), thing("box", 0, 3, BOX)]
    stage, objects = Stage(things), new_map(drift_share=0.02)
    way, last, given = 0.0, None, {k: set() for k in range(len(things))}
    for k, angle in enumerate(np.linspace(0, 6 * np.pi, 120)):  # three laps, 28 m
        x, y = 1.5 * np.cos(angle), 1.5 * np.sin(angle)
        pose = looking(x, y, float(angle) + (0.6 if k % 3 else np.pi))
        way += 0.0 if last is None else float(np.linalg.norm(pose.translation - last))
        last = pose.translation
        frame = stage.frame(pose, drifted(pose, way, 0.02), step=0.5)
        update = objects.update(frame)
        assert update.used, update.reason
        for seen, name in zip(frame.detected, update.identified, strict=True):
            at = drifted(Pose(), way, 0.02).inverse().apply(seen.centre)
            true = min(given, key=lambda k: np.linalg.norm(things[k].block.centre - at))
            given[true].add(name)
    assert way > 25
    assert all(len(names) == 1 for names in given.values()), given
    there = [one for one in objects.snapshot().objects if one.state is not Presence.GONE]
    assert len(there) == len(things)


def furnished() -> list:
    spots = [(2.5, 1.5), (2.8, -0.5), (-2.5, 1.0), (-2.0, -2.0), (0.5, 2.8), (0.3, -2.7)]
    return [thing("chair", x, y) for x, y in spots] + [thing("table", 0.5, 0.2, TABLE)]


def turn_around(stage: Stage, objects: ObjectMap, believed=lambda pose: pose, count=12) -> list:
    updates = []
    for heading in np.linspace(0, 2 * np.pi, count, endpoint=False):
        pose = looking(-0.6, 0.1, float(heading))
        updates.append(objects.update(stage.frame(pose, believed(pose), step=0.4)))
    return updates


def elsewhere(pose: Pose) -> Pose:
    turn = Pose(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), [1.7, -1.2, 0.0])
    return turn @ pose


def test_images_of_a_kidnapped_robot_are_not_used_and_then_the_map_begins_anew() -> None:
    stage, objects = Stage(furnished()), new_map(patience=3.0)
    for _ in range(3):
        turn_around(stage, objects)
    before = {name: one.centre for name, one in by_id(objects).items()}
    updates = turn_around(stage, objects, elsewhere, count=7)
    assert not any(u.used for u in updates)
    assert all("pose is wrong" in u.reason for u in updates)
    after = {name: one.centre for name, one in by_id(objects).items()}
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)
    assert set(states(objects).values()) <= {Presence.VISIBLE, Presence.REMEMBERED}
    (cleared,) = [u.cleared for u in turn_around(stage, objects, elsewhere) if u.cleared]
    assert "pose jumped" in cleared and objects.describe()["resets"][-1] == cleared
    new = by_id(objects)
    assert not set(new) & set(before)  # ids are never given again
    truth = [elsewhere(Pose()).apply(one.block.centre) for one in stage.things]
    for one in new.values():
        assert min(np.linalg.norm(one.centre - at) for at in truth) < 0.1


def test_a_pose_that_is_wrong_for_a_moment_changes_nothing() -> None:
    stage, objects = Stage(furnished()), new_map()
    for _ in range(3):
        turn_around(stage, objects)
    before = by_id(objects)
    turn_around(stage, objects, elsewhere, count=4)
    assert all(u.used and not u.added and not u.gone for u in turn_around(stage, objects))
    assert before.keys() == by_id(objects).keys()
    assert objects.describe()["frames_with_a_wrong_pose"] == 4


def test_a_room_that_was_emptied_is_not_taken_for_a_wrong_pose() -> None:
    stage, objects = Stage(furnished()), new_map()
    for _ in range(3):
        turn_around(stage, objects)
    stage.things = []
    updates = [u for _ in range(3) for u in turn_around(stage, objects)]
    assert all(u.used for u in updates)
    assert set(states(objects).values()) == {Presence.GONE}


def test_a_detector_that_misses_what_is_in_plain_view_makes_it_less_sure() -> None:
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    objects.update(stage.frame(looking(0, 0, 0.0)))
    sure = by_id(objects)["chair_1"].probability
    for looked in (None, ["sofa"]):
        objects.update(stage.frame(looking(0, 0, 0.0), detect=[], looked_for=looked))
        assert by_id(objects)["chair_1"].probability == sure
    objects.update(stage.frame(looking(0, 0, 0.0), detect=[], looked_for=["office chair"]))
    assert by_id(objects)["chair_1"].probability < sure
    # What was seen once and is missed from several sides was no chair.
    for pose in ring(16, 1.8, (2.0, 0.0)):
        objects.update(stage.frame(pose, detect=[]))
    assert not objects.snapshot().objects


def test_misses_from_one_side_count_less_and_less_for_what_was_seen_often() -> None:
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    for _ in range(8):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    for _ in range(50):
        objects.update(stage.frame(looking(0, 0, 0.0), detect=[]))
    assert states(objects) == {"chair_1": Presence.REMEMBERED}


def test_a_thing_that_was_detected_but_has_no_depth_is_not_missed() -> None:
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    objects.update(stage.frame(looking(0, 0, 0.0)))
    sure = by_id(objects)["chair_1"].probability
    frame = stage.frame(looking(0, 0, 0.0))
    box = frame.detected[0].box
    objects.update(replace(frame, detected=(), unplaced=(Unplaced("chair", box),)))
    assert by_id(objects)["chair_1"].probability == sure


def test_a_box_without_depth_around_a_thing_says_more_than_depth_that_looks_past_it() -> None:
    """A black television on a wall: the sensor measures the wall behind its rim, or nothing."""
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    for _ in range(2):
        frame = stage.frame(looking(0, 0, 0.0))
        objects.update(frame)
    box = Unplaced("chair", frame.detected[0].box)
    stage.things = []
    for _ in range(4):
        objects.update(replace(stage.frame(looking(0, 0, 0.0)), unplaced=(box,)))
    assert states(objects)["chair_1"] is not Presence.GONE
    beside = Unplaced("chair", (0.0, 40.0, 30.0, 90.0))
    for _ in range(3):
        objects.update(replace(stage.frame(looking(0, 0, 0.0)), unplaced=(beside,)))
    assert states(objects)["chair_1"] is Presence.GONE


@pytest.mark.parametrize("wrong", [3, 12])
def test_first_sightings_lifted_elsewhere_are_outvoted_by_as_many_that_agree(wrong: int) -> None:
    """Of a large thing all views touch each other, so that it stays one object."""
    size, off = (2.0, 0.8, 0.8), np.array([0.9, 0.0, 0.0])
    stage, objects = Stage([thing("sofa", 2.5, 0.0, size)]), new_map(drift_share=0.0)
    for k in range(wrong + 16):
        frame = stage.frame(towards(0.0, 0.15 * (k % 3 - 1), (2.5, 0.0)))
        (one,) = frame.detected
        if k < wrong:
            one = replace(one, centre=one.centre + off)
        objects.update(replace(frame, detected=(replace(one, covariance=0.1**2 * np.eye(3)),)))
    (sofa,) = objects.snapshot().objects
    assert sofa.sightings == wrong + 16
    assert np.linalg.norm(sofa.centre[:2] - [2.5, 0.0]) < 0.1


def test_a_few_partial_views_of_what_is_well_known_do_not_move_it() -> None:
    size = (2.0, 0.8, 0.8)
    stage, objects = Stage([thing("sofa", 2.5, 0.0, size)]), new_map(drift_share=0.0)
    for k in range(20):
        frame = stage.frame(towards(0.0, 0.15 * (k % 3 - 1), (2.5, 0.0)))
        (one,) = frame.detected
        if k >= 14:
            half = np.array([1.0, 0.8, 0.8])
            one = replace(one, centre=one.centre + [0.5, 0.0, 0.0], size=half)
        objects.update(replace(frame, detected=(replace(one, covariance=0.1**2 * np.eye(3)),)))
    (sofa,) = objects.snapshot().objects
    assert np.linalg.norm(sofa.centre[:2] - [2.5, 0.0]) < 0.15


def test_an_object_that_two_cameras_see_is_one_object() -> None:
    things = [thing("chair", 2.0, 0.0), thing("box", 1.5, 1.5, BOX)]
    front, left = Stage(things), Stage(things, camera_name="left")
    objects = new_map()
    for _ in range(4):
        objects.update(front.frame(looking(0, 0, 0.3)))
        objects.update(left.frame(looking(0.1, 0.2, 0.4)))
    known = by_id(objects)
    assert sorted(known) == ["box_1", "chair_1"]
    assert known["box_1"].cameras == ("front", "left")
    front.camera_name = "front"
    objects.update(front.frame(looking(0, 0, np.pi)))
    assert known.keys() == objects.snapshot().in_view  # the left camera still sees them


def test_a_narrower_label_is_the_same_object_and_the_usual_one_names_it() -> None:
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    for k in range(5):
        called = {"chair": "office chair"} if k != 2 else {}
        objects.update(stage.frame(looking(0, 0, 0.0), relabel=called))
    (chair,) = objects.snapshot().objects
    assert (chair.id, chair.label) == ("office_chair_1", "office chair")
    assert chair.labels["chair"] == pytest.approx(0.2)


def test_one_image_under_another_name_does_not_make_two_objects() -> None:
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    for k in range(6):
        called = {"chair": "dog house"} if k == 3 else {}
        update = objects.update(stage.frame(looking(0, 0, 0.0), relabel=called))
        if k == 4:
            assert update.merged == (("dog_house_1", "chair_1"),)
    assert list(states(objects)) == ["chair_1"]


def test_two_boxes_around_one_thing_are_one_object() -> None:
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    frame = stage.frame(looking(0, 0, 0.0))
    twice = (*frame.detected, replace(frame.detected[0], label="office chair", score=0.6))
    update = objects.update(replace(frame, detected=twice))
    assert update.identified == ("chair_1", "") and len(by_id(objects)) == 1


def test_a_thing_seen_in_parts_is_merged_when_the_parts_meet() -> None:
    stage, objects = Stage([thing("table", 2.0, 0.0, TABLE)]), new_map()
    frame = stage.frame(looking(0, 0, 0.0))
    (table,) = frame.detected
    y = table.points[:, 1]
    parts = [
        replace(
            table, points=table.points[side], centre=np.array([2.0, at, 0.37]),
            size=np.array([0.3, 0.5, 0.74]),
        )
        for side, at in ((y > 0.15, 0.32), (y < -0.15, -0.32))
    ]  # fmt: skip
    for part in parts:
        objects.update(replace(stage.frame(looking(0, 0, 0.0)), detected=(part,)))
    assert len(by_id(objects)) == 2
    for _ in range(3):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    assert list(by_id(objects)) == ["table_1"]


def test_time_and_world_that_jump_clear_the_map_and_say_so() -> None:
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    for _ in range(5):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    late = replace(stage.frame(looking(0, 0, 0.0)), stamp_ns=5 * SECOND - SECOND // 2)
    update = objects.update(late)
    assert not update.used and "0.500 s newer" in update.reason and not update.cleared
    back = objects.update(replace(stage.frame(looking(0, 0, 0.0)), stamp_ns=SECOND))
    assert back.used and "time jumped back by 4.0 s" in back.cleared
    assert back.added == ("chair_2",)  # the number 1 is spent
    stage.world_frame = "odom"
    other = objects.update(stage.frame(looking(0, 0, 0.0)))
    assert "'odom', not 'map'" in other.cleared and other.added == ("chair_3",)
    assert objects.describe()["resets"] == (back.cleared, other.cleared)
    objects.reset("asked to")
    assert not objects.snapshot().objects and objects.describe()["world_frame"] == ""


def test_the_map_is_bounded_and_the_least_sure_leave_first() -> None:
    objects = new_map(most_objects=10)
    stage = Stage([thing("chair", 2.0, 0.0)])
    for _ in range(5):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    for k in range(30):
        away = thing("box", 20.0 + k, 0.0, BOX)
        stage.things, stage.structure = [away], []
        objects.update(stage.frame(looking(18.5 + k, 0, 0.0)))
    facts = objects.describe()
    assert facts["objects"] <= 10 and "chair_1" in by_id(objects)
    assert facts["bytes"] < 1_000_000


def test_facts_say_what_there_is() -> None:
    stage, objects = Stage([thing("chair", 2.0, 0.0)]), new_map()
    objects.update(stage.frame(looking(0, 0, 0.0)))
    facts = objects.describe()
    assert (facts["objects"], facts["visible"], facts["gone"], facts["frames"]) == (1, 1, 0, 1)
    assert objects.surface("chair_1").shape[1] == 3
    best = objects.tracked("chair_1").best
    assert best.camera_name == "front" and best.stamp_ns == SECOND and best.quality > 0
    with pytest.raises(BadRequestError, match="no object 'chair_9'"):
        objects.surface("chair_9")
    with pytest.raises(BadRequestError, match="not negative"):
        ObjectMap(drift_share=-1.0)


def test_a_snapshot_of_a_place_has_the_objects_around_it_alone() -> None:
    things = [thing("box", 2.0, -0.8, BOX), thing("box", 2.0, 0.8, BOX)]
    objects = new_map()
    for _ in range(3):
        objects.update(Stage(things).frame(looking(0, 0, 0.0)))
    whole = objects.snapshot()
    assert len(whole.objects) == 2
    near = objects.snapshot(around=(things[0].block.centre, 0.3))
    (one,) = near.objects
    assert np.linalg.norm(one.centre - things[0].block.centre) < 0.1
    assert near.in_view == {one.id} and near.frame == whole.frame
    assert objects.snapshot(around=(np.array([-3.0, 0.0, 0.0]), 0.3)).objects == ()
