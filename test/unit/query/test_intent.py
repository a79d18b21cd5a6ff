# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions in free wording, and what is understood of them."""

from __future__ import annotations

import pytest
from question_intent import parse_question

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.query.families import QUALITATIVE, QUANTITATIVE
from spatialgeo_ros.query.intent import FAMILY_KINDS, Intent, canonical_question
from spatialgeo_ros.speech.tokenizer import build_nano_tokenizer

# question, family, object phrases in the order a, b, reference ("#0": the request's region 0)
VALUES = [
    ("how far is the chair from the door?", "distance", "chair, door"),
    ("what's the distance between the red sofa and the table", "distance", "red sofa, table"),
    ("How far apart are the red chair and the blue table?", "distance", "red chair, blue table"),
    ("distance between sofa and lamp", "distance", "sofa, lamp"),
    ("distance from the sofa to the lamp in meters?", "distance", "sofa, lamp"),
    (
        "Can you tell me how far the chair is from the white shelf, please?",
        "distance",
        "chair, white shelf",
    ),
    (
        "Hey robot, how far is the door from the chest of drawers?",
        "distance",
        "door, chest of drawers",
    ),
    ("how many meters are between the sofa and the door?", "distance", "sofa, door"),
    (
        "what is the approximate distance between my bed and the door in this room?",
        "distance",
        "bed, door",
    ),
    ("measure the distance between the plant and the lamp", "distance", "plant, lamp"),
    ("how far apart are they?", "distance", "#0, #1"),
    ("What is the distance between Region [0] and Region [1]?", "distance", "#0, #1"),
    ("hwo far is the chair form the door", "distance", "chair, door"),
    ("how far is teh chair fro the door", "distance", "chair, door"),
    ("what is the distnace betwen the sofa and the table?", "distance", "sofa, table"),
    ("how far is the second region from the first region", "distance", "#1, #0"),
    ("How far is the red chair <region> from the <region>?", "distance", "red chair, #1"),
    ("what is the gap between the chair and the table?", "distance", "chair, table"),
    ("how close is the chair to the table?", "distance", "chair, table"),
    ("what's the shortest distance from the sofa to the cabinet?", "distance", "sofa, cabinet"),
    (
        "what is the horizontal distance between the chair and the lamp?",
        "horizontal_distance",
        "chair, lamp",
    ),
    ("how far is the chair from the lamp along the floor?", "horizontal_distance", "chair, lamp"),
    ("How far apart are Region [0] and Region [1] horizontally?", "horizontal_distance", "#0, #1"),
    (
        "what is the vertical distance between the shelf and the chair?",
        "vertical_distance",
        "shelf, chair",
    ),
    ("how much higher is the shelf than the chair", "vertical_distance", "shelf, chair"),
    ("how far above the table is the lamp?", "vertical_distance", "lamp, table"),
    ("how far away is the plant", "camera_distance", "plant"),
    ("how far is the red chair?", "camera_distance", "red chair"),
    ("how far is the chair from me?", "camera_distance", "chair"),
    ("how far are you from the sofa?", "camera_distance", "sofa"),
    ("how far am I from the door", "camera_distance", "door"),
    ("what is the distance between the camera and the blue table", "camera_distance", "blue table"),
    ("what's the distance to the door", "camera_distance", "door"),
    ("how close is the sofa?", "camera_distance", "sofa"),
    ("how far is it", "camera_distance", "#0"),
    ("how far is the sofa in the corner", "camera_distance", "sofa in the corner"),
    ("how wide is the shelf", "width", "shelf"),
    ("What is the width of Region [0]?", "width", "#0"),
    ("could you measure the width of the red sofa?", "width", "red sofa"),
    ("the table's width?", "width", "table"),
    ("how wide is it?", "width", "#0"),
    ("how tall is the plant?", "height", "plant"),
    ("tell me the height of the lamp", "height", "lamp"),
    ("what height does the shelf have", "height", "shelf"),
    ("how high is the door, roughly?", "height", "door"),
    ("Give me the height of Region [3].", "height", "#3"),
    ("how deep is the cabinet?", "depth", "cabinet"),
    ("how big is the table?", "size", "table"),
    ("what are the dimensions of the white cabinet", "size", "white cabinet"),
    ("in which direction is the door", "camera_direction", "door"),
    ("where is the red chair?", "camera_direction", "red chair"),
    ("at what o'clock is the sofa?", "camera_direction", "sofa"),
    ("where is the lamp relative to the sofa?", "direction", "lamp, sofa"),
    ("in what direction is the chair from the table", "direction", "chair, table"),
    ("If you are at Region [0], where will you find Region [1]?", "direction", "#1, #0"),
]

# question, family, form, predicate, object phrases
COMPARISONS = [
    ("is the lamp taller than the plant?", "tall_short", "yes_no", "taller", "lamp, plant"),
    ("isn't the lamp shorter than the plant", "tall_short", "yes_no", "shorter", "lamp, plant"),
    ("which is taller, the lamp or the door?", "tall_short", "which", "taller", "lamp, door"),
    (
        "Between Region [0] and Region [1], which one has more height?",
        "tall_short",
        "which",
        "taller",
        "#0, #1",
    ),
    (
        "is the lamp taller or shorter than the plant",
        "tall_short",
        "choice",
        "taller",
        "lamp, plant",
    ),
    (
        "how much taller is the lamp than the plant?",
        "tall_short",
        "difference",
        "taller",
        "lamp, plant",
    ),
    (
        "Does the shelf have a greater height compared to the door?",
        "tall_short",
        "yes_no",
        "taller",
        "shelf, door",
    ),
    ("is the sofa wider than the shelf", "wide_thin", "yes_no", "wider", "sofa, shelf"),
    (
        "which one is narrower, the door or the shelf?",
        "wide_thin",
        "which",
        "thinner",
        "door, shelf",
    ),
    ("is the sofa bigger than the table?", "big_small", "yes_no", "bigger", "sofa, table"),
    (
        "Does Region [0] have a smaller size compared to Region [1]?",
        "big_small",
        "yes_no",
        "smaller",
        "#0, #1",
    ),
    ("which is larger the sofa or the cabinet", "big_small", "which", "bigger", "sofa, cabinet"),
    ("is the chair to the left of the table?", "left_right", "yes_no", "left", "chair, table"),
    ("is the chair left or right of the table", "left_right", "choice", "", "chair, table"),
    (
        "Is the chair on the left or on the right side of the table?",
        "left_right",
        "choice",
        "",
        "chair, table",
    ),
    (
        "Can you confirm if Region [0] is positioned to the right of Region [1]?",
        "left_right",
        "yes_no",
        "right",
        "#0, #1",
    ),
    (
        "From the viewer's perspective, which is more to the left, the red sofa or the door?",
        "left_right",
        "which",
        "left",
        "red sofa, door",
    ),
    (
        "does the lamp appear on the left side of the sofa",
        "left_right",
        "yes_no",
        "left",
        "lamp, sofa",
    ),
    ("is the chair on my left?", "left_right", "yes_no", "left", "chair"),
    ("is the chair on my left or on my right?", "left_right", "choice", "", "chair"),
    ("is the chair below or above the shelf?", "above_below", "choice", "", "chair, shelf"),
    ("which is higher, the lamp or the sofa?", "above_below", "which", "above", "lamp, sofa"),
    ("is the plant behind the sofa", "front_behind", "yes_no", "behind", "plant, sofa"),
    ("is the plant in front of or behind the sofa?", "front_behind", "choice", "", "plant, sofa"),
    ("Is the table in front of the shelf?", "front_behind", "yes_no", "front", "table, shelf"),
    ("which one is closer to me, the sofa or the bed?", "closer", "which", "closer", "sofa, bed"),
    ("which is closer the sofa or the bed", "closer", "which", "closer", "sofa, bed"),
    ("is the sofa closer than the bed?", "closer", "yes_no", "closer", "sofa, bed"),
    (
        "is the sofa further away from the camera than the bed?",
        "closer",
        "yes_no",
        "further",
        "sofa, bed",
    ),
    (
        "which is nearer to the door, the sofa or the bed?",
        "closer",
        "which",
        "closer",
        "sofa, bed, door",
    ),
    (
        "is the chair closer to the door than the table",
        "closer",
        "yes_no",
        "closer",
        "chair, table, door",
    ),
    ("am I closer to the door than to the sofa?", "closer", "yes_no", "closer", "door, sofa"),
    ("wich is closser to you, the sofa or the door?", "closer", "which", "closer", "sofa, door"),
]

OPEN = [
    "can you go to the kitchen",
    "how are you?",
    "how far",
    "SELECT * FROM answers; -- how",
    "far far far far far",
    "what is between the chair and the table?",
    "is the chair blue?",
    "is the chair within 2 meters of the door?",
    "drive to the red sofa",
]


def phrases(intent: Intent) -> str:
    return ", ".join(
        f"#{m.region}" if not m.phrase and m.region is not None else m.phrase
        for m in intent.objects
    )


@pytest.mark.parametrize(("question", "family", "objects"), VALUES)
def test_questions_for_a_value(question: str, family: str, objects: str) -> None:
    intent = parse_question(question)
    assert (intent.family, phrases(intent)) == (family, objects)
    assert intent.text == question
    assert intent.kinds or family == "open"


@pytest.mark.parametrize(("question", "family", "form", "predicate", "objects"), COMPARISONS)
def test_comparisons(question: str, family: str, form: str, predicate: str, objects: str) -> None:
    intent = parse_question(question)
    assert (intent.family, intent.form, phrases(intent)) == (family, form, objects)
    if form != "choice":  # a choice question asks about both predicates
        assert intent.predicate == predicate


@pytest.mark.parametrize("question", OPEN)
def test_other_questions_belong_to_no_family(question: str) -> None:
    intent = parse_question(question)
    assert (intent.family, intent.objects, intent.objects_needed) == ("open", (), 0)


@pytest.mark.parametrize(
    ("question", "family", "phrase"),
    [
        ("Is there a chair?", "exists", "chair"),
        ("is there any red sofa in the room?", "exists", "red sofa"),
        ("Are there any white shelves here?", "exists", "white shelf"),
        ("does this room have a carton", "exists", "carton"),
        ("any ovens?", "exists", "oven"),
        ("How many chairs are there?", "count", "chair"),
        ("how many chairs are there in the room?", "count", "chair"),
        ("count the red sofas", "count", "red sofa"),
        ("what is the number of doors?", "count", "door"),
    ],
)
def test_questions_whether_something_is_there(question: str, family: str, phrase: str) -> None:
    intent = parse_question(question)
    assert (intent.family, phrases(intent)) == (family, phrase)
    assert intent.objects_needed == 1 and intent.kinds == ()


@pytest.mark.parametrize(
    ("question", "family", "objects"),
    [
        ("how many metres are there between the chair and the sofa?", "distance", "chair, sofa"),
        ("how many metres away is the chair?", "camera_distance", "chair"),
        ("How far is the cup on the table?", "camera_distance", "cup on the table"),
        (
            "How far is the mug on the table from the door?",
            "distance",
            "mug on the table, door",
        ),
        (
            "how far is the chair nearest to the door?",
            "camera_distance",
            "chair closest to the door",
        ),
        (
            "How far is the chair nearest to the door from the table?",
            "distance",
            "chair closest to the door, table",
        ),
        (
            "how far is the cup next to the box from the door",
            "distance",
            "cup next to the box, door",
        ),
        (
            "How far is the chair to the left of the table from the door?",
            "distance",
            "chair left of the table, door",
        ),
        (
            "what is the distance between the chair next to the door and the table?",
            "distance",
            "chair next to the door, table",
        ),
        (
            "how far is the second chair from the left?",
            "camera_distance",
            "second chair from the left",
        ),
        ("how far is it to the chair on the right?", "camera_distance", "chair on my right"),
        (
            "how much taller is the chair on the left than the chair on the right?",
            "tall_short",
            "chair on my left, chair on my right",
        ),
        ("is the chair to the left of the table?", "left_right", "chair, table"),
    ],
)
def test_phrases_are_not_cut_at_their_own_prepositions(
    question: str, family: str, objects: str
) -> None:
    intent = parse_question(question)
    assert (intent.family, phrases(intent)) == (family, objects)


@pytest.mark.parametrize("question", ["", "  ", "?", "\n", "...!?", "<image>"])
def test_an_empty_question_is_refused(question: str) -> None:
    with pytest.raises(BadRequestError, match="empty"):
        parse_question(question)


def test_what_is_measured() -> None:
    def kinds(question: str) -> tuple[str, ...]:
        return parse_question(question).kinds

    assert kinds("how far is the chair from the door") == ("CENTRE_TO_CENTRE",)
    assert kinds("what is the gap between the chair and the door") == ("NEAREST_POINTS",)
    assert kinds("how far is the chair") == ("CAMERA_TO_OBJECT",)
    assert kinds("how big is the chair") == ("WIDTH", "DEPTH_EXTENT", "HEIGHT")
    assert kinds("is the chair closer to the door than the lamp") == ("CENTRE_TO_CENTRE",)


def test_kinds_are_those_of_the_geometry() -> None:
    from spatialgeo_ros.geometry.distance import Kind

    names = {kind.name for kind in Kind}
    assert {name for kinds in FAMILY_KINDS.values() for name in kinds} <= names


def test_the_robot_is_recognised_as_one_end() -> None:
    for question in ("how far is the chair from you", "how far am I from the chair"):
        intent = parse_question(question)
        assert intent.about_self
        assert [m.role for m in intent.objects] == ["a"]
    assert not parse_question("how far is the chair from the table").about_self


def test_roles_of_three_objects() -> None:
    intent = parse_question("which is closer to the door, the sofa or the bed?")
    assert {m.role: m.phrase for m in intent.objects} == {
        "a": "sofa",
        "b": "bed",
        "reference": "door",
    }
    assert intent.objects_needed == 3
    assert canonical_question(intent) is None


TEMPLATES = [
    *((family.name, text) for family in QUANTITATIVE.values() for text in family.questions),
    *(
        (family.name, text)
        for family in QUALITATIVE.values()
        for texts in (*family.yes_no.values(), family.choice, *family.which.values())
        for text in texts
    ),
]


@pytest.mark.parametrize(("family", "template"), TEMPLATES)
def test_every_training_question_is_understood(family: str, template: str) -> None:
    question = template.format(a="the red chair <region>", b="the blue table <region>")
    intent = parse_question(question)
    assert intent.family == family
    by_role = {m.role: m.phrase for m in intent.objects}
    assert by_role["a"] == "red chair"
    assert by_role.get("b", "blue table") == "blue table"
    assert len(intent.objects) == intent.objects_needed


@pytest.mark.parametrize(("family", "template"), TEMPLATES)
def test_canonical_wording_keeps_the_meaning_and_the_vocabulary(family: str, template: str) -> None:
    asked = parse_question(template.format(a="the scarlet seat", b="the azure desk"))
    canonical = canonical_question(asked, ["red chair", "blue table"][: len(asked.objects)])
    assert canonical is not None
    again = parse_question(canonical.replace("<region>", ""))
    assert (again.family, again.form) == (asked.family, asked.form)
    assert asked.form == "choice" or again.predicate == asked.predicate
    assert canonical.count("<region>") == len(asked.objects)
    tokenizer = build_nano_tokenizer(["red", "chair", "blue", "table"])
    assert tokenizer.token_id("<unk>") not in tokenizer.encode(canonical)


def test_canonical_wording_of_unnamed_objects() -> None:
    intent = parse_question("How far apart are Region [1] and Region [0]?")
    assert [m.region for m in intent.objects] == [1, 0]
    assert [m.label for m in intent.objects] == ["region 1", "region 0"]
    assert canonical_question(intent) == "how far is the object <region> from the object <region> ?"


@pytest.mark.parametrize(
    "question",
    ["what do you see", "how big is the table", "how much taller is the lamp than the plant",
     "is the chair on my left"],
)  # fmt: skip
def test_no_canonical_wording_outside_the_training(question: str) -> None:
    assert canonical_question(parse_question(question)) is None


def test_a_hostile_question_is_answered_quickly() -> None:
    import time

    begin = time.process_time()
    for text in ("how far is " * 3000, "the " * 50, "which is taller, " + "or " * 45, "a" * 20000):
        assert parse_question(text).family == "open"
    assert time.process_time() - begin < 5.0
