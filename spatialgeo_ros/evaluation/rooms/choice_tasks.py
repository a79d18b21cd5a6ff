# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions with options: nearest of four, directions, order of appearance, turns of a route.

Wording and options are those of VSI-Bench (Yang et al. 2025, arXiv 2412.14171, appendix). A
question is asked only where its answer holds by a margin.
"""

from __future__ import annotations

import math
from itertools import combinations, pairwise, permutations, product

import numpy as np

from spatialgeo_ros.evaluation.rooms.number_tasks import drawn, gap
from spatialgeo_ros.evaluation.rooms.task import Task, choice_task
from spatialgeo_ros.evaluation.rooms.truth import RoomTruth, SeenObject
from spatialgeo_ros.geometry.upright_box import UprightBox, footprint_separation

#: The nearest of four is nearer than the next by this much, metres and as a share.
NEARER_BY, NEARER_SHARE = 0.15, 0.1
#: Directions are at least this far from where another answer begins, degrees.
ANGLE_MARGIN = 15.0
#: Objects that directions are about are at least this far apart, metres between centres.
LEAST_LEG = 1.0
#: One thing is clearly in view this long before the next one can be noticed, seconds.
APPEARANCE_GAP = 0.6
#: Free width on both sides of the straight legs of a route, metres.
ROUTE_CLEARANCE = 0.1
#: Beyond this angle an object is at one's back, degrees.
BACK = 135.0
_TURNS = {"left": "Turn Left", "right": "Turn Right", "back": "Turn Back"}
_QUADRANTS = ("front-left", "front-right", "back-left", "back-right")
_FORMS = {
    "easy": "to the left or the right of the {facing}?",
    "medium": "to my left, right, or back? An object is to my back if I would have to turn at "
    "least 135 degrees in order to face it.",
    "hard": "to my front-left, front-right, back-left, or back-right? The directions refer to the "
    "quadrants of a Cartesian plane (if I am standing at the origin and facing along the positive "
    "y-axis).",
}


def nearest_tasks(truth: RoomTruth, scene: str, most: int, rng: np.random.Generator) -> list[Task]:
    """Ask which of four kinds is the closest to an object; of several of a kind the closest."""
    kinds = truth.whole_kinds()
    cases = [
        (anchor, four)
        for anchor in truth.unique()
        for four in combinations(sorted(set(kinds) - {anchor.thing.kind}), 4)
    ]
    cases = drawn(cases, None, rng)
    cases.sort(key=lambda case: sum(len(kinds[kind]) > 1 for kind in case[1]))
    tasks: list[Task] = []
    asked: set[str] = set()
    for anchor, four in cases:
        name = anchor.thing.kind
        away = {kind: min(gap(anchor, one) for one in kinds[kind]) for kind in four}
        ranked = sorted(four, key=away.__getitem__)
        first, second = away[ranked[0]], away[ranked[1]]
        if second - first < max(NEARER_BY, NEARER_SHARE * second) or name in asked:
            continue
        if len(tasks) == most:
            break
        asked.add(name)
        question = (
            "Measuring from the closest point of each object, which of these objects "
            f"({', '.join(four)}) is the closest to the {name}?"
        )
        if any(len(kinds[kind]) > 1 for kind in four):
            question += (
                " If there are multiple instances of an object category, measure to the closest."
            )
        tasks.append(
            choice_task(
                scene, "object_rel_distance", question, ranked[0], ranked[1:], (name, *four), rng
            )
        )
    return tasks


def direction_tasks(truth: RoomTruth, scene: str, rng: np.random.Generator) -> list[Task]:
    """Ask where an object is as seen from another one towards a third: one of each form."""
    triples = [
        (by, facing, asked)
        for by, facing, asked in permutations(truth.unique(), 3)
        if min(_apart(by, facing), _apart(by, asked)) >= LEAST_LEG
    ]
    tasks = []
    for form, ending in _FORMS.items():
        for by, facing, asked in drawn(triples, None, rng):
            right = _direction(form, _turn(_heading(by, facing), _heading(by, asked)))
            if right is None:
                continue
            names = (by.thing.kind, facing.thing.kind, asked.thing.kind)
            question = (
                f"If I am standing by the {names[0]} and facing the {names[1]}, is the {names[2]} "
                + ending.format(facing=names[1])
            )
            options = {"easy": ("left", "right"), "medium": ("left", "right", "back")}
            wrong = [word for word in options.get(form, _QUADRANTS) if word != right]
            kind = f"object_rel_direction_{form}"
            tasks.append(choice_task(scene, kind, question, right, wrong, names, rng))
            break
    return tasks


def appearance_tasks(
    truth: RoomTruth, scene: str, most: int, rng: np.random.Generator
) -> list[Task]:
    """Ask in which order four kinds came into view."""
    spans = {}
    for kind, ones in truth.whole_kinds().items():
        glimpses = [one.glimpse_ns for one in ones if one.glimpse_ns is not None]
        spans[kind] = min(glimpses), min(one.clear_ns for one in ones if one.clear_ns is not None)
    in_order = sorted(spans, key=spans.__getitem__)
    cases = [
        four
        for four in combinations(in_order, 4)
        if all(spans[b][0] - spans[a][1] >= APPEARANCE_GAP * 1e9 for a, b in pairwise(four))
    ]
    tasks = []
    for right in drawn(cases, most, rng):
        named = drawn(list(right), None, rng)
        others = [", ".join(order) for order in permutations(right) if order != right]
        question = (
            "What will be the first-time appearance order of the following categories in the "
            f"video: {', '.join(named)}?"
        )
        tasks.append(
            choice_task(
                scene,
                "obj_appearance_order",
                question,
                ", ".join(right),
                drawn(others, 3, rng),
                named,
                rng,
            )  # fmt: skip
        )
    return tasks


def route_tasks(truth: RoomTruth, scene: str, rng: np.random.Generator) -> list[Task]:
    """Ask for the turns of a route past one object, and of one past two."""
    unique = truth.unique()
    legs = {
        (a.id, b.id)
        for a, b in permutations(unique, 2)
        if _apart(a, b) >= LEAST_LEG and _free(truth, a, b)
    }
    tasks = []
    for length in (3, 4):
        for stops in drawn(list(permutations(unique, length)), None, rng):
            if not all((a.id, b.id) in legs for a, b in pairwise(stops)):
                continue
            headings = [_heading(a, b) for a, b in pairwise(stops)]
            turns = [_direction("medium", _turn(a, b)) for a, b in pairwise(headings)]
            words = [_TURNS[turn] for turn in turns if turn is not None]
            if len(words) < len(turns):
                continue
            right = ", ".join(words)
            others = [", ".join(way) for way in product(_TURNS.values(), repeat=len(turns))]
            wrong = drawn([way for way in others if way != right], 3, rng)
            names = [stop.thing.kind for stop in stops]
            tasks.append(
                choice_task(scene, "route_planning", _route(names), right, wrong, names, rng)
            )
            break
    return tasks


def _route(names: list[str]) -> str:
    steps = []
    for name in names[1:]:
        steps += [f"Go forward until the {name}", "[please fill in]"]
    numbered = " ".join(f"{n}. {step}" for n, step in enumerate(steps[:-1], 1))
    return (
        f"You are a robot beginning at the {names[0]} and facing the {names[1]}. You want to "
        f"navigate to the {names[-1]}. You will perform the following actions (Note: for each "
        "[please fill in], choose either 'turn back,' 'turn left,' or 'turn right.'): "
        f"{numbered}. You have reached the final destination."
    )


def _apart(a: SeenObject, b: SeenObject) -> float:
    return math.dist(a.thing.centre[:2], b.thing.centre[:2])


def _heading(a: SeenObject, b: SeenObject) -> float:
    """Direction from one centre to the other, degrees counter-clockwise from world x."""
    (ax, ay, _), (bx, by, _) = a.thing.centre, b.thing.centre
    return math.degrees(math.atan2(by - ay, bx - ax))


def _turn(before: float, after: float) -> float:
    """Turn from one heading to another, degrees, left positive, in [-180, 180)."""
    return (after - before + 180.0) % 360.0 - 180.0


def _direction(form: str, turn: float) -> str | None:
    """Word for a direction, None when it is too close to another word's or straight ahead."""
    side, angle = "left" if turn > 0 else "right", abs(turn)
    # What is straight ahead is no side in any form.
    if angle < ANGLE_MARGIN or (form != "medium" and angle > 180.0 - ANGLE_MARGIN):
        return None
    if form == "easy":
        return side
    border = BACK if form == "medium" else 90.0
    if abs(angle - border) < ANGLE_MARGIN:
        return None
    if form == "medium":
        return "back" if angle > border else side
    return f"{'back' if angle > border else 'front'}-{side}"


def _free(truth: RoomTruth, a: SeenObject, b: SeenObject) -> bool:
    """Tell whether nothing stands on the straight way between two objects."""
    (ax, ay, _), (bx, by, _) = a.thing.centre, b.thing.centre
    way = UprightBox(
        ((ax + bx) / 2, (ay + by) / 2, 0.0), (_apart(a, b), 0.0, 0.0), math.radians(_heading(a, b))
    )
    return all(
        footprint_separation(way, other.box).value > ROUTE_CLEARANCE
        for other in truth.objects
        if other.id not in (a.id, b.id)
    )
