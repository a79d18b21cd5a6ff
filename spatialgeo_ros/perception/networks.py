# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks of a profile behind the facade's interface: preprocess once, run each tower once.

What is computed for a frame stays in that frame's cache: letterboxed pixels, MoGe's predictions,
CLIP's patch features. Text embeddings of names are kept for all frames.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.errors import CancelledError, ModelLoadError, NoLanguageModelError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.language.prompts import format_suffix, template
from spatialgeo_ros.language.stream import PrefixCache, Sampling, generate
from spatialgeo_ros.language.tokenizer import IMAGE_ID, LanguageTokenizer, load_tokenizer
from spatialgeo_ros.models.clip import Clip
from spatialgeo_ros.models.loading import (
    choose_device,
    load_clip,
    load_geometry,
    load_language,
)
from spatialgeo_ros.models.moge import MoGe2
from spatialgeo_ros.models.profiles import Profile, load_profile
from spatialgeo_ros.models.region_features import region_statistics
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.models.weights import sha256_of, weight_bytes
from spatialgeo_ros.perception.results import MonocularDepth, Mount, View
from spatialgeo_ros.perception.towers import FrameTowers
from spatialgeo_ros.perception.vocabulary import Vocabulary


def load_networks(
    name: str, device: str = "auto", quantisation: str = "profile", threads: int = 0
) -> TorchNetworks:
    """Load a profile's networks.

    Args:
        name: of a profile, or the path of its YAML file.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        quantisation: of the language model: "none", "nf4", "int8", or "profile" for what the
            profile says.
        threads: of PyTorch on the CPU; 0 leaves its choice.

    Raises:
        ModelLoadError: names the file, key or tensor that is wrong.
    """
    if threads > 0:
        torch.set_num_threads(threads)
    profile = load_profile(name)
    target = choose_device(device)
    precision = getattr(torch, profile.precision)
    geometry = clip = language = None
    if profile.geometry is not None:
        geometry = load_geometry(profile.geometry).to(target, precision)
    if profile.semantic is not None:
        clip = load_clip(profile.semantic).to(target, precision)
    if profile.language is not None:
        language = load_language(
            profile.language,
            clip,
            geometry,
            None if profile.geometry is None else profile.geometry.num_tokens,
            device=target,
            quantisation=None if quantisation == "profile" else quantisation,
        )
    return TorchNetworks(profile, target, geometry, clip, language)


class TorchNetworks:
    """A loaded profile on PyTorch; implements :class:`spatialgeo_ros.perception.results.Networks`.

    Args:
        profile: what was loaded.
        device: where the networks are.
        geometry: MoGe-2, or None.
        clip: both CLIP towers, or None.
        language: language model and adapter around the same towers, or None.

    Raises:
        ModelLoadError: the tokenizer cannot be loaded, or text needs one and there is none.
    """

    def __init__(
        self,
        profile: Profile,
        device: torch.device,
        geometry: MoGe2 | None,
        clip: Clip | None,
        language: SpatialGeoModel | None,
    ) -> None:
        self._profile, self._device = profile, device
        self._geometry, self._clip, self._language = geometry, clip, language
        self._towers = FrameTowers(profile, device, geometry, clip)
        self._tokenizer: LanguageTokenizer | None = None
        if profile.language is not None:
            self._tokenizer = load_tokenizer(profile.language.tokenizer)
        grounding = None if profile.semantic is None else profile.semantic.grounding
        if grounding is not None and self._tokenizer is None:
            raise ModelLoadError(
                f"profile '{profile.name}' grounds phrases but names no tokenizer for them"
            )
        self.vocabulary = Vocabulary()
        self.background_names: tuple[str, ...] = ()
        self.grounding_threshold = 1.0
        if grounding is not None:
            self.vocabulary = Vocabulary(grounding.kinds, grounding.colours, grounding.plain_kinds)
            self.background_names = grounding.background
            self.grounding_threshold = grounding.threshold
        self.has_geometry = geometry is not None
        self.has_grounding = clip is not None and grounding is not None
        self.has_language = language is not None
        self.context_views = 0
        self.canonical_only = profile.language is not None and profile.language.prompt == "nano"
        mount = profile.camera
        self.nominal_mount = None if mount is None else Mount.from_pitch(mount.height, mount.pitch)
        self.model_id = f"{profile.name}-{_fingerprint(profile)}"
        quantised = language is not None and any(
            parameter.dtype == torch.uint8 for parameter in language.language_model.parameters()
        )
        self.backend = f"torch-{device.type}{'-nf4' if quantised else ''}"
        self._text: dict[str, Tensor] = {}
        self._prefix = PrefixCache()
        self._serials = itertools.count()

    @torch.inference_mode()
    def depth(self, view: View) -> MonocularDepth:
        """Predict depth of one view; see ``results.Networks``."""
        part = self._profile.geometry
        if self._geometry is None or part is None:
            raise ModelLoadError(f"profile '{self._profile.name}' has no geometry network")
        box = self._towers.letterbox(view)
        z, mask = self._towers.metric(view)
        # Back from the letterboxed input to the camera image's view.
        rows, columns = z.shape
        size = (
            max(1, round(columns * box.content[0] / box.target[0])),
            max(1, round(rows * box.content[1] / box.target[1])),
        )
        if size != (columns, rows):
            z, mask = box.resample(z, size), box.resample(mask.astype(np.float32), size) > 0.5
        return MonocularDepth(z, mask, part.relative_sigma)

    @torch.inference_mode()
    def similarity(self, view: View, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Scaled patch-text cosines [n, h, w] over the camera image's own view."""
        if self._clip is None:
            raise ModelLoadError(f"profile '{self._profile.name}' has no CLIP tower")
        patches = self._clip.patch_embedding(self._towers.clip_features(view))[0]
        texts = torch.stack([self._text_embedding(name) for name in names])
        scale = self._clip.logit_scale.exp().clamp(max=100)
        logits = (scale * texts @ patches.T).float().cpu().numpy()
        rows, columns = self._profile.image.grid
        maps = logits.reshape(len(names), rows, columns)
        box = self._towers.letterbox(view)
        if box.content == box.target:
            return np.asarray(maps, np.float32)
        size = (
            max(1, round(columns * box.content[0] / box.target[0])),
            max(1, round(rows * box.content[1] / box.target[1])),
        )
        return np.stack([box.resample(one, size, smooth=True) for one in maps])

    @torch.inference_mode()
    def encode(self, view: View) -> None:
        """Run both towers of a frame now."""
        if self._clip is not None:
            self._towers.clip_features(view)
        if self._geometry is not None:
            self._towers.predictions(view)

    @torch.inference_mode()
    def answer(
        self,
        view: View,
        question: str,
        regions: Sequence[npt.NDArray[np.bool_]] = (),
        family: str = "open",
        earlier: Sequence[View] = (),
        on_token: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> str:
        """Generate an answer; see ``results.Networks``."""
        model, part, tokenizer = self._language, self._profile.language, self._tokenizer
        if model is None or part is None or tokenizer is None:
            raise NoLanguageModelError(f"profile '{self._profile.name}' has no language model")
        cache = view.cache
        if "visual" not in cache:
            features = self._towers.clip_features(view)
            layers = self._towers.predictions(view)["features"].tokens()
            clip_embeds = model.adapter.project_clip(features)
            moge_embeds = model.adapter.project_moge(layers)
            visual, _ = model.visual_embeds(features, layers)
            cache["visual"] = (clip_embeds, moge_embeds, visual, next(self._serials))
        clip_embeds, moge_embeds, visual, serial = cache["visual"]
        prompt = template(part.prompt).build(
            question, suffix="" if self.canonical_only else format_suffix(family)
        )
        ids = tokenizer.encode(prompt)
        region_embeds: Sequence[Tensor] | Tensor = ()
        if regions:
            region_embeds = self._region_embeds(view, regions, clip_embeds, moge_embeds)
        before = ids.index(IMAGE_ID)
        inputs = model.prepare_inputs(
            torch.tensor([ids], device=self._device), [visual[0]], region_embeds=region_embeds
        )
        result = generate(
            model.language_model,
            tokenizer,
            inputs.inputs_embeds,
            Sampling(max_new_tokens=part.max_new_tokens),
            on_token=on_token,
            cancelled=cancelled,
            stop=template(part.prompt).stop,
            prefix=self._prefix,
            prefix_key=(serial, tuple(ids[:before])),
            prefix_length=before + visual.shape[1],
        )
        if result.stopped == "cancelled":
            raise CancelledError("the question was cancelled while it was answered")
        return result.text

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        parts = (self._geometry, self._clip, self._language and self._language.language_model)
        return {
            "profile": self._profile.name,
            "device": str(self._device),
            "threads": torch.get_num_threads(),
            "model_bytes": sum(weight_bytes(part) for part in parts if part is not None),
            "prefix_hits": self._prefix.hits,
        }

    def close(self) -> None:
        """Free the networks and their caches."""
        self._geometry = self._clip = self._language = None
        self._towers = FrameTowers(self._profile, self._device, None, None)
        self.has_geometry = self.has_grounding = self.has_language = False
        self._prefix.clear()
        self._text.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _text_embedding(self, name: str) -> Tensor:
        if self._clip is None or self._tokenizer is None:
            raise ModelLoadError(f"profile '{self._profile.name}' has no text tower")
        if name not in self._text:
            ids = torch.tensor(
                [self._tokenizer.encode(name, add_bos=True, add_eos=True)], device=self._device
            )
            self._text[name] = self._clip.text_embedding(ids, torch.ones_like(ids))[0]
        return self._text[name]

    def _region_embeds(
        self,
        view: View,
        regions: Sequence[npt.NDArray[np.bool_]],
        clip_embeds: Tensor,
        moge_embeds: Tensor,
    ) -> Tensor:
        """One embedding per region [R, D]: pooled tokens and the network's own geometry of it."""
        if self._language is None:
            raise NoLanguageModelError(f"profile '{self._profile.name}' has no language model")
        box = self._towers.letterbox(view)
        z, valid = self._towers.metric(view)
        rows, columns = z.shape
        camera = view.camera
        if camera is None:
            # Without calibration: the field of view of the simulated camera the nano model knows.
            height, width = view.image.shape[:2]
            fx = 525.0 / 640.0 * width
            camera = PinholeCamera(width, height, fx, fx, (width - 1) / 2, (height - 1) / 2)
        rays = box.camera(camera).resized(columns, rows).rays()
        points = rays * np.where(valid, z, np.nan)[..., None]
        gravity = None if view.mount is None else view.mount.gravity
        weights, statistics = [], []
        for region in regions:
            share = box.patch_weights(region, (rows, columns)).reshape(rows, columns)
            inside = share >= min(0.5, float(share.max()))
            weights.append(box.patch_weights(region, self._profile.image.grid))
            statistics.append(region_statistics(points, inside, gravity))
        embeds = self._language.adapter.region_embeddings(
            clip_embeds,
            moge_embeds,
            torch.from_numpy(np.stack(weights))[None].to(self._device),
            torch.from_numpy(np.stack(statistics))[None].to(self._device),
        )
        return embeds[0]


def _fingerprint(profile: Profile) -> str:
    """Eight hexadecimal digits that change with any of the weight files."""
    digest = hashlib.sha256()
    for file in profile.files:
        digest.update((file.sha256 or sha256_of(file.path)).encode())
    return digest.hexdigest()[:8]
