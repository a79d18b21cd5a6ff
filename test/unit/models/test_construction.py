# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles, weight files and their errors, and 4-bit loading, on a tiny network in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.clip import Clip
from spatialgeo_ros.models.construction import (
    choose_device,
    load_clip,
    load_geometry,
    load_language,
)
from spatialgeo_ros.models.files.weights import (
    load_into,
    read_weights,
    save_weights,
    sha256_of,
    tensor_shape,
    weight_bytes,
)
from spatialgeo_ros.models.fusion import HierarchicalAdapter
from spatialgeo_ros.models.moge.moge2 import NANO_CONFIG, MoGe2
from spatialgeo_ros.models.profiles import LanguagePart, Profile, load_profile
from spatialgeo_ros.models.quantise import quantise
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel

TEXT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
VISION = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 16,
    "conv_stem": [4, 8, 8, 8],
    "grid": [6, 8],
    "unit_scale": True,
}
ADAPTER = {"clip_dim": 24, "moge_dim": 160, "hidden_size": 64, "region_tokens": True}
LANGUAGE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
VOCABULARY = 40


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile with its weight files in a folder of its own."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("profile")
    geometry = save_weights(MoGe2(**NANO_CONFIG), folder / "geometry.safetensors")
    clip = Clip(VISION, {**TEXT, "vocab_size": VOCABULARY}, 12)
    language = LlamaForCausalLM(LlamaConfig(**LANGUAGE, vocab_size=VOCABULARY))
    content = {
        "name": "tiny",
        "description": "for tests",
        "licence": "Apache-2.0",
        "origin": "random",
        "image": {"width": 128, "height": 96, "patch": 16, "pad_colour": [1, 2, 3]},
        "camera": {"height_m": 1, "pitch_down_deg": 90},
        "geometry": {
            "kind": "moge2",
            "config": "nano",
            "num_tokens": 48,
            "relative_sigma": 0.2,
            "weights": "geometry.safetensors",
            "sha256": geometry,
        },
        "semantic": {
            "config": {"vision": VISION, "text": TEXT, "projection_dim": 12},
            "weights": "clip.safetensors",
            "sha256": save_weights(clip, folder / "clip.safetensors"),
        },
        "language": {
            "config": LANGUAGE,
            "weights": "language.safetensors",
            "sha256": save_weights(language, folder / "language.safetensors"),
            "adapter": ADAPTER,
            "adapter_weights": "adapter.safetensors",
            "adapter_sha256": save_weights(
                HierarchicalAdapter(**ADAPTER), folder / "adapter.safetensors"
            ),
            "tokenizer": "tokenizer.json",
            "prompt": "nano",
            "max_new_tokens": 8,
        },
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_shipped_nano_profile_is_consistent() -> None:
    profile = load_profile("nano")
    assert profile.geometry is not None and profile.semantic is not None
    assert profile.image.patches == profile.geometry.num_tokens
    assert tuple(profile.semantic.config["vision"]["grid"]) == profile.image.grid
    assert profile.image.pad_colour == (122, 116, 104)
    assert profile.language is not None and profile.language.tokenizer.is_file()


def load_whole(profile: Profile, quantisation: str | None = None) -> SpatialGeoModel:
    """Every network of a profile that has all three parts, on the CPU."""
    assert isinstance(profile.language, LanguagePart)
    assert profile.semantic is not None and profile.geometry is not None
    return load_language(
        profile.language,
        load_clip(profile.semantic),
        load_geometry(profile.geometry),
        profile.geometry.num_tokens,
        device=torch.device("cpu"),
        quantisation=quantisation,
    )


def test_whole_profile_loads_and_runs(saved: Path) -> None:
    profile = load_profile(saved / "tiny.yaml")
    assert profile.camera is not None and profile.camera.pitch == pytest.approx(torch.pi / 2)
    model = load_whole(profile)
    assert not model.training
    with torch.inference_mode():
        encoded = model.encode_images(torch.rand(1, 3, 96, 128), torch.zeros(1, 4, 96, 128))
        visual, _ = model.visual_embeds(encoded.clip_features, encoded.moge_features)
        prepared = model.prepare_inputs(torch.tensor([[1, -200, 5]]), list(visual))
        logits = model.language_model(inputs_embeds=prepared.inputs_embeds).logits
    assert logits.shape == (1, 2 + 2 * 48, VOCABULARY)
    assert encoded.geometry is not None and encoded.geometry["points"].shape == (1, 48, 64, 3)


def test_four_bit_stays_close_and_is_smaller(saved: Path) -> None:
    pytest.importorskip("bitsandbytes")
    profile = load_profile(saved / "tiny.yaml")
    full = load_whole(profile)
    packed = load_whole(profile, quantisation="nf4")
    embeds = torch.randn(1, 12, 64, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        expected = full.language_model(inputs_embeds=embeds).logits
        actual = packed.language_model(inputs_embeds=embeds).logits
    assert torch.nn.functional.cosine_similarity(actual, expected, dim=-1).min() > 0.98
    assert not torch.equal(actual, expected)
    layers_full = weight_bytes(full.language_model.model.layers)
    assert weight_bytes(packed.language_model.model.layers) < 0.2 * layers_full
    # Logits and everything outside the language model keep their precision.
    assert packed.language_model.lm_head.weight.dtype == torch.float32
    assert all(p.dtype == torch.float32 for p in packed.adapter.parameters())
    assert packed.vision_tower is not None
    assert all(p.dtype == torch.float32 for p in packed.vision_tower.parameters())


def test_half_precision_file_keeps_vectors_whole(saved: Path) -> None:
    state, metadata = read_weights(saved / "geometry.safetensors")
    assert state["encoder.backbone.stem.0.weight"].dtype == torch.float16
    assert state["encoder.backbone.stem.1.running_var"].dtype == torch.float32
    assert metadata["format"] == "pt"


def test_config_travels_in_the_header(tmp_path: Path) -> None:
    module = HierarchicalAdapter(**ADAPTER)
    digest = save_weights(module, tmp_path / "a.safetensors", config=ADAPTER, licence="Apache-2.0")
    assert sha256_of(tmp_path / "a.safetensors") == digest
    _, metadata = read_weights(tmp_path / "a.safetensors")
    assert metadata["config"] == ADAPTER
    assert metadata["licence"] == "Apache-2.0"
    assert tensor_shape(tmp_path / "a.safetensors", "mm_projector.0.weight") == (64, 24)


def spoil_rename(state: dict[str, torch.Tensor]) -> None:
    state["mm_projector.9.weight"] = state.pop("mm_projector.0.weight")


def spoil_extra(state: dict[str, torch.Tensor]) -> None:
    state["surprise"] = torch.zeros(1)


def spoil_shape(state: dict[str, torch.Tensor]) -> None:
    state["mm_projector.2.weight"] = torch.zeros(3, 5)


def spoil_nan(state: dict[str, torch.Tensor]) -> None:
    state["mm_projector.2.bias"] = torch.full((64,), torch.nan)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_rename, r"lacks tensor 'mm_projector\.0\.weight'"),
        (spoil_extra, "has tensor 'surprise'"),
        (spoil_shape, r"'mm_projector\.2\.weight' is \[3, 5\] but the model needs \[64, 64\]"),
        (spoil_nan, r"'mm_projector\.2\.bias' has values that are not finite"),
    ],
)
def test_wrong_tensors_are_named(
    saved: Path, tmp_path: Path, spoil: Callable[[dict[str, torch.Tensor]], None], message: str
) -> None:
    state = load_file(saved / "adapter.safetensors")
    spoil(state)
    path = tmp_path / "spoilt.safetensors"
    save_file(state, path)
    with pytest.raises(ModelLoadError, match=message) as caught:
        load_into(HierarchicalAdapter(**ADAPTER), read_weights(path)[0], path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "lfs"])
def test_damaged_files_are_named(tmp_path: Path, suffix: str, damage: str) -> None:
    path = tmp_path / f"weights{suffix}"
    state = {"a": torch.zeros(1000)}
    if suffix == ".pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        spoilt = {"empty": b"", "truncated": content[: len(content) // 2], "lfs": pointer}
        path.write_bytes(spoilt[damage])
    with pytest.raises(ModelLoadError, match=path.name):
        read_weights(path)


class Exploit:
    """Would write a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    path, target = tmp_path / "evil.pt", tmp_path / "ran"
    torch.save({"a": Exploit(target)}, path)
    with pytest.raises(ModelLoadError, match="evil.pt"):
        read_weights(path)
    assert not target.exists()


def test_moge_style_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"model_config": {"x": 1}, "model": {"w": torch.ones(2)}}, path)
    state, metadata = read_weights(path)
    assert list(state) == ["w"]
    assert metadata == {"model_config": {"x": 1}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": None}, "'name' is missing"),
        ({"colour": 1}, "'colour' is not a known setting"),
        ({"image": {"width": 100, "height": 96, "patch": 16, "pad_colour": [0, 0, 0]}}, "multiple"),
        ({"image": {"width": "a", "height": 96, "patch": 16, "pad_colour": [0, 0, 0]}}, "width"),
        ({"camera": {"height_m": -1.0, "pitch_down_deg": 0.0}}, "height_m.*positive"),
        ({"camera": {"height_m": float("nan"), "pitch_down_deg": 0.0}}, "height_m.*finite"),
        ({"geometry": {"kind": "vggt"}}, "geometry.kind"),
        ({"semantic": {"config": "huge", "weights": "x"}}, "semantic.config"),
        ({"precision": "int3"}, "precision"),
    ],
)
def test_wrong_profiles_name_the_key(
    saved: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    content = {**yaml.safe_load((saved / "tiny.yaml").read_text()), **change}
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ModelLoadError, match=message) as caught:
        load_profile(path)
    assert str(path) in str(caught.value)


def test_unknown_profile_lists_the_known() -> None:
    with pytest.raises(ModelLoadError, match="'nono'.*nano"):
        load_profile("nono")


def test_missing_weight_file_is_named(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "alone.yaml"
    path.write_text((saved / "tiny.yaml").read_text())
    with pytest.raises(ModelLoadError, match="clip.safetensors does not exist"):
        load_whole(load_profile(path))


def test_unusable_device() -> None:
    with pytest.raises(ModelLoadError, match="unknown device 'abacus'"):
        choose_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ModelLoadError, match="no CUDA"):
            choose_device("cuda")


def test_quantised_layers_are_those_inside_the_transformer() -> None:
    pytest.importorskip("bitsandbytes")
    model = LlamaForCausalLM(LlamaConfig(**LANGUAGE, vocab_size=VOCABULARY))
    quantise(model, "nf4")
    kinds = {
        name: type(module).__name__
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    assert kinds.pop("lm_head") == "Linear"
    assert set(kinds.values()) == {"Linear4bit"} and len(kinds) == 2 * 7
