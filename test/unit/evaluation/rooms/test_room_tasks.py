# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions about a room: their answers by hand, what is not asked, and that the truth answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from known_room import SECOND, known_truth, without

from spatialgeo_ros.evaluation.rooms import choice_tasks, number_tasks
from spatialgeo_ros.evaluation.rooms.answers import answer_text, score
from spatialgeo_ros.evaluation.rooms.drive import FIRST_SEED, DriveSettings, drives
from spatialgeo_ros.evaluation.rooms.forms import FormAnswerer
from spatialgeo_ros.evaluation.rooms.generator import make_tasks
from spatialgeo_ros.evaluation.rooms.task import Task, letter_of
from spatialgeo_ros.evaluation.rooms.truth import RoomTruth, truth_of
from spatialgeo_ros.evaluation.truth_frames import REPORTED_SEEDS, TUNING_SEEDS
from spatialgeo_ros.evaluation.vsi_bench import CHOICE_TYPES, NUMBER_TYPES
from spatialgeo_ros.sim.renderer import RendererUnavailableError
from spatialgeo_ros.training.render import TRAINED_SEEDS

RNG = 0
SERIES = 77  # rooms of these tests alone


def rng() -> np.random.Generator:
    return np.random.default_rng(RNG)


@pytest.fixture(scope="module")
def driven() -> list[RoomTruth]:
    """Three rooms, seen in small images."""
    try:
        return [truth_of(one) for one in drives(SERIES, 3, DriveSettings(frames=40, width=160))]
    except RendererUnavailableError as error:
        pytest.skip(str(error))


def by_words(tasks: list[Task], *words: str) -> Task:
    """The one task whose question holds all of these words."""
    (found,) = [task for task in tasks if all(word in task.question for word in words)]
    return found


def test_counts() -> None:
    (task,) = number_tasks.count_tasks(known_truth(), "room", 5, rng())
    assert task.question == "How many chair(s) are in this room?"
    assert (task.ground_truth, task.options) == ("2", ())


def test_distances_are_between_nearest_points() -> None:
    tasks = number_tasks.distance_tasks(known_truth(), "room", 99, rng())
    # Six pairs of four unique kinds, none of a chair.
    assert len(tasks) == 6 and not any("chair" in task.question for task in tasks)
    assert by_words(tasks, "sofa", "table").ground_truth == "1.40"
    assert by_words(tasks, "shelf", "table").ground_truth == "1.60"
    assert by_words(tasks, "sofa", "door").ground_truth == "4.85"


def test_what_nearly_touches_is_not_asked_about() -> None:
    truth = known_truth()
    near = replace(truth.objects[0].thing, centre=(-1.3, 0.0, 0.4))
    close = replace(truth, objects=(replace(truth.objects[0], thing=near), *truth.objects[1:]))
    tasks = number_tasks.distance_tasks(close, "room", 99, rng())
    assert not any("sofa and the table" in task.question for task in tasks)


def test_sizes_are_the_longest_side_in_centimetres() -> None:
    tasks = number_tasks.size_tasks(known_truth(), "room", 99, rng())
    assert {task.kinds[0]: task.ground_truth for task in tasks} == {
        "sofa": "200", "table": "120", "shelf": "180", "door": "200",
    }  # fmt: skip
    truth = known_truth()
    top_unseen = replace(truth.objects[3], seen=np.array([1.0, 1.0, 0.8]))
    truth = replace(truth, objects=(*truth.objects[:3], top_unseen, *truth.objects[4:]))
    tasks = number_tasks.size_tasks(truth, "room", 99, rng())
    assert "door" not in [task.kinds[0] for task in tasks]


def test_the_room() -> None:
    assert number_tasks.room_task(known_truth(), "room").ground_truth == "30.0"


def test_what_was_not_seen_is_not_asked_about() -> None:
    truth = known_truth()
    hidden = replace(truth.objects[5], clear_ns=None)
    truth = replace(truth, objects=(*truth.objects[:5], hidden))
    assert number_tasks.count_tasks(truth, "room", 5, rng()) == []
    assert not any("chair" in task.question for task in make_tasks(truth))


def test_the_nearest_of_four() -> None:
    tasks = choice_tasks.nearest_tasks(known_truth(), "room", 99, rng())
    answers = {task.kinds[0]: task.truth for task in tasks}
    # The table is 0.75 m from the nearest chair; the door 1.5 m from the other chair.
    assert answers["table"] == "chair"
    assert answers["sofa"] == "table"
    assert all(len(task.options) == 4 and task.kinds[0] not in task.choices for task in tasks)
    assert "multiple instances" in tasks[0].question


@pytest.mark.parametrize(
    ("turn", "easy", "medium", "hard"),
    [
        (45.0, "left", "left", "front-left"),
        (-60.0, "right", "right", "front-right"),
        (110.0, "left", "left", "back-left"),
        (-155.0, "right", "back", "back-right"),
        (175.0, None, "back", None),
        (5.0, None, None, None),
        (130.0, "left", None, "back-left"),
        (-95.0, "right", "right", None),
    ],
)
def test_words_of_directions(
    turn: float, easy: str | None, medium: str | None, hard: str | None
) -> None:
    said = [choice_tasks._direction(form, turn) for form in ("easy", "medium", "hard")]
    assert said == [easy, medium, hard]


def test_directions_by_hand() -> None:
    """From the sofa towards the door: the shelf is left of the way, the wall chair is not asked."""
    for seed in range(20):
        tasks = choice_tasks.direction_tasks(known_truth(), "room", np.random.default_rng(seed))
        assert [len(task.options) for task in tasks] == [2, 3, 4]
        for task in tasks:
            if task.kinds == ("sofa", "door", "shelf"):
                assert "left" in task.truth
            if task.kinds == ("door", "sofa", "shelf"):
                assert "right" in task.truth


def test_order_of_appearance() -> None:
    tasks = choice_tasks.appearance_tasks(known_truth(), "room", 99, rng())
    assert {task.truth for task in tasks} == {
        "sofa, table, chair, shelf", "sofa, table, chair, door", "sofa, table, shelf, door",
        "sofa, chair, shelf, door", "table, chair, shelf, door",
    }  # fmt: skip
    for task in tasks:
        assert len(set(task.choices)) == 4
        assert all(sorted(c.split(", ")) == sorted(task.kinds) for c in task.choices)


def test_things_that_come_together_have_no_order() -> None:
    truth = known_truth()
    noticed = replace(truth.objects[1], glimpse_ns=SECOND + SECOND // 2)
    truth = replace(truth, objects=(truth.objects[0], noticed, *truth.objects[2:]))
    tasks = choice_tasks.appearance_tasks(truth, "room", 99, rng())
    assert tasks and not any({"sofa", "table"} <= set(task.kinds) for task in tasks)


def test_routes_turn_where_they_should() -> None:
    seen = Counter()
    for seed in range(30):
        for task in choice_tasks.route_tasks(known_truth(), "room", np.random.default_rng(seed)):
            seen[task.kinds, task.truth] += 1
            # Between sofa and door stands the table: no straight way.
            steps = task.kinds
            assert all({a, b} != {"sofa", "door"} for a, b in zip(steps, steps[1:], strict=False))
    turns = {kinds: truth for kinds, truth in seen}
    assert turns["sofa", "table", "shelf"] == "Turn Left"
    assert turns["door", "table", "shelf"] == "Turn Right"
    assert turns["shelf", "table", "sofa"] == "Turn Right"


def test_letters() -> None:
    task = Task("room", "object_rel_direction_easy", "?", "B", ("A. right", "B. left"))
    assert (task.choices, task.truth, letter_of(task, "right")) == (("right", "left"), "left", "A")


@pytest.mark.parametrize("seed", range(5))
def test_the_truth_answers_everything(seed: int) -> None:
    truth = known_truth(seed)
    answerer = FormAnswerer(truth.snapshot)
    tasks = make_tasks(truth)
    for task in tasks:
        assert score(task, answer_text(answerer, task)[0]) == 1.0, task
    assert {task.question_type for task in tasks} == {*CHOICE_TYPES, *NUMBER_TYPES}


def test_the_truth_of_drives_answers_everything(driven: list[RoomTruth]) -> None:
    asked = 0
    for truth in driven:
        answerer = FormAnswerer(truth.snapshot)
        for task in make_tasks(truth):
            assert score(task, answer_text(answerer, task)[0]) == 1.0, task
            asked += 1
    assert asked >= 30


def test_a_map_without_a_kind_cannot_answer_about_it() -> None:
    truth = known_truth()
    answerer = FormAnswerer(without(truth, "sofa"))
    lost = [
        task for task in make_tasks(truth)
        if score(task, answer_text(answerer, task)[0]) < 1.0
    ]  # fmt: skip
    assert lost and all("sofa" in task.question for task in lost)


def test_the_same_seed_gives_the_same_questions(driven: list[RoomTruth]) -> None:
    again = [truth_of(one) for one in drives(SERIES, 3, DriveSettings(frames=40, width=160))]
    assert [make_tasks(one) for one in again] == [make_tasks(one) for one in driven]
    assert make_tasks(driven[0]) != make_tasks(driven[1])


def test_rooms_are_new(driven: list[RoomTruth]) -> None:
    used = [*TUNING_SEEDS.values(), *REPORTED_SEEDS.values(), *TRAINED_SEEDS]
    assert max(used) + 1_000_000 < FIRST_SEED
    seeds = [truth.room.seed for truth in driven]
    assert len(set(seeds)) == 3 and min(seeds) >= FIRST_SEED


@pytest.mark.parametrize("make", [choice_tasks.direction_tasks, choice_tasks.route_tasks])
def test_rooms_with_little_in_them_are_asked_less(make: Callable[..., list[Task]]) -> None:
    truth = known_truth()
    bare = replace(truth, objects=truth.objects[:2])
    assert make(bare, "room", rng()) == []
    assert {task.question_type for task in make_tasks(bare)} == {
        "object_abs_distance", "object_size_estimation", "room_size_estimation",
    }  # fmt: skip
