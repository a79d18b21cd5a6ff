# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One question of the benchmark, in the fields of VSI-Bench's own file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.query.program import Unit

#: Unit that a question for a number asks for, by type; "" for a count.
UNITS: dict[str, Unit] = {
    "object_counting": "",
    "object_abs_distance": "m",
    "object_size_estimation": "cm",
    "room_size_estimation": "m2",
}
_LETTERS = "ABCD"


@dataclass(frozen=True)
class Task:
    """A question with its answer.

    Attributes:
        scene_name: of the room.
        question_type: one of ``vsi_bench.CHOICE_TYPES`` and ``vsi_bench.NUMBER_TYPES``.
        question: in English.
        ground_truth: the number in the unit that is asked for, or the letter of an option.
        options: with their letters ("A. chair"); empty for numbers.
        kinds: kinds of object that the question names, in order.
    """

    scene_name: str
    question_type: str
    question: str
    ground_truth: str
    options: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def unit(self) -> Unit:
        """Unit that is asked for, "" for none."""
        return UNITS.get(self.question_type, "")

    @property
    def choices(self) -> tuple[str, ...]:
        """The options without their letters."""
        return tuple(option.split(". ", 1)[1] for option in self.options)

    @property
    def truth(self) -> str:
        """The right answer in words: the number, or the right option without its letter."""
        if not self.options:
            return self.ground_truth
        return self.choices[_LETTERS.index(self.ground_truth)]


def letter_of(task: Task, choice: str) -> str:
    """Return the letter of an option that is given without it.

    Raises:
        ValueError: the task has no such option.
    """
    return _LETTERS[task.choices.index(choice)]


def choice_task(
    scene: str,
    question_type: str,
    question: str,
    right: str,
    wrong: Sequence[str],
    kinds: Sequence[str],
    rng: np.random.Generator,
) -> Task:
    """Make a task with options in a drawn order.

    Args:
        scene: name of the room.
        question_type: see :class:`Task`.
        question: in English.
        right: the right option, without a letter.
        wrong: the others, at most three.
        kinds: that the question names.
        rng: decides the order.
    """
    options = [right, *wrong]
    order = [int(k) for k in rng.permutation(len(options))]
    lettered = tuple(f"{_LETTERS[n]}. {options[k]}" for n, k in enumerate(order))
    return Task(scene, question_type, question, _LETTERS[order.index(0)], lettered, tuple(kinds))
