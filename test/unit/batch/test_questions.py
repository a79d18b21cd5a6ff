# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of questions, and when each is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialgeo_ros.batch.outputs import csv_line, seconds_text
from spatialgeo_ros.batch.questions import BatchQuestion, Schedule, read_pair, read_questions
from spatialgeo_ros.batch.rows import answer_row
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.mcp_server.results import SpatialReply

S = 1_000_000_000


def read(tmp_path: Path, text: str, every: float = 0.0) -> tuple[BatchQuestion, ...]:
    path = tmp_path / "q.txt"
    path.write_text(text)
    return read_questions(path, every)


def test_lines_of_words_and_of_json(tmp_path: Path) -> None:
    first, second, third = read(
        tmp_path,
        "# a heading\n\nHow far is it?\n"
        '{"id": 7, "question": "And now?", "at": 2.5, "session": "s", "camera": "rear"}\n'
        '{"question": "Then?", "stamp": "1700000000.123456789"}\n',
        every=4.0,
    )
    assert first == BatchQuestion("q1", "How far is it?", every_ns=4 * S)
    assert second == BatchQuestion("7", "And now?", "", "rear", None, 5 * S // 2, 0, "s")
    assert third.stamp_ns == 1_700_000_000_123_456_789 and third.every_ns == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "has no question"),
        ("{nothing", "no JSON"),
        ('{"question": "a", "when": 1}', "unknown field 'when'"),
        ('{"question": "a", "program": {}}', None),
        ('{"id": "a"}', "'question' or a 'program'"),
        ('{"question": ["a"]}', "'question' or a 'program'"),
        ('{"program": {"op": "fly"}}', "line 1: program.op must be one of"),
        ('{"question": "a", "at": 1, "every": 2}', "at and every: give one"),
        ('{"question": "a", "at": "soon"}', "no time in seconds: 'soon'"),
        ('{"question": "a", "at": -1}', "no time in seconds"),
        ('{"question": "a", "at": 1e300}', "no time in seconds"),
        ('{"question": "a", "at": true}', "no time in seconds"),
        ('{"question": "a", "every": 0}', "above 0"),
        ('{"question": "a", "camera": []}', "'camera' is a text"),
        ('{"question": "a", "id": "x"}\n{"question": "b", "id": "x"}', "'x' is the id of two"),
        ("[" * 100_000, None),
    ],
)
def test_what_is_no_question_names_its_line(tmp_path: Path, line: str, words: str | None) -> None:
    if words is None:  # an empty program is none; brackets are words that nobody understands
        assert len(read(tmp_path, line)) == 1
        return
    with pytest.raises(BadRequestError, match=words):
        read(tmp_path, line)


def test_a_wrong_interval_is_refused(tmp_path: Path) -> None:
    for every in (-1.0, float("nan"), float("inf")):
        with pytest.raises(BadRequestError):
            read(tmp_path, "a", every)


def test_pairs() -> None:
    assert read_pair("mug, the red table") == read_pair("mug,the red table,nearest_points")
    assert read_pair("mug").kind is Kind.CAMERA_TO_OBJECT
    assert read_pair("mug,table,HORIZONTAL").kind is Kind.HORIZONTAL
    assert read_pair("mug,height").kind is Kind.HEIGHT
    for wrong in ("", "a,,b", "a,b,c", "a,nearest_points", "a,b,height"):
        with pytest.raises(BadRequestError):
            read_pair(wrong)


def test_questions_are_due_when_their_image_is_the_newest() -> None:
    asked = (
        BatchQuestion("end", "?"),
        BatchQuestion("at", "?", at_ns=S),
        BatchQuestion("every", "?", every_ns=S),
        BatchQuestion("stamp", "?", stamp_ns=11 * S + 1),
        BatchQuestion("late", "?", at_ns=100 * S),
    )
    schedule = Schedule(asked)
    assert schedule.due(10 * S) == []
    schedule.begin(10 * S)
    schedule.begin(99 * S)  # only the first image begins

    def names(before: int) -> list[tuple[int, str]]:
        return [(when, question.id) for when, question in schedule.due(before)]

    assert names(11 * S) == []  # the image of that very stamp has not come yet
    assert names(13 * S) == [
        (11 * S, "at"), (11 * S, "every"), (11 * S + 1, "stamp"), (12 * S, "every"),
    ]  # fmt: skip
    assert names(13 * S) == []
    rest = [(when, one.id, bool(why)) for when, one, why in schedule.rest(13 * S)]
    assert rest == [(13 * S, "end", False), (13 * S, "every", False), (110 * S, "late", True)]


def test_a_stamp_before_the_first_image_has_none() -> None:
    schedule = Schedule([BatchQuestion("early", "?", stamp_ns=S)])
    schedule.begin(10 * S)
    ((when, question),) = schedule.due(10 * S)
    assert (when, question.id) == (S, "early")


def test_an_answer_in_doubt_is_not_valid() -> None:
    for doubt in ("", "the box may hold something else by now"):
        reply = SpatialReply("1 m", result_type="number", values=[1.0], doubt=doubt)
        row = answer_row(BatchQuestion("q", "?"), 0, reply, None, "camera", 0, 0)
        assert row["valid"] == (not doubt) and row["doubt"] == doubt
        assert row["stamp_s"] == "0.000000000"  # of a folder's first image


def test_times_are_exact_and_unknown_numbers_empty() -> None:
    assert seconds_text(1_700_000_000_123_456_789) == "1700000000.123456789"
    assert seconds_text(5) == "0.000000005" and seconds_text(-S // 2) == "-0.500000000"
    line = csv_line(["a,b", 1.5, float("nan"), None, True, float("inf"), 1e-7])
    assert line == b'"a,b",1.5,,,true,,1e-07\n'
