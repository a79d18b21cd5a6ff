# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names for the class numbers of a detector."""

from __future__ import annotations

import pytest

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.grounding.class_names import (
    class_number,
    names_of_list,
    names_of_text,
    read_class_names,
    shown,
)


@pytest.mark.parametrize(
    ("class_id", "number"),
    [("3", 3), ("03", 3), (" 3 ", 3), ("3.0", 3), ("-1", -1), ("cup", None), ("cup 3", None),
     ("3d printer", None), ("", None), ("3.5", None), ("0x3", None), ("\u0663", 3)],
)  # fmt: skip
def test_what_is_a_number(class_id, number):
    assert class_number(class_id) == number


@pytest.mark.parametrize(
    "text",
    [
        "person\nchair\n\ncup\n",
        "[person, chair, '', cup]",
        '["person", "chair", null, "cup"]',
        "- person\n- chair\n-\n- cup\n",
        "names: [person, chair, '', cup]\nnc: 4\n",
        "path: ../coco\nnames:\n  0: person\n  1: chair\n  3: cup\n",
        '{"id2label": {"0": "person", "1": "chair", "3": "cup"}, "label2id": {"cup": 3}}',
        "0: person\n1: chair\n3: cup\n",
    ],
    ids=lambda text: text.splitlines()[0],
)
def test_every_common_form_of_a_list(text):
    assert names_of_text(text, "list") == {0: "person", 1: "chair", 3: "cup"}


def test_a_list_counts_from_zero_and_an_empty_name_is_none():
    assert names_of_list(["background", "", " cup "]) == {0: "background", 2: "cup"}
    assert names_of_list([]) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no names"),
        ("\n\n", "no names"),
        ("[]", "no names"),
        ("cup: 3\nchair: 1\n", "'cup' is no class number"),
        ("[[cup], [chair]]", "not a word"),
        ("{0: {name: cup}}", "not a word"),
        ("[cup, {", "no YAML"),
        ("x" * 201, "201 characters"),
        ("\n".join(map(str, range(10_001))), "10001 names"),
        ("{a: &a [x], b: [*a, *a]}", "'a' is no class number"),
    ],
)
def test_what_is_no_list_is_refused_with_its_source(text, words):
    with pytest.raises(BadRequestError, match=words):
        names_of_text(text, "labels.txt")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(BadRequestError, match="does not exist"):
        read_class_names(tmp_path / "no.txt")
    with pytest.raises(BadRequestError, match="a folder"):
        read_class_names(tmp_path)
    path = tmp_path / "labels.txt"
    path.write_bytes(b"cup\n\xff\n")
    with pytest.raises(BadRequestError, match="UTF-8"):
        read_class_names(path)
    path.write_text("cup\r\nmug\r\n")
    assert read_class_names(str(path)) == {0: "cup", 1: "mug"}


def test_only_some_numbers_are_shown():
    assert shown([3, 1, 3]) == "1, 3"
    assert shown(range(80)) == "0, 1, 2, 3, 4, ..."
