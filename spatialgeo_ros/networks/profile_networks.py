# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks of a profile behind the facade's interface: depth, grounding, answers.

What is computed for a frame stays in that frame's cache: pixels, MoGe's predictions, CLIP's patch
features, visual tokens. Text embeddings of names are kept for all frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError, NoLanguageModelError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import Mount, View
from spatialgeo_ros.models.clip import Clip
from spatialgeo_ros.models.domain import DomainClassifier
from spatialgeo_ros.models.files.weights import weight_bytes
from spatialgeo_ros.models.profiles import Profile
from spatialgeo_ros.models.quantise import packing
from spatialgeo_ros.networks.interface import MonocularDepth, Question
from spatialgeo_ros.networks.nano_speaker import NanoSpeaker
from spatialgeo_ros.networks.served_speaker import ServedSpeaker
from spatialgeo_ros.networks.speaker import Speaker
from spatialgeo_ros.networks.tower_engines import BackendReport
from spatialgeo_ros.networks.towers import FrameTowers, content_size
from spatialgeo_ros.query.vocabulary import Vocabulary
from spatialgeo_ros.runtime.transfer import download
from spatialgeo_ros.speech.marked_text import TextPart


class ProfileNetworks:
    """A loaded profile; implements :class:`spatialgeo_ros.networks.interface.Networks`.

    Args:
        profile: what was loaded.
        device: where the networks are.
        towers: geometry and semantic towers of a frame.
        speaker: language model, or None.
        clip: both CLIP towers for looking for phrases, or None.
        others: towers that only the language model looks through.
        running: which backends the towers run on, where it is not PyTorch.
        domain: tells the images that the networks are for from all others, or None for any image.

    Raises:
        ModelLoadError: the profile grounds phrases but there is no tokenizer for them.
    """

    def __init__(
        self,
        profile: Profile,
        device: torch.device,
        towers: FrameTowers,
        speaker: Speaker | None = None,
        clip: Clip | None = None,
        others: Sequence[FrameTowers] = (),
        running: BackendReport | None = None,
        domain: DomainClassifier | None = None,
    ) -> None:
        self._profile, self._device = profile, device
        self._every = (towers, *others)
        self._towers, self._speaker = towers, speaker
        self._clip, self._domain = clip, domain
        # CLIP's text tower of the nano profile speaks the language model's vocabulary.
        tokenizer = speaker.tokenizer if isinstance(speaker, NanoSpeaker) else None
        self._tokenizer = tokenizer
        grounding = None if profile.semantic is None else profile.semantic.grounding
        if grounding is not None and tokenizer is None:
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
        self.has_geometry = towers.has_geometry
        self.has_grounding = clip is not None and grounding is not None
        self.has_language = speaker is not None
        self.canonical_only = speaker is not None and speaker.canonical_only
        self.takes_regions = speaker is not None and speaker.takes_regions
        self.speaks_elsewhere = isinstance(speaker, ServedSpeaker)
        self.context_views = 0 if speaker is None else speaker.context_views
        mount = profile.camera
        self.nominal_mount = None if mount is None else Mount.from_pitch(mount.height, mount.pitch)
        self.model_id = f"{profile.name}-{profile.fingerprint()}"
        modules = () if speaker is None else speaker.modules()
        seen = [module for one in self._every for module in one.modules()]
        seen += [] if domain is None else [domain]
        kinds = {packing(module) for module in modules} - {"none"}
        torch_name = "-".join(["torch", device.type, *sorted(kinds)])
        self._running = running or BackendReport({}, {}, ())
        parts = dict(self._running.names)
        if parts and speaker is not None:
            parts["language"] = torch_name
        # One name where everything runs on one backend, else each network's.
        several = " ".join(f"{name}={backend}" for name, backend in parts.items())
        self.backend = several or torch_name
        self._bytes = sum(weight_bytes(module) for module in (*modules, *seen))
        self._text: dict[str, Tensor] = {}

    @torch.inference_mode()
    def depth(self, view: View) -> MonocularDepth:
        """Predict depth of one view; see ``interface.Networks``."""
        return self._towers.depth(view)

    @torch.inference_mode()
    def recovered_camera(self, view: View) -> PinholeCamera:
        """Camera that fits the geometry network's points; see :meth:`Towers.recovered_camera`."""
        return self._towers.recovered_camera(view)

    @torch.inference_mode()
    def similarity(self, view: View, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Scaled patch-text cosines [n, h, w] over the camera image's own view."""
        if self._clip is None:
            raise ModelLoadError(f"profile '{self._profile.name}' cannot look for words")
        patches = self._clip.patch_embedding(self._towers.clip_features(view))[0]
        texts = torch.stack([self._text_embedding(name) for name in names])
        scale = self._clip.logit_scale.exp().clamp(max=100)
        (logits,) = download((scale * texts @ patches.T).float())
        rows, columns = self._profile.image.grid
        maps = logits.reshape(len(names), rows, columns)
        box = self._towers.letterbox(view)
        if box.content == box.target:
            return np.asarray(maps, np.float32)
        size = content_size(box, (rows, columns))
        return np.stack([box.resample(one, size, smooth=True) for one in maps])

    def unfamiliar(self, view: View) -> str:
        """Say that an image is not of the kind the networks know; see ``results.Networks``."""
        if self._domain is None:
            return ""
        if "unfamiliar" not in view.cache:
            content = self._towers.content(view)
            view.cache["unfamiliar"] = self._domain.remark(content, self._profile.name)
        remark: str = view.cache["unfamiliar"]
        return remark

    @torch.inference_mode()
    def encode(self, view: View) -> None:
        """Run every tower of a frame now."""
        if self._speaker is not None:
            self._speaker.encode(view)
        if self._towers.has_clip:
            self._towers.clip_features(view)
        if self.has_geometry:
            self._towers.predictions(view)

    @torch.inference_mode()
    def answer(self, view: View, question: Question) -> str:
        """Generate an answer; see ``interface.Networks``."""
        if self._speaker is None:
            raise NoLanguageModelError(f"profile '{self._profile.name}' has no language model")
        with self._speaker.decoder.working():
            return self._speaker.answer(view, question)

    def release_intermediates(self, view: View) -> None:
        """Free what is large and can be made again; see ``interface.Networks``."""
        for towers in self._every:
            towers.release_intermediates(view)

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        remarks = (self._towers.remark,) if self._towers.remark else ()
        return {
            "profile": self._profile.name,
            "device": str(self._device),
            "threads": torch.get_num_threads(),
            "model_bytes": self._bytes,
            **({} if self._speaker is None else self._speaker.decoder.describe()),
            **{f"{name} runs on": why for name, why in self._running.reasons.items()},
            **{
                f"{name} is launched as": how
                for towers in self._every
                for name, how in towers.describe().items()
            },
            "degraded": (*self._running.degraded, *remarks),
        }

    def close(self) -> None:
        """Free the networks and their caches."""
        if self._speaker is not None:
            self._speaker.decoder.clear()
        self._speaker = self._clip = self._domain = None
        for towers in self._every:
            towers.close()
        self.has_geometry = self.has_grounding = self.has_language = False
        self._text.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _text_embedding(self, name: str) -> Tensor:
        if self._clip is None or self._tokenizer is None:
            raise ModelLoadError(f"profile '{self._profile.name}' has no text tower")
        if name not in self._text:
            ids = torch.tensor(
                [self._tokenizer.encode([TextPart(name, plain=True)], add_eos=True)],
                device=self._device,
            )
            self._text[name] = self._clip.text_embedding(ids, torch.ones_like(ids))[0]
        return self._text[name]
