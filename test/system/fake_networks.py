# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks by the clock behind the real facade: measuring is real, only the words are made up.

What they do is chosen by the profile ("broken" cannot be loaded, "endless" loads for minutes,
"sluggish" for seconds, "detector" has a detector of any words that takes a second) and by the
question ("slow ..." speaks for a minute, "sluggish ..." a token per second, "stuck ..." cannot be
cancelled for minutes, "crash ..." raises). They ground one thing by two names: the red pixels of
the camera driver's image.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scripted_detector import ScriptedDetector, by_colour

from spatialgeo_ros.errors import CancelledError, ModelLoadError
from spatialgeo_ros.geometry.pointmap import DepthNoise
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.networks.interface import MonocularDepth, Question
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.vocabulary import Vocabulary

TOKEN_SECONDS, SLUGGISH_TOKEN_SECONDS = 0.02, 1.0
_CELL = 8  # pixels of a patch
_KINDS = ("box", "crate")  # a question's "the box" may be one of its regions


class FakeNetworks:
    """Implements ``spatialgeo_ros.networks.interface.Networks``."""

    model_id = "fake"
    backend = "none"
    vocabulary = Vocabulary(_KINDS, plain_kinds=_KINDS)
    background_names = ("wall",)
    nominal_mount = None
    has_geometry = False
    has_grounding = True
    has_language = True
    grounding_threshold = 0.3
    canonical_only = False
    takes_regions = False
    context_views = 0
    speaks_elsewhere = False

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._closed = False

    def depth(self, view: View) -> MonocularDepth:
        raise AssertionError("there is no geometry network")

    def similarity(self, view: View, names: Sequence[str]) -> np.ndarray:
        red = (view.image[..., 0] > 150) & (view.image[..., 1] < 100)
        rows, columns = (-(-size // _CELL) for size in red.shape)
        padded = np.zeros((rows * _CELL, columns * _CELL), bool)
        padded[: red.shape[0], : red.shape[1]] = red
        share = padded.reshape(rows, _CELL, columns, _CELL).mean(axis=(1, 3))
        box = np.where(share > 0.5, 8.0, -8.0)
        return np.stack([box if name in _KINDS else -box for name in names]).astype(np.float32)

    def unfamiliar(self, view: View) -> str:
        return ""

    def encode(self, view: View) -> None:
        pass

    def answer(self, view: View, question: Question) -> str:
        if question.text.startswith("crash"):
            raise RuntimeError("the language model crashed")
        if question.text.startswith("stuck"):
            time.sleep(300.0)
        sluggish = question.text.startswith("sluggish")
        spoken = ""
        for index in range(3000 if question.text.startswith(("slow", "sluggish")) else 5):
            if question.cancelled is not None and question.cancelled():
                raise CancelledError(f"cancelled after {index} tokens")
            # Stands for the network's work on a token.
            time.sleep(SLUGGISH_TOKEN_SECONDS if sluggish else TOKEN_SECONDS)
            spoken += f"word{index} "
            if question.on_token is not None:
                question.on_token(f"word{index} ")
        return spoken

    def release_intermediates(self, view: View) -> None:
        pass

    def describe(self) -> dict[str, Any]:
        return {"profile": self._profile}

    def close(self) -> None:
        assert not self._closed, "closed twice"
        self._closed = True


class ColourNetworks(FakeNetworks):
    """Grounds things by their colour alone (profile "colours")."""

    colours = {"chair": (200, 40, 30), "table": (30, 60, 200), "plant": (40, 160, 50)}
    vocabulary = Vocabulary(tuple(colours), plain_kinds=tuple(colours))

    def similarity(self, view: View, names: Sequence[str]) -> np.ndarray:
        rows, columns = (-(-size // _CELL) for size in view.image.shape[:2])
        heat = []
        for name in names:
            colour = self.colours.get(name)
            if colour is None:
                heat.append(np.zeros((rows, columns)))
                continue
            near = np.abs(view.image.astype(int) - colour).max(axis=-1) < 30
            padded = np.zeros((rows * _CELL, columns * _CELL), bool)
            padded[: near.shape[0], : near.shape[1]] = near
            share = padded.reshape(rows, _CELL, columns, _CELL).mean(axis=(1, 3))
            heat.append(np.where(share > 0.4, 8.0, -8.0))
        return np.stack(heat).astype(np.float32)


class CountingPerception(Perception):
    """The real facade; counts resets, and breaks on one colour as a network might."""

    resets = 0

    def warm_up(self) -> None:
        pass

    def observe(self, frame: Any) -> Any:
        if frame.image[0, 0].tolist() == [255, 0, 255]:
            raise RuntimeError("this image breaks the network")
        return super().observe(frame)

    def reset(self) -> None:
        self.resets += 1
        super().reset()

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "resets": self.resets}


def invented(image: np.ndarray, phrase: str) -> Any:
    """Box what has the colour of a phrase; for purple things the red one, as detectors do."""
    return by_colour(image, phrase.replace("purple", "red"))


def fake_perception(config: Any, progress: Callable[[str, float], bool]) -> Perception:
    progress("fake engine", 0.5)
    if config.profile == "broken":
        raise ModelLoadError("profile 'broken' has no weights")
    if config.profile in ("endless", "sluggish"):  # native code that reads a checkpoint
        time.sleep(300.0 if config.profile == "endless" else 3.0)
    if config.profile == "detector":
        detector = ScriptedDetector(invented, seconds=1.0)
        return CountingPerception(
            None, grounder=Grounder(detector), map_nouns=("red box", "blue box"),
            depth_noise=DepthNoise(0.001, 0.002), lead_camera=config.cameras[0].name,
        )  # fmt: skip
    networks = ColourNetworks if config.profile == "colours" else FakeNetworks
    return CountingPerception(
        networks(config.profile),
        keyframes=config.keyframes,
        depth_noise=DepthNoise(0.001, 0.002),
        memory_max_age=config.memory_max_age,
        drift=config.drift,
        lead_camera=config.cameras[0].name,
    )
