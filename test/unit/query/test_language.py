# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions in other languages are refused with the language's name; English ones never."""

from __future__ import annotations

import pytest
from question_intent import parse_question

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.query.families import QUALITATIVE, QUANTITATIVE
from spatialgeo_ros.query.language import other_language


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Wie weit ist der Stuhl?", "German"),
        ("wie weit ist der stuhl von der tür entfernt?", "German"),
        ("Wo ist der Tisch", "German"),
        ("Gibt es einen Stuhl?", "German"),
        ("Welcher ist näher, der Stuhl oder der Tisch?", "German"),
        ("Abstand zwischen Stuhl und Tisch", "German"),
        ("Ist die Tür links?", "German"),
        ("À quelle distance est la chaise ?", "French"),
        ("Quelle est la largeur de la table ?", "French"),
        ("Combien de chaises y a-t-il ?", "French"),
        ("¿A qué distancia está la silla?", "Spanish"),
        ("cuánto mide la mesa", "Spanish"),
        ("C'è una sedia?", "Italian"),
        ("Onde está a cadeira?", "Portuguese"),
        ("Hoe ver is de stoel?", "Dutch"),
        ("Jak daleko jest krzesło?", "Polish"),
        ("椅子有多远？", "not English"),
        ("Где стул?", "not English"),
    ],
)
def test_other_languages_are_named(question: str, language: str) -> None:
    assert other_language(question) == language
    with pytest.raises(BadRequestError, match=f"{language}.*in English, please"):
        parse_question(question)


@pytest.mark.parametrize(
    "question",
    [
        "How far is the die from the table?",
        "was the man in the war room?",
        "Is the hat on the wand?",
        "how far is the cafe table from the bin",
        "where is the chaise longue?",
        "is the piñata above the table?",
        "distance chair sofa",
        "Who is in the van?",
        "How far is the Stuhl?",
        "pan, pot and fan",
        "0.5",
    ],
)
def test_english_is_left_alone(question: str) -> None:
    assert other_language(question) == ""


def test_no_training_question_looks_foreign() -> None:
    texts = [text for family in QUANTITATIVE.values() for text in family.questions]
    for family in QUALITATIVE.values():
        texts += [*family.choice]
        texts += [
            text for some in (*family.yes_no.values(), *family.which.values()) for text in some
        ]
    assert [text for text in texts if other_language(text)] == []
