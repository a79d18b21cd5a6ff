# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nano networks behind the facade's interface, with random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spatialgeo_ros.errors import CancelledError, ModelLoadError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import Mount, View
from spatialgeo_ros.models.clip import NANO_TEXT_CONFIG, NANO_VISION_CONFIG, Clip
from spatialgeo_ros.models.domain import NANO_DOMAIN_CONFIG, DomainClassifier
from spatialgeo_ros.models.moge.moge2 import NANO_CONFIG, MoGe2
from spatialgeo_ros.models.profiles import Profile, WeightFile, load_profile
from spatialgeo_ros.models.spatialgeo import (
    NANO_ADAPTER_CONFIG,
    NANO_LANGUAGE_CONFIG,
    SpatialGeoModel,
)
from spatialgeo_ros.networks import speaker as module
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.nano_speaker import NanoSpeaker
from spatialgeo_ros.networks.profile_networks import ProfileNetworks
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.speech.prompts import template
from spatialgeo_ros.speech.tokenizer import load_tokenizer

CAMERA = PinholeCamera(320, 240, 262.0, 262.0, 159.5, 119.5)
MOUNT = Mount.from_pitch(0.9, 0.2)
QUESTION = "how far is the red chair <region> from the camera ?"


def _profile() -> Profile:
    """The nano profile with stated hashes, so that no weight file is read."""
    profile = load_profile("nano")
    file = WeightFile(Path("none"), "0" * 64)
    assert profile.geometry and profile.semantic and profile.language
    return replace(
        profile,
        geometry=replace(profile.geometry, weights=file, relative_sigma=0.15),
        semantic=replace(profile.semantic, weights=file),
        language=replace(profile.language, weights=file, adapter_weights=file),
    )


def _towers(profile: Profile, geometry: MoGe2 | None, clip: Clip | None = None) -> FrameTowers:
    return FrameTowers(
        profile.image, torch.device("cpu"), part=profile.geometry, geometry=geometry, clip=clip,
        camera_prior=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def loaded() -> ProfileNetworks:
    profile = _profile()
    assert profile.language
    words = len(load_tokenizer(profile.language.tokenizer))
    torch.manual_seed(0)
    geometry = MoGe2(**NANO_CONFIG).eval()
    clip = Clip(NANO_VISION_CONFIG, {**NANO_TEXT_CONFIG, "vocab_size": words}).eval()
    language = SpatialGeoModel(
        {**NANO_LANGUAGE_CONFIG, "vocab_size": words},
        NANO_ADAPTER_CONFIG,
        clip,
        geometry,
        num_tokens=48,
    ).eval()
    tokenizer = load_tokenizer(profile.language.tokenizer)
    towers = _towers(profile, geometry, clip)
    speaker = NanoSpeaker(profile.language, language, tokenizer, towers)
    return ProfileNetworks(profile, torch.device("cpu"), towers, speaker, clip)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)


def _view(image: np.ndarray, mount: Mount | None = MOUNT) -> View:
    return View(image, CAMERA, mount)


def _mask(x0: int, x1: int) -> np.ndarray:
    mask = np.zeros((240, 320), bool)
    mask[60:180, x0:x1] = True
    return mask


def test_identity_says_profile_and_weights(loaded: ProfileNetworks) -> None:
    assert loaded.model_id.startswith("nano-")
    assert loaded.backend == "torch-cpu"
    assert loaded.has_geometry and loaded.has_grounding and loaded.has_language
    assert loaded.nominal_mount is not None
    assert loaded.nominal_mount.height == pytest.approx(0.9)
    assert loaded.describe()["model_bytes"] > 1e6


def test_the_kind_of_an_image_is_told_once_and_without_its_bars(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profile = replace(_profile(), semantic=None)
    domain = DomainClassifier(**NANO_DOMAIN_CONFIG).eval()
    networks = ProfileNetworks(profile, torch.device("cpu"), _towers(profile, None), domain=domain)
    shapes = []
    original = DomainClassifier.forward

    def seen(self: DomainClassifier, image: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(image.shape))
        return original(self, image)

    monkeypatch.setattr(DomainClassifier, "forward", seen)
    camera = PinholeCamera(320, 180, 262.0, 262.0, 159.5, 89.5)
    image = np.random.default_rng(0).integers(0, 256, (180, 320, 3)).astype(np.uint8)
    view = View(image, camera, MOUNT)
    domain.threshold.fill_(-1e9)
    sentence = "this image does not look like the rooms that profile 'nano' was trained in"
    assert networks.unfamiliar(view) == sentence == networks.unfamiliar(view)
    assert shapes == [(1, 3, 72, 128)]
    domain.threshold.fill_(1e9)
    assert networks.unfamiliar(replace(view, cache={})) == ""


def test_a_profile_without_a_domain_takes_any_image(
    loaded: ProfileNetworks, image: np.ndarray
) -> None:
    assert loaded.unfamiliar(_view(image)) == ""


def test_depth_runs_the_tower_once_per_frame(
    loaded: ProfileNetworks, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    original = MoGe2.forward

    def counted(self: MoGe2, *args: Any, **options: Any) -> Any:
        runs.append(1)
        return original(self, *args, **options)

    monkeypatch.setattr(MoGe2, "forward", counted)
    view = _view(image)
    first = loaded.depth(view)
    loaded.encode(view)
    loaded.answer(view, Question(QUESTION, [_mask(40, 120)]))
    assert len(runs) == 1
    assert first.depth.shape == first.valid.shape == (48, 64)
    assert first.relative_sigma == pytest.approx(0.15)


def test_the_mount_reaches_the_geometry_network(loaded: ProfileNetworks, image: np.ndarray) -> None:
    low = loaded.depth(_view(image)).depth
    high = loaded.depth(_view(image, Mount.from_pitch(1.6, 0.2))).depth
    unknown = loaded.depth(_view(image, None)).depth
    assert not np.allclose(low, high)
    assert not np.allclose(low, unknown)


def test_bars_of_other_aspects_are_cut_away(loaded: ProfileNetworks) -> None:
    wide = np.zeros((180, 320, 3), np.uint8)
    camera = PinholeCamera(320, 180, 262.0, 262.0, 159.5, 89.5)
    view = View(wide, camera, MOUNT)
    assert loaded.depth(view).depth.shape == (36, 64)
    assert loaded.similarity(view, ("red chair", "room")).shape[0] == 2
    rows, columns = loaded.similarity(view, ("room",)).shape[1:]
    assert columns == 8 and rows in (4, 5)


def test_similarity_is_the_scaled_cosine_the_network_was_trained_with(
    loaded: ProfileNetworks, image: np.ndarray
) -> None:
    names = ("red chair", "blue table", "room")
    logits = loaded.similarity(_view(image), names)
    assert logits.shape == (3, 6, 8)
    clip = loaded._clip
    assert clip is not None
    limit = float(clip.logit_scale.detach().exp())
    assert np.abs(logits).max() <= limit + 1e-4
    again = loaded.similarity(_view(image), names[::-1])
    np.testing.assert_allclose(again[::-1], logits, atol=1e-4)


def test_answers_are_streamed_reuse_the_prefix_and_depend_on_the_region(
    loaded: ProfileNetworks, image: np.ndarray
) -> None:
    hits = loaded.describe()["prefix_hits"]
    pieces: list[str] = []
    view, regions, family = _view(image), [_mask(40, 120)], "camera_distance"
    text = loaded.answer(view, Question(QUESTION, regions, family, on_token=pieces.append))
    assert "".join(pieces).strip() == text
    same = loaded.answer(view, Question(QUESTION, regions, family))
    assert same == text
    assert loaded.describe()["prefix_hits"] == hits + 1


def test_a_cancelled_answer_raises(loaded: ProfileNetworks, image: np.ndarray) -> None:
    pieces: list[str] = []
    with pytest.raises(CancelledError):
        loaded.answer(
            _view(image),
            Question(
                QUESTION, [_mask(40, 120)], on_token=pieces.append, cancelled=lambda: bool(pieces)
            ),
        )
    assert len(pieces) == 1


@torch.inference_mode()
def test_the_prompt_equals_the_one_of_training(
    loaded: ProfileNetworks, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training packs text behind a visual prefix; asking must give the very same sequence."""
    seen: list[torch.Tensor] = []
    regions: list[torch.Tensor] = []
    original = module.generate

    def spy(model: Any, tokenizer: Any, embeds: torch.Tensor, *args: Any, **options: Any) -> Any:
        seen.append(embeds)
        return original(model, tokenizer, embeds, *args, **options)

    speaker = loaded._speaker
    assert isinstance(speaker, NanoSpeaker)
    model, tokenizer = speaker._model, speaker.tokenizer
    adapter_type = type(model.adapter)
    pooled = adapter_type.region_embeddings

    def keep(self: Any, *args: Any, **options: Any) -> torch.Tensor:
        regions.append(pooled(self, *args, **options))
        return regions[-1]

    monkeypatch.setattr(module, "generate", spy)
    monkeypatch.setattr(adapter_type, "region_embeddings", keep)
    view = _view(image)
    loaded.answer(view, Question(QUESTION, [_mask(40, 120)]))

    ids = tokenizer.encode(template("nano").build(QUESTION, images=0), add_bos=False)
    features = view.cache["geometry"]["features"]
    visual, _ = model.visual_embeds(view.cache["clip"], features.tokens())
    prefix, _ = model.prefix(visual, None, [tokenizer.bos_id])  # type: ignore[list-item]
    text = model.text_embeds(
        torch.tensor([ids]), regions[0], torch.zeros((1, len(ids)), dtype=torch.long)
    )
    torch.testing.assert_close(seen[0], torch.cat([prefix, text], dim=1), atol=1e-5, rtol=1e-5)


def test_without_calibration_the_language_model_can_still_be_asked(
    loaded: ProfileNetworks, image: np.ndarray
) -> None:
    text = loaded.answer(View(image, None, None), Question(QUESTION, [_mask(40, 120)]))
    assert isinstance(text, str)


def test_a_closed_profile_answers_with_a_clear_error(image: np.ndarray) -> None:
    profile = replace(_profile(), language=None, semantic=None)
    towers = _towers(profile, MoGe2(**NANO_CONFIG).eval())
    closed = ProfileNetworks(profile, torch.device("cpu"), towers)
    closed.close()
    assert not closed.has_geometry
    with pytest.raises(ModelLoadError, match="no geometry network"):
        closed.depth(_view(image))


def test_grounding_without_a_tokenizer_is_refused() -> None:
    profile = replace(_profile(), language=None)
    with pytest.raises(ModelLoadError, match="tokenizer"):
        ProfileNetworks(profile, torch.device("cpu"), _towers(profile, None))
