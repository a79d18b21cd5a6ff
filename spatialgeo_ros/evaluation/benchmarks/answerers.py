# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who answers a benchmark's questions: a profile, the same without images, or a constant."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError, NoLanguageModelError
from spatialgeo_ros.evaluation.benchmarks.item import Item, Mask, Record, RegionOfImage, decode_rle
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.networks.interface import Networks, Question
from spatialgeo_ros.query.families import REGION_PLACEHOLDER
from spatialgeo_ros.recordings.clips import VideoClip
from spatialgeo_ros.recordings.image_codec import read_colour_file

#: How a model that takes no regions is told which things are meant.
IN_WORDS, DRAWN = "words", "drawn"
_COLOURS = ((230, 30, 30), (30, 90, 230), (20, 160, 60), (230, 150, 20))
#: Of the images that a blind model is shown.
GREY = 128


def images_of(item: Item) -> list[npt.NDArray[np.uint8]]:
    """The images of an item, or frames of its video: chosen ones, else evenly spread.

    Of evenly spread ones the first and the last are two.

    Raises:
        BadImageError: a file cannot be read.
    """
    if item.video is None:
        return [read_colour_file(path) for path in item.images]
    clip = VideoClip(item.video)
    count = len(clip)
    wanted = item.selection or np.unique(
        np.linspace(0, count - 1, min(item.frames, count), dtype=int)
    )
    return [np.asarray(frame.image, np.uint8) for frame in clip.read([int(k) for k in wanted])]


def mask_of(region: RegionOfImage, height: int, width: int) -> Mask:
    """Pixels of a region: its mask, or its box filled."""
    if region.rle is not None:
        return decode_rle(region.rle)
    mask = np.zeros((height, width), bool)
    x0, y0, x1, y1 = (int(max(0.0, side)) for side in region.box)
    mask[y0:y1, x0:x1] = True
    return mask


def in_words(item: Item) -> str:
    """The prompt with each region's class in its place, numbered where there are two of one."""
    names = [region.name for region in item.regions]
    again = Counter(names)
    seen: Counter[str] = Counter()
    text = item.prompt
    for name in names:
        seen[name] += 1
        said = f"the {name}" if again[name] == 1 else f"the {name} number {seen[name]}"
        text = text.replace(REGION_PLACEHOLDER, said, 1)
    return text


def drawn(item: Item, image: npt.NDArray[np.uint8]) -> tuple[str, npt.NDArray[np.uint8]]:
    """The prompt with "Region [k]" in each place, and the image with the boxes and numbers."""
    picture = image.copy()
    text = item.prompt
    for k, region in enumerate(item.regions):
        text = text.replace(REGION_PLACEHOLDER, f"Region [{k}]", 1)
        x0, y0, x1, y1 = (round(side) for side in region.box)
        colour = _COLOURS[k % len(_COLOURS)]
        thick = max(2, round(min(picture.shape[:2]) / 200))
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, thick)
        at = (x0 + 2 * thick, y0 + 12 * thick)
        cv2.putText(picture, str(k), at, cv2.FONT_HERSHEY_SIMPLEX, thick / 2, colour, thick)
    return text, picture


def told(
    item: Item, images: Sequence[npt.NDArray[np.uint8]], regions: str
) -> tuple[str, list[npt.NDArray[np.uint8]]]:
    """What a model is told and shown that takes no regions: in words, or drawn into the image."""
    if item.regions and regions == DRAWN:
        text, first = drawn(item, images[0])
        return text, [first, *images[1:]]
    return in_words(item), list(images)


class ProfileAnswerer:
    """A loaded profile.

    Args:
        networks: with a language model.
        regions: how regions are told to a model that takes none, :data:`IN_WORDS` or
            :data:`DRAWN`.
        blind: show grey images of the same sizes instead.

    Raises:
        NoLanguageModelError: the profile has none.
        BadRequestError: it understands its own wording alone.
    """

    def __init__(self, networks: Networks, regions: str = IN_WORDS, *, blind: bool = False) -> None:
        if not networks.has_language:
            raise NoLanguageModelError(f"{networks.model_id} has no language model to ask")
        if networks.canonical_only:
            raise BadRequestError(
                f"{networks.model_id} understands the wording of its own training alone"
            )
        self._networks, self._regions, self._blind = networks, regions, blind
        self.name = f"{networks.model_id}{', blind' if blind else ''}"

    def answer(self, item: Item) -> Record:
        """Answer one question; see :class:`.runner.Answerer`."""
        images = images_of(item)
        facts: dict[str, object] = {"images": len(images)}
        masks: list[Mask] = []
        text = item.prompt
        if item.regions and self._networks.takes_regions:
            height, width = images[0].shape[:2]
            masks = [mask_of(region, height, width) for region in item.regions]
        else:
            text, images = told(item, images, self._regions)
        if self._blind:
            images = [np.full_like(image, GREY) for image in images]
        most = 1 + self._networks.context_views
        if len(images) > most:
            # A model of one image sees the middle of a video; one of clips as many as it takes.
            chosen = np.linspace(0, len(images) - 1, most + 2, dtype=int)[1:-1]
            images = [images[int(k)] for k in chosen] if most == 1 else images[-most:]
            facts["images_shown"] = len(images)
        if item.instruction:
            text = f"{item.instruction}{text}"
        *earlier, newest = (View(image, None, None) for image in images)
        notes: list[str] = []
        question = Question(text, masks, earlier=earlier, note=notes.append)
        output = self._networks.answer(newest, question).strip()
        if notes:
            facts["degraded"] = notes
        return Record(item.id, text, output, facts=facts)

    def describe(self) -> dict[str, object]:
        """Facts for the file of the run."""
        return {
            "model": self.name,
            "backend": self._networks.backend,
            "regions": "masks" if self._networks.takes_regions else self._regions,
        }

    def close(self) -> None:
        """Free the networks."""
        self._networks.close()


class ConstantAnswerer:
    """The best constant: of each kind of question, the answer that is right most often.

    Args:
        items: all of the benchmark; their truths are looked at.
    """

    name = "constant"

    def __init__(self, items: Sequence[Item]) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for item in items:
            truths = item.truth if isinstance(item.truth, list) else [item.truth]
            counts[item.kind].update(map(str, truths))
        self._best = {kind: some.most_common(1)[0][0] for kind, some in counts.items()}

    def answer(self, item: Item) -> Record:
        """Answer one question; see :class:`.runner.Answerer`."""
        return Record(item.id, item.prompt, self._best[item.kind])

    def describe(self) -> dict[str, object]:
        """Facts for the file of the run."""
        return {"model": "constant", "answers": self._best}

    def close(self) -> None:
        """Do nothing."""
