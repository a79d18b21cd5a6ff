# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rewards of a completion, by which Spatial-MLLM is trained after its supervised stage.

No code of that stage was released. The formulas are the paper's (arXiv 2505.23747) where it states
them, the released v1.0 evaluation's where they differ, and Video-R1's (arXiv 2503.21776) for what
the paper says it follows; each function says which.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.speech.cleaned_answer import (
    clean_answer,
    mean_relative_accuracy,
    parse_number,
)
from spatialgeo_ros.training.video_r1_rewards import (
    CHOICE,
    FREE_FORM,
    KINDS,
    NUMERICAL,
    OCR,
    REGRESSION,
    video_r1_reward,
)

VERBAL = "verbal"
#: By whose rules answers are rewarded.
SPATIAL_MLLM, VIDEO_R1 = "spatial_mllm", "video_r1"
#: Types of problems that each has a reward for. Spatial-MLLM's data has the first four; of the
#: others it says nothing, and Video-R1's rules hold.
REWARDED = {
    SPATIAL_MLLM: (CHOICE, NUMERICAL, REGRESSION, VERBAL, OCR, FREE_FORM),
    VIDEO_R1: KINDS,
}
_FORMAT = re.compile(r"<think>.*?</think>\s*<answer>.*?</answer>", re.DOTALL)
#: Video-R1's bonus for a thought of a fair length.
LENGTH_BONUS, LEAST_LENGTH, MOST_LENGTH, LEAST_REWARD = 0.2, 320, 512, 0.1


@dataclass(frozen=True)
class Reward:
    """What one completion is worth.

    Attributes:
        format: 1 where it has the form that is asked for, else 0.
        task: 0 to 1, of its answer.
        length: the bonus for its length.
    """

    format: float
    task: float
    length: float = 0.0

    @property
    def total(self) -> float:
        """The sum; the paper weighs format and task alike."""
        return self.format + self.task + self.length


def format_reward(completion: str) -> float:
    """Tell whether a completion is a thought and an answer, each in its tags, and nothing else."""
    return float(_FORMAT.fullmatch(completion) is not None)


def task_reward(
    problem_type: str, solution: str, completion: str, rules: str = SPATIAL_MLLM
) -> float:
    """Worth of an answer, 0 to 1.

    By Spatial-MLLM's rules a choice is right or wrong; a number has its mean relative accuracy;
    words have the share of letters that they have in common (:func:`similarity`). Video-R1's are in
    ``video_r1_rewards``; types that it alone has are rewarded by them.

    Args:
        problem_type: of :data:`REWARDED`.
        solution: with its answer block, or (by Spatial-MLLM's own rules) the plain answer.
        completion: of the model.
        rules: :data:`SPATIAL_MLLM` or :data:`VIDEO_R1`.

    Raises:
        BadRequestError: the type is unknown.
        ModelLoadError: free words are rewarded by a package that is not installed.
    """
    if rules == VIDEO_R1 or problem_type in (OCR, FREE_FORM):
        return video_r1_reward(problem_type, solution, completion)
    return answer_reward(problem_type, clean_answer(solution), clean_answer(completion))


def answer_reward(problem_type: str, truth: str, said: str) -> float:
    """Worth of a cleaned answer, 0 to 1; see :func:`task_reward`.

    Raises:
        BadRequestError: the type is unknown.
    """
    if problem_type == CHOICE:
        return float(" ".join(said.split()) == " ".join(truth.split()))
    if problem_type in (NUMERICAL, REGRESSION):
        given, right = parse_number(said), parse_number(truth)
        if given is None or right is None:
            return 0.0
        return mean_relative_accuracy(given, right)
    if problem_type == VERBAL:
        return similarity(said, truth)
    raise BadRequestError(f"no reward for problems of type '{problem_type}'")


def similarity(a: str, b: str) -> float:
    """Share 1 - D / (|a| + |b|), D the letters to insert and to delete; 1 for two empty texts."""
    total = len(a) + len(b)
    return 1.0 - letters_apart(a, b) / total if total else 1.0


def letters_apart(a: str, b: str) -> int:
    """Letters to insert and to delete to make one text the other; nothing is replaced."""
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for k, other in enumerate(b, 1):
            above = row[k]
            row[k] = diagonal if letter == other else 1 + min(above, row[k - 1])
            diagonal = above
    return row[-1]


def group_rewards(
    problem_type: str,
    solution: str,
    completions: Sequence[str],
    lengths: Sequence[int] = (),
    rules: str = SPATIAL_MLLM,
) -> list[Reward]:
    """Rewards of all completions of one prompt.

    Args:
        problem_type: see :func:`task_reward`.
        solution: see :func:`task_reward`.
        completions: of the model.
        lengths: tokens of each, for the bonus of their length; none without it.
        rules: see :func:`task_reward`.
    """
    plain = [
        Reward(format_reward(one), task_reward(problem_type, solution, one, rules))
        for one in completions
    ]
    if not lengths:
        return plain
    bonus = length_bonus([one.task for one in plain], lengths)
    return [Reward(one.format, one.task, extra) for one, extra in zip(plain, bonus, strict=True)]


def length_bonus(tasks: Sequence[float], lengths: Sequence[int]) -> list[float]:
    """Video-R1's bonus: for good completions of 320 to 512 tokens, where several are good.

    Args:
        tasks: the first reward of each completion.
        lengths: tokens of each.
    """
    good = [task > LEAST_REWARD for task in tasks]
    several = sum(good) > 1
    return [
        LENGTH_BONUS if several and one and LEAST_LENGTH <= length <= MOST_LENGTH else 0.0
        for one, length in zip(good, lengths, strict=True)
    ]
