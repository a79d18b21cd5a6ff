# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialRGPT: one image, any wording, and a token pair for each region that the wording names."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from spatialgeo_ros.errors import BadRegionError, BadRequestError
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.profile_parts import SpatialRgptPart
from spatialgeo_ros.models.spatialrgpt.depth_anything import DepthAnything
from spatialgeo_ros.models.spatialrgpt.region_pictures import (
    depth_picture,
    square_mask,
    square_pixels,
)
from spatialgeo_ros.models.spatialrgpt.rgpt_model import RegionTokens, SeenImage, SpatialRgpt
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.speaker import completed_text
from spatialgeo_ros.query.families import REGION_PLACEHOLDER
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.marked_text import TextPart
from spatialgeo_ros.speech.prompts import template
from spatialgeo_ros.speech.stream import Sampling, generate
from spatialgeo_ros.speech.tokenizer import IMAGE_ID, LanguageTokenizer

#: How a region is written in the prompt, with a depth picture and without.
_WITH_DEPTH, _WITHOUT_DEPTH = "<mask> <depth>", "<mask>"
#: How answers call a region, counted in the order of the question.
_SAID_REGION = re.compile(r"\[?Region \[?(\d+)\]?", re.IGNORECASE)


class RegionSpeaker:
    """A language model that is shown the pixels of the things that a question is about.

    Args:
        part: of the profile.
        model: the network.
        tokenizer: of its language model.
        ends: tokens that end an answer.
        depth_network: makes the depth picture as in training; None to make it of the depth that
            comes with a question.
    """

    canonical_only = False
    context_views = 0
    takes_regions = True

    def __init__(
        self,
        part: SpatialRgptPart,
        model: SpatialRgpt,
        tokenizer: LanguageTokenizer,
        ends: Sequence[int],
        depth_network: DepthAnything | None = None,
    ) -> None:
        self.decoder = Decoder(model.language_model)
        self._part, self._model, self._tokenizer = part, model, tokenizer
        self._ends = tuple(ends)
        self._depth_network = depth_network
        self._prompt = template("llama_3")
        self._serials = itertools.count()

    @property
    def depth_source(self) -> str:
        """What its picture of depth is made of, for diagnostics."""
        if self._depth_network is not None:
            return "Depth Anything, as in its training"
        return "the depth that the scene is measured with, not Depth Anything's as in its training"

    def modules(self) -> tuple[nn.Module, ...]:
        """Everything: no tower is shared with the measuring."""
        own = (self._model,)
        return own if self._depth_network is None else (*own, self._depth_network)

    def encode(self, view: View) -> None:
        """Run the tower on the picture; the depth picture waits for a question with regions."""
        self._picture(view)

    def answer(self, view: View, question: Question) -> str:
        """Generate an answer; see ``interface.Networks``.

        Raises:
            BadRequestError: the text names more regions than there are masks.
            BadRegionError: a region covers no pixel.
        """
        named = question.text.count(REGION_PLACEHOLDER)
        if named > len(question.regions):
            raise BadRequestError(
                f"the question names {named} regions, but {len(question.regions)} were given"
            )
        seen, serial = self._picture(view)
        regions = None
        if named:
            seen = self._with_depth(view, seen, question)
            regions = self._regions(seen, question.regions[:named], question.note)
        shown = _WITHOUT_DEPTH if seen.depth is None else _WITH_DEPTH
        ids = self._tokenizer.encode(self._prompt.parts(_parts(question.text, shown)))
        embeds = self._model.prompt_embeds(ids, seen, regions)
        before = ids.index(IMAGE_ID)
        said = completed_text(
            generate(
                self.decoder,
                self._tokenizer,
                embeds,
                Sampling(self._part.max_new_tokens, self._part.temperature),
                on_token=question.on_token,
                cancelled=question.cancelled,
                stop=self._prompt.stop,
                # Regions come after the image, so the whole image is shared by all questions.
                prefix_key=(serial, tuple(ids[:before])),
                prefix_length=before + seen.tokens.shape[1],
                end_ids=self._ends,
            )
        )
        return name_regions(said, question.names)

    def _picture(self, view: View) -> tuple[SeenImage, int]:
        """The picture without its depth, and a number that stands for it."""
        if "picture" not in view.cache:
            pixels = square_pixels(view.image, self._model.image_size)
            view.cache["picture"] = (self._model.see(pixels), next(self._serials))
        found: tuple[SeenImage, int] = view.cache["picture"]
        return found

    def _with_depth(self, view: View, seen: SeenImage, question: Question) -> SeenImage:
        """The same with the features of the depth picture, where depth is known."""
        inverse = self._inverse_depth(view, question.depth)
        if inverse is None:
            question.note("the language model saw no picture of depth: there is none of this image")
            return seen
        if self._depth_network is None:
            question.note(f"the language model's picture of depth is made of {self.depth_source}")
        if "depth_picture" not in view.cache:
            height, width = view.image.shape[:2]
            side = self._model.image_size
            pixels = square_pixels(depth_picture(inverse, height, width), side)
            view.cache["depth_picture"] = self._model.tower_features(pixels)
        return replace(seen, depth=view.cache["depth_picture"])

    def _inverse_depth(
        self, view: View, depth: npt.NDArray[np.float32] | None
    ) -> npt.NDArray[np.float32] | None:
        """Relative inverse depth of the view, None where nothing gives it."""
        if self._depth_network is not None:
            if "inverse_depth" not in view.cache:
                view.cache["inverse_depth"] = self._depth_network.inverse_depth(view.image)
            found: npt.NDArray[np.float32] = view.cache["inverse_depth"]
            return found
        if depth is None or not (np.isfinite(depth) & (depth > 0)).any():
            return None
        known = np.isfinite(depth) & (depth > 0)
        return np.where(known, 1.0 / np.where(known, depth, 1.0), np.nan).astype(np.float32)

    def _regions(
        self,
        seen: SeenImage,
        masks: Sequence[npt.NDArray[np.bool_]],
        note: Callable[[str], None],
    ) -> RegionTokens:
        squares, grown = [], []
        for number, mask in enumerate(masks):
            try:
                square, widened = square_mask(mask, self._model.image_size)
            except BadRegionError as error:
                raise BadRegionError(f"region {number}: {error}") from error
            squares.append(square)
            grown.append(widened)
        with torch.inference_mode():
            tokens = self._model.regions(seen, np.stack(squares))
        thin = [k for k, pair in enumerate(zip(grown, tokens.coarse, strict=True)) if any(pair)]
        if thin:
            names = ", ".join(map(str, thin))
            note(
                f"region {names} is thinner than the language model's published sampling sees: "
                "it was widened to the cells that it touches"
            )
        return tokens


def name_regions(text: str, names: Sequence[str]) -> str:
    """Put names for "Region [k]" in an answer; a number without a name stays."""

    def name(found: re.Match[str]) -> str:
        number = int(found[1])
        return f"the {names[number]}" if number < len(names) and names[number] else found[0]

    return _SAID_REGION.sub(name, text)


def _parts(text: str, shown: str) -> list[TextPart]:
    """Text of others as plain parts, with our own tokens for regions between them."""
    pieces = text.split(REGION_PLACEHOLDER)
    parts = [TextPart(pieces[0], plain=True)]
    for piece in pieces[1:]:
        parts += [TextPart(shown), TextPart(piece, plain=True)]
    return [part for part in parts if part.text]
