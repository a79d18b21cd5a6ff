# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What scores without a map: the best constant answer, and the language model alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from spatialgeo_ros.evaluation.rooms.drive import Drive
from spatialgeo_ros.evaluation.rooms.task import Task, letter_of
from spatialgeo_ros.evaluation.vsi_bench import build_prompt
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.networks.interface import Networks, Question
from spatialgeo_ros.query.families import QUANTITATIVE, REGION_PLACEHOLDER
from spatialgeo_ros.query.units import convert
from spatialgeo_ros.speech.cleaned_answer import clean_answer, mean_relative_accuracy, parse_number
from spatialgeo_ros.speech.reply import parse_length

#: Numbers that are tried as the best constant of a type: so many quantiles of the right ones.
_QUANTILES = 41


class ConstantAnswers:
    """One answer to all questions of a type, chosen on other rooms.

    For a number it is the one with the best mean relative accuracy there; for a choice the option
    that was most often right there, or the letter, where no option was.

    Args:
        elsewhere: tasks of the other rooms.
    """

    def __init__(self, elsewhere: Iterable[Task]) -> None:
        numbers: dict[str, list[float]] = {}
        self._right: dict[str, Counter[str]] = {}
        self._letters: dict[str, Counter[str]] = {}
        for task in elsewhere:
            kind = task.question_type
            if task.options:
                self._right.setdefault(kind, Counter())[task.truth] += 1
                self._letters.setdefault(kind, Counter())[task.ground_truth] += 1
            else:
                numbers.setdefault(kind, []).append(float(task.ground_truth))
        self._numbers = {kind: _best_number(values) for kind, values in numbers.items()}

    def answer_text(self, task: Task) -> str:
        """Return the number or letter; "" for a type that no other room has."""
        kind = task.question_type
        if not task.options:
            return f"{self._numbers[kind]:.4f}" if kind in self._numbers else ""
        right = self._right.get(kind, Counter())
        best = max(task.choices, key=lambda choice: right[choice])
        if right[best]:
            return letter_of(task, best)
        letters = [option[0] for option in task.options]
        seen = self._letters.get(kind, Counter())
        return max(letters, key=lambda letter: seen[letter]) if seen else ""


def _best_number(values: Sequence[float]) -> float:
    tried = np.quantile(values, np.linspace(0, 1, _QUANTILES))
    scores = [np.mean([mean_relative_accuracy(float(t), v) for v in values]) for t in tried]
    return float(tried[int(np.argmax(scores))])


class LanguageAlone:
    """A profile's language model, asked without any measurement.

    A model that knows only its own wording (nano) gets questions for a distance or a size in it,
    about the image that shows the objects best, with their true outlines as regions; the longest
    side is the longest of width, depth and height. All other questions are asked as VSI-Bench asks
    them, about the last image and, where the model looks at several, images spread over the drive.

    Args:
        networks: with a language model.
        drive: what there is to see.
    """

    def __init__(self, networks: Networks, drive: Drive) -> None:
        self._networks, self._drive = networks, drive
        self._views: dict[int, View] = {}

    def answer_text(self, task: Task) -> tuple[str, str]:
        """Return the number or the letter that the model says, "" for neither, and its words."""
        metres = self._in_own_wording(task) if self._networks.canonical_only else None
        if metres is not None:
            return f"{convert(metres, 'm', task.unit):.4f}", f"{metres:.2f} meters"
        prompt = build_prompt(task.question, task.question_type, task.options)
        last = len(self._drive.images) - 1
        count = min(self._networks.context_views, last)
        earlier = [self._view(int(k)) for k in np.linspace(0, last, count, endpoint=False)]
        said = self._networks.answer(self._view(last), Question(prompt, earlier=earlier))
        words = clean_answer(said)
        if not task.options:
            return words if parse_number(words) is not None else "", said
        letters = {choice.lower(): letter_of(task, choice) for choice in task.choices}
        letters |= {letter.lower(): letter for letter in letters.values()}
        return letters.get(words, ""), said

    def _in_own_wording(self, task: Task) -> float | None:
        """Metres that the model says to its own wording of a question; None without one."""
        families = {
            "object_abs_distance": ("distance",),
            "object_size_estimation": ("width", "depth", "height"),
        }.get(task.question_type)
        if families is None:
            return None
        number = self._best_image(task.kinds)
        masks = [self._mask(number, kind) for kind in task.kinds]
        slots = {
            key: f"the {kind} {REGION_PLACEHOLDER}"
            for key, kind in zip("ab", task.kinds, strict=False)
        }
        lengths = []
        for family in families:
            text = QUANTITATIVE[family].questions[0].format(**slots)
            question = Question(text, masks, family)
            length = parse_length(self._networks.answer(self._view(number), question))
            if length is not None:
                lengths.append(length)
        return max(lengths, default=None)

    def _best_image(self, kinds: Sequence[str]) -> int:
        """Index of the image in which the one that shows least of these shows most."""
        pixels = [
            min(int(self._mask(number, kind).sum()) for kind in kinds)
            for number in range(len(self._drive.images))
        ]
        return int(np.argmax(pixels))

    def _mask(self, number: int, kind: str) -> np.ndarray:
        wanted = [k for k, one in enumerate(self._drive.room.objects) if one.kind == kind]
        return np.asarray(np.isin(self._drive.images[number].segmentation, wanted))

    def _view(self, number: int) -> View:
        if number not in self._views:
            image = self._drive.images[number]
            mount = self._networks.nominal_mount
            self._views[number] = View(image.rgb, self._drive.camera, mount)
        return self._views[number]
