# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Language models behind one interface, and the nano one: regions as tokens, its own wording."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import CancelledError
from spatialgeo_ros.language.prompts import template
from spatialgeo_ros.language.stream import PrefixCache, Sampling, generate
from spatialgeo_ros.language.tokenizer import IMAGE_ID, LanguageTokenizer
from spatialgeo_ros.models.profiles import LanguagePart
from spatialgeo_ros.models.region_features import region_statistics
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.perception.results import View
from spatialgeo_ros.perception.towers import FrameTowers


class Speaker(Protocol):
    """A language model with the eyes it was trained with."""

    prefix: PrefixCache
    #: Whether it only understands questions in the wording it was trained with.
    canonical_only: bool
    #: How many earlier views it can look at.
    context_views: int

    def answer(
        self,
        view: View,
        question: str,
        regions: Sequence[npt.NDArray[np.bool_]],
        family: str,
        earlier: Sequence[View],
        on_token: Callable[[str], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> str:
        """Generate an answer; see ``results.Networks``."""

    def encode(self, view: View) -> None:
        """Run the towers of a view now."""

    def modules(self) -> tuple[nn.Module, ...]:
        """The networks that are not among the frame's towers."""


def say(
    model: Any,
    tokenizer: LanguageTokenizer,
    embeds: Tensor,
    sampling: Sampling,
    *,
    on_token: Callable[[str], None] | None,
    cancelled: Callable[[], bool] | None,
    **options: Any,
) -> str:
    """Generate with ``language.stream.generate``; returns the text.

    Raises:
        CancelledError: ``cancelled`` became true between two tokens.
    """
    result = generate(
        model, tokenizer, embeds, sampling, on_token=on_token, cancelled=cancelled, **options
    )
    if result.stopped == "cancelled":
        raise CancelledError("the question was cancelled while it was answered")
    return result.text


class NanoSpeaker:
    """The nano language model: one view, its own wording, one token for each region named.

    Args:
        part: of the profile.
        model: language model and adapter.
        tokenizer: of the language model.
        towers: CLIP and MoGe of the frame.
    """

    canonical_only = True
    context_views = 0

    def __init__(
        self,
        part: LanguagePart,
        model: SpatialGeoModel,
        tokenizer: LanguageTokenizer,
        towers: FrameTowers,
    ) -> None:
        self.prefix = PrefixCache()
        self.tokenizer = tokenizer
        self._part, self._model = part, model
        self._towers = towers
        self._serials = itertools.count()

    def modules(self) -> tuple[nn.Module, ...]:
        """Language model and adapter."""
        return self._model.language_model, self._model.adapter

    def encode(self, view: View) -> None:
        """Run both towers of a view now."""
        self._towers.clip_features(view)
        self._towers.predictions(view)

    def answer(
        self,
        view: View,
        question: str,
        regions: Sequence[npt.NDArray[np.bool_]],
        family: str,
        earlier: Sequence[View],
        on_token: Callable[[str], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> str:
        """Generate an answer; see ``results.Networks``."""
        model = self._model
        if "visual" not in view.cache:
            features = self._towers.clip_features(view)
            layers = self._towers.fused_layers(view)
            clip_embeds = model.adapter.project_clip(features)
            moge_embeds = model.adapter.project_moge(layers)
            visual, _ = model.visual_embeds(features, layers)
            view.cache["visual"] = (clip_embeds, moge_embeds, visual, next(self._serials))
        clip_embeds, moge_embeds, visual, serial = view.cache["visual"]
        prompt = template(self._part.prompt)
        ids = self.tokenizer.encode(prompt.build(question))
        region_embeds: Sequence[Tensor] | Tensor = ()
        if regions:
            region_embeds = self._region_embeds(view, regions, clip_embeds, moge_embeds)
        before = ids.index(IMAGE_ID)
        inputs = model.prepare_inputs(
            torch.tensor([ids], device=visual.device), [visual[0]], region_embeds=region_embeds
        )
        return say(
            model.language_model,
            self.tokenizer,
            inputs.inputs_embeds,
            Sampling(max_new_tokens=self._part.max_new_tokens),
            on_token=on_token,
            cancelled=cancelled,
            stop=prompt.stop,
            prefix=self.prefix,
            prefix_key=(serial, tuple(ids[:before])),
            prefix_length=before + visual.shape[1],
        )

    def _region_embeds(
        self,
        view: View,
        regions: Sequence[npt.NDArray[np.bool_]],
        clip_embeds: Tensor,
        moge_embeds: Tensor,
    ) -> Tensor:
        """One embedding per region [R, D]: pooled tokens and the network's own geometry of it."""
        towers = self._towers
        box = towers.letterbox(view)
        z, valid = towers.points(view)
        rows, columns = z.shape
        rays = towers.seen_camera(view).resized(columns, rows).rays()
        points = rays * np.where(valid, z, np.nan)[..., None]
        gravity = None if view.mount is None else view.mount.gravity
        weights, statistics = [], []
        for region in regions:
            share = box.patch_weights(region, (rows, columns)).reshape(rows, columns)
            inside = share >= min(0.5, float(share.max()))
            weights.append(box.patch_weights(region, towers.image.grid))
            statistics.append(region_statistics(points, inside, gravity))
        embeds = self._model.adapter.region_embeddings(
            clip_embeds,
            moge_embeds,
            torch.from_numpy(np.stack(weights))[None].to(clip_embeds.device),
            torch.from_numpy(np.stack(statistics))[None].to(clip_embeds.device),
        )
        return embeds[0]
