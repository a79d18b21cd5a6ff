# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A second opinion on what a detector of open vocabularies found, before anything is measured.

Such detectors invent: asked for a thing that is not there, they box another, "often with high
confidence" (GroundingDINO#84). Whether it is there at all (where the network says so), its colour,
and CLIP where it is loaded are asked here; its size once depth has given it one
(:func:`spatialgeo_ros.geometry.sizes.misfit`). Each returns the doubt in words, "" for none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.grounding.clip_patches import MIN_COLOUR, name_probabilities
from spatialgeo_ros.grounding.detector import Box, PhraseResult
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.networks.interface import Networks
from spatialgeo_ros.query.colours import colour_mask, strongest_other
from spatialgeo_ros.query.nouns import canonical, relatedness
from spatialgeo_ros.query.phrases import NounPhrase

#: Probability of a network's own that there is such a thing at all, below which it doubts itself.
_LEAST_PRESENCE = 0.5
#: Share of an object's own pixels that has to show its colour: less is a detail or a reflection.
_LEAST_COLOUR = 0.15
#: Times as much of it that shows one other hue, from which on people would name it by that.
_OTHER_HUE = 2.0
#: What a crop may show that is none of the things that people ask for.
DISTRACTORS = (
    "wall", "floor", "ceiling", "window", "door", "shadow", "reflection", "cable", "person",
    "empty room", "texture", "part of a larger object",
)  # fmt: skip
#: A detector is overruled by CLIP only where CLIP is sure of something else, and sure that it is
#: not the phrase: patches know less about where things are than boxes do.
_SURE_OTHER, _HARDLY = 0.7, 0.1
#: Of a crop around a box: share of its sides that is added.
_CROP_MARGIN = 0.1


def presence_doubt(result: PhraseResult) -> str:
    """Say so where the network itself doubts that there is such a thing in the image."""
    if not result.presence < _LEAST_PRESENCE:  # NaN: it has no such output
        return ""
    return (
        f"whether there is a {result.phrase} at all is doubtful: the detector gives it a "
        f"probability of {result.presence:.2f}"
    )


def colour_share(image: npt.NDArray[np.uint8], pixels: npt.NDArray[np.bool_], colour: str) -> float:
    """Share of an image's [H, W, 3] pixels [H, W] that people would call so."""
    shown = image[pixels]
    return float(colour_mask(shown, colour).mean()) if len(shown) else 0.0


def colour_doubt(
    image: npt.NDArray[np.uint8],
    pixels: npt.NDArray[np.bool_],
    phrase: str,
    colour: str,
    *,
    whole_box: bool,
) -> str:
    """Say so where the pixels lack the colour that a phrase names.

    Args:
        image: [H, W, 3] uint8 RGB.
        pixels: [H, W] of what was found.
        phrase: as it was said.
        colour: canonical, "" for none.
        whole_box: whether the pixels are those of a box, background included.
    """
    if not colour:
        return ""
    share = colour_share(image, pixels, colour)
    if share < (MIN_COLOUR if whole_box else _LEAST_COLOUR):
        return f"what was taken for '{phrase}' does not look {colour}"
    other, more = ("", 0.0) if whole_box else strongest_other(image[pixels], colour)
    if more > _OTHER_HUE * share:
        return f"what was taken for '{phrase}' looks more {other} than {colour}"
    return ""


def other_things_pixels(
    image: npt.NDArray[np.uint8], pixels: npt.NDArray[np.bool_], colour: str
) -> tuple[str, npt.NDArray[np.bool_]] | None:
    """Return the hue that an object's pixels show more than its own colour, and where it is seen.

    Depth alone joins a white chair with the green sofa that it touches. None where they show no
    other hue more.

    Args:
        image: [H, W, 3] uint8 RGB.
        pixels: [H, W] of what was taken for the object.
        colour: canonical, that the phrase names.
    """
    if not pixels.any():
        return None
    other, share = strongest_other(image[pixels], colour)
    if share <= colour_share(image, pixels, colour):
        return None
    shown = (colour_mask(image, other) & ~colour_mask(image, colour)).reshape(image.shape[:2])
    return other, shown


def clip_doubt(networks: Networks | None, view: View, phrase: NounPhrase, box: Box) -> str:
    """Say what CLIP takes a box for, where it is sure that it is something else.

    A CLIP of few kinds compares the phrase with all of them, and says nothing of kinds that it does
    not know. One of any words compares it with :data:`DISTRACTORS` and with the bare noun.

    Args:
        networks: their CLIP is asked, where they have one.
        view: the image.
        phrase: what was asked for.
        box: what was found.
    """
    if networks is None or not networks.has_grounding or networks.unfamiliar(view):
        return ""
    vocabulary = networks.vocabulary
    if vocabulary.kinds:
        meant = vocabulary.matching(phrase)
        names = (*vocabulary.names(), *networks.background_names)
        if not meant:
            return ""
        heat = _means(networks, view, names, box)
    else:
        meant = tuple(dict.fromkeys((f"{phrase.colour} {phrase.noun}".strip(), phrase.noun)))
        names = (*meant, *(name for name in DISTRACTORS if name not in meant))
        heat = _means(networks, _crop(view, box), names, None)
    # Of one kind in another colour, colour is the judge; of a related kind, nobody is.
    others = {
        name: value
        for name, value in heat.items()
        if name not in meant and _unrelated(name, phrase)
    }
    likely = max(others, key=lambda name: others[name], default="")
    if not likely or others[likely] < _SURE_OTHER:
        return ""
    if sum(heat[name] for name in meant) > _HARDLY:
        return ""
    return f"what was taken for '{phrase.text}' may be a {likely}"


def _unrelated(name: str, phrase: NounPhrase) -> bool:
    noun = name.split()[-1]
    return relatedness(canonical(name) or canonical(noun) or noun, phrase.kind) == 0.0


def _means(
    networks: Networks, view: View, names: Sequence[str], box: Box | None
) -> dict[str, float]:
    """Probability of each name, the mean over the patches in a box; None for the whole image."""
    maps = name_probabilities(networks.similarity(view, names))
    rows, columns = maps.shape[1:]
    inside: tuple[slice, slice] = (slice(None), slice(None))
    if box is not None:
        height, width = view.image.shape[:2]
        x0, x1 = (int(box[k] * columns / width) for k in (0, 2))
        y0, y1 = (int(box[k] * rows / height) for k in (1, 3))
        inside = slice(y0, y1 + 1), slice(x0, x1 + 1)
    return {name: float(one[inside].mean()) for name, one in zip(names, maps, strict=True)}


def _crop(view: View, box: Box) -> View:
    """The part of an image around a box, as an image of its own."""
    height, width = view.image.shape[:2]
    dx, dy = _CROP_MARGIN * (box[2] - box[0]), _CROP_MARGIN * (box[3] - box[1])
    x0, y0 = max(0, int(box[0] - dx)), max(0, int(box[1] - dy))
    x1, y1 = min(width, int(box[2] + dx) + 2), min(height, int(box[3] + dy) + 2)
    return View(np.ascontiguousarray(view.image[y0:y1, x0:x1]), None, view.mount)
