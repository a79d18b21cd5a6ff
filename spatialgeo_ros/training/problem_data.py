# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions with a checkable solution, for policy optimisation, in Spatial-MLLM 1.0's item format.

An item has ``problem``, ``problem_type`` ("multiple choice", "numerical", "regression", "verbal";
of Video-R1's data also "OCR" and "free-form"), ``options``, ``solution``
("<answer>...</answer>") and ``path`` (or ``video``) of its clip; where ``data_type`` is "image",
the path is of a picture, which is shown as a clip that stands still.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from spatialgeo_ros.errors import BadRequestError, SpatialGeoError
from spatialgeo_ros.models.spatial_mllm.video_input import VideoInput
from spatialgeo_ros.training.clip_data import IMAGE, VIDEO, ClipData
from spatialgeo_ros.training.rewards import REWARDED, SPATIAL_MLLM, VERBAL
from spatialgeo_ros.training.video_r1_rewards import (
    CHOICE,
    FREE_FORM,
    NUMERICAL,
    OCR,
    REGRESSION,
    rouge_scorer,
)

log = logging.getLogger(__name__)

#: What a prompt ends with, by the type of the problem (Video-R1, which the paper says it follows).
REQUESTS = {
    CHOICE: " Please provide only the single option letter (e.g., A, B, C, D, etc.) within the "
    "<answer> </answer> tags.",
    NUMERICAL: " Please provide the numerical value (e.g., 42 or 3.14) within the "
    "<answer> </answer> tags.",
    REGRESSION: " Please provide the numerical value (e.g., 42 or 3.14) within the "
    "<answer> </answer> tags.",
    VERBAL: " Please provide your text answer within the <answer> </answer> tags.",
    FREE_FORM: " Please provide your text answer within the <answer> </answer> tags.",
    OCR: " Please transcribe text from the image/video clearly and provide your text answer within "
    "the <answer> </answer> tags.",
}


@dataclass(frozen=True, eq=False)
class Problem:
    """A question about a clip.

    Attributes:
        clip: None where the item is broken.
        seconds: between two pairs of frames.
        text: of the user's turn behind the clip.
        kind: see ``rewards.task_reward``.
        solution: likewise.
    """

    clip: VideoInput | None
    seconds: float = 1.0
    text: str = ""
    kind: str = ""
    solution: str = ""


@dataclass(frozen=True)
class ProblemBatch:
    """Problems of one pass.

    Attributes:
        problems: those that are not broken.
        dropped: how many were.
    """

    problems: tuple[Problem, ...]
    dropped: int


class ProblemData(Dataset[Problem]):
    """Items beside a folder of clips, read as they are needed.

    Args:
        clips: reads annotations and clips.
        instruction: how to think; before the request for the answer's form.
        rules: by which answers are rewarded; see ``rewards.REWARDED``.

    Raises:
        BadRequestError: not one item is of a type that can be rewarded.
        ModelLoadError: a type is rewarded by a package that is not installed.
    """

    def __init__(self, clips: ClipData, instruction: str, rules: str = SPATIAL_MLLM) -> None:
        self._clips, self._instruction, self._rewarded = clips, instruction, REWARDED[rules]
        kinds = Counter(str(kind) for kind in clips.texts("problem_type"))
        unknown = {kind: n for kind, n in kinds.items() if kind not in self._rewarded}
        if unknown:
            listed = ", ".join(f"{n} of type '{kind}'" for kind, n in sorted(unknown.items()))
            words = (
                f"{sum(unknown.values())} of {sum(kinds.values())} problems have no reward by the "
                f"rules '{rules}' ({listed}): it knows {', '.join(self._rewarded)}"
            )
            if len(unknown) == len(kinds):
                raise BadRequestError(words)
            log.warning("%s; they are left out and counted as dropped", words)
        if FREE_FORM in kinds:
            rouge_scorer()  # what is not installed is said before hours of training

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._clips)

    def __getitem__(self, index: int) -> Problem:
        """Read one; without a clip where it is broken, which is said."""
        try:
            entry = self._clips.entry(index)
            text, kind = problem_text(entry, self._instruction), str(entry["problem_type"])
            if kind not in self._rewarded:
                raise BadRequestError(f"there is no reward for problems of type '{kind}'")
            shown = IMAGE if entry.get("data_type") == IMAGE else VIDEO
            place = entry.get("path") or entry[shown]
            _, seen, seconds = self._clips.look({shown: place})
            if len(seen) != 1:
                raise BadRequestError(f"a problem needs one clip, not {len(seen)}")
            return Problem(seen[0], seconds, text, kind, str(entry["solution"]))
        except (SpatialGeoError, KeyError) as error:
            log.warning("problem %d is left out: %r", index, error)
            return Problem(None)


def problem_text(entry: Mapping[str, Any], instruction: str) -> str:
    """Write the user's turn.

    Raises:
        BadRequestError: the type is unknown.
    """
    kind = entry["problem_type"]
    if kind not in REQUESTS:
        raise BadRequestError(f"problems are {', '.join(REQUESTS)}, not '{kind}'")
    options = entry.get("options") or ()
    listed = "\nOptions:\n" + "\n".join(map(str, options)) if options else ""
    told = f"\n{instruction}" if instruction else ""
    # A line of its own behind the clip, as in the supervised data.
    return f"\n{entry['problem']}{listed}{told}{REQUESTS[kind]}"


def collate_problems(problems: Sequence[Problem]) -> ProblemBatch:
    """Put problems together; broken ones are left out and counted."""
    kept = tuple(one for one in problems if one.clip is not None)
    return ProblemBatch(kept, len(problems) - len(kept))
