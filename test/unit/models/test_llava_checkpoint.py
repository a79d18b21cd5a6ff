# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LLaVA and SpatialGeo from tiny checkpoints in every published layout, and their errors."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.llava import (
    ALPHA,
    CLIP_DIM,
    CLIP_LAYERS,
    LLAVA_CONFIG,
    MOGE_DIM,
    RANK,
    clip_vision_state,
    language_state,
    lora_state,
    merged_state,
    moge_backbone_state,
    moge_projector_state,
    projector_state,
    write_clip,
    write_json,
    write_llava_base,
    write_spatialgeo_merged,
    write_spatialgeo_stage1,
    write_spatialgeo_stage2,
    write_tower,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.llava.layouts import read_llava_config, strip_peft
from spatialgeo_ros.models.llava.llava_checkpoint import load_llava
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel


@dataclass
class Files:
    """One of every kind of checkpoint."""

    base: Path
    stage1: Path
    stage2: Path
    merged: Path
    clip: Path
    tower: Path
    moge: Path


def write_files(root: Path) -> Files:
    return Files(
        write_llava_base(root / "base"),
        write_spatialgeo_stage1(root / "stage1"),
        write_spatialgeo_stage2(root / "stage2"),
        write_spatialgeo_merged(root / "merged"),
        write_clip(root / "clip"),
        write_tower(root / "vit_model.pt"),
        write_tower(root / "moge" / "model.pt", heads=True),
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    pytest.importorskip("sentencepiece")
    return write_files(tmp_path_factory.mktemp("llava"))


@pytest.fixture
def own(files: Files, tmp_path: Path) -> Files:
    """Files that a test may spoil."""
    root = files.base.parent
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    return Files(*(tmp_path / path.relative_to(root) for path in vars(files).values()))


def load(files: Files, **options: Any) -> SpatialGeoModel:
    """Stage 2 in float32 unless told otherwise."""
    chosen = {"base": files.base, "adapter": files.stage2, "clip": files.clip, "tower": files.tower}
    return load_llava(**{**chosen, "dtype": torch.float32, **options})


def require_equal(module: torch.nn.Module, expected: dict[str, Tensor]) -> None:
    state = module.state_dict()
    assert set(state) == set(expected)
    for name, tensor in state.items():
        assert torch.equal(tensor.float(), expected[name].float()), name


def clip_as_loaded() -> dict[str, Tensor]:
    """CLIP's image tower without its last layer and the norm behind it, which nothing runs."""
    left = (f"encoder.layers.{CLIP_LAYERS - 1}.", "post_layernorm.")
    return {k: v for k, v in clip_vision_state(60, "").items() if not k.startswith(left)}


def parts(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Language model and projectors of a state dict in LLaVA's names."""
    projectors = {k.removeprefix("model."): v for k, v in state.items() if "mm_projector" in k}
    return {k: v for k, v in state.items() if "mm_projector" not in k}, projectors


def test_stage_2_is_merged_exactly(files: Files) -> None:
    model = load(files)
    language, projectors = parts(merged_state())
    require_equal(model.language_model, language)
    require_equal(model.adapter, projectors)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert model.max_length == LLAVA_CONFIG["max_position_embeddings"]
    assert isinstance(model.geometry, Dinov2Backbone) and model.geometry.layers == (1, 2, 3, 4)


def test_merged_update_is_rounded_once(files: Files) -> None:
    name = "model.layers.1.mlp.down_proj"
    weight = language_state()[f"{name}.weight"]
    lora = lora_state(30)
    a, b = (lora[f"base_model.model.{name}.lora_{side}.weight"].double() for side in "AB")
    exact = weight.double() + ALPHA / RANK * (b @ a)
    merged = load(files).language_model.get_parameter(f"{name}.weight").double()
    # Half of float16's spacing at each value: no further rounding in between.
    exponent = exact.abs().log2().floor().clamp(min=-14)
    spacing = torch.finfo(torch.float16).eps * 2.0**exponent
    assert (merged - exact).abs().le(0.51 * spacing).all()
    assert (merged - weight.double()).abs().max() > 0.05


def test_rank_stabilised_updates_have_their_own_scale(own: Files) -> None:
    rewrite(own.stage2 / "adapter_config.json", lambda c: c.update(use_rslora=True))
    name = "model.layers.0.mlp.gate_proj"
    lora = lora_state(30)
    a, b = (lora[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    weight = language_state()[f"{name}.weight"].float() + ALPHA / RANK**0.5 * (b @ a)
    merged = load(own).language_model.get_parameter(f"{name}.weight")
    assert torch.equal(merged, weight.half().float())


@pytest.mark.parametrize("safe", [True, False])
def test_merged_checkpoint_equals_base_with_adapter(own: Files, safe: bool) -> None:
    adapter = write_spatialgeo_stage2(own.stage2.parent / "again", safe=safe)
    merged = load(own, base=own.merged, adapter=None)
    stage2 = load(own, adapter=adapter)
    for (name, ours), theirs in zip(
        merged.state_dict().items(), stage2.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name


def test_copies_of_towers_are_counted_and_not_used(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        model = load(files, base=files.merged, adapter=None)
    copies = 2 * len(clip_vision_state())
    assert f"{copies} tensors are copies of image towers" in caplog.text
    without = write_spatialgeo_merged(files.merged.parent / "lean", towers=False)
    lean = load(files, base=without, adapter=None)
    assert [n for n, _ in model.named_parameters()] == [n for n, _ in lean.named_parameters()]


def test_tower_of_a_merged_checkpoint_serves_where_none_is_given(files: Files) -> None:
    model = load(files, base=files.merged, adapter=None, tower=None)
    given = load(files)
    assert isinstance(model.geometry, Dinov2Backbone) and given.geometry is not None
    require_equal(model.geometry, given.geometry.state_dict())


def test_stage_1_takes_the_projector_of_its_base(files: Files) -> None:
    model = load(files, adapter=files.stage1)
    language, _ = parts(language_state())
    require_equal(model.language_model, language)
    _, projectors = parts(
        {**projector_state("model.mm_projector.", CLIP_DIM, 1), **moge_projector_state(20)}
    )
    require_equal(model.adapter, projectors)


@pytest.mark.parametrize("layout", ["llava_single", "hf4", "hf5"])
def test_other_layouts_of_the_base_are_the_same_model(own: Files, layout: str) -> None:
    base = write_llava_base(own.base.parent / layout, layout=layout)
    ours, theirs = load(own, base=base), load(own)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    pixels = torch.randn(1, 3, 84, 84, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = []
        for model in (ours, theirs):
            encoded = model.encode_images(pixels, normalised=True)
            visual, _ = model.visual_embeds(encoded.clip_features, encoded.moge_features)
            inputs = model.prepare_inputs(torch.tensor([[1, -200, 5, 6]]), list(visual))
            logits.append(model.language_model(inputs_embeds=inputs.inputs_embeds).logits)
    assert torch.equal(*logits)


def test_small_text_config_has_the_defaults_of_llama(tmp_path: Path) -> None:
    # As llava-hf/llava-1.5-7b-hf states it: everything else is LLaMA-7B's.
    text = {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096}
    vision = {"hidden_size": 1024}
    write_json(
        tmp_path / "config.json",
        {"model_type": "llava", "text_config": text, "vision_config": vision},
    )
    config = read_llava_config(tmp_path)
    assert config.language == {"vocab_size": 32064, "max_position_embeddings": 4096}
    assert config.clip_dim == 1024


@pytest.mark.parametrize("layout", [{}, {"safe": True}, {"prefix": False}])
def test_layouts_of_clip(own: Files, layout: dict[str, bool]) -> None:
    clip = write_clip(own.clip.parent / "other", **layout)
    model = load(own, clip=clip)
    expected = clip_as_loaded()
    assert model.vision_tower is not None and model.vision_tower.image_size == 84
    require_equal(model.vision_tower.vision_model, expected)


def test_complete_moge_keeps_its_heads(files: Files) -> None:
    model = load(files, tower=files.moge)
    assert isinstance(model.geometry, MoGe1)
    bare = load(files).geometry
    assert isinstance(bare, Dinov2Backbone)
    require_equal(model.geometry.backbone, bare.state_dict())


def test_plain_llava_has_one_projector(files: Files) -> None:
    model = load(files, adapter=None, tower=None)
    _, projectors = parts(projector_state("model.mm_projector.", CLIP_DIM, 1))
    require_equal(model.adapter, projectors)
    assert model.geometry is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_everything_has_the_precision_asked_for(files: Files, dtype: torch.dtype) -> None:
    model = load(files, tower=files.moge, dtype=dtype)
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert not any(p.is_meta for p in (*model.parameters(), *model.buffers()))
    with torch.inference_mode():
        encoded = model.encode_images(torch.rand(1, 3, 84, 84))
    assert encoded.clip_features.dtype == encoded.moge_features[0].dtype == dtype
    assert encoded.geometry is not None and encoded.geometry["points"].dtype == torch.float32


def test_towers_may_have_another_precision(files: Files) -> None:
    model = load(files, dtype=torch.bfloat16, tower_dtype=torch.float32)
    assert model.vision_tower is not None and model.geometry is not None
    towers = {p.dtype for m in (model.vision_tower, model.geometry) for p in m.parameters()}
    assert towers == {torch.float32}
    require_equal(model.vision_tower.vision_model, clip_as_loaded())
    assert {p.dtype for p in model.adapter.parameters()} == {torch.bfloat16}
    with torch.inference_mode():
        encoded = model.encode_images(torch.rand(1, 3, 84, 84))
        visual, _ = model.visual_embeds(encoded.clip_features, encoded.moge_features)
        inputs = model.prepare_inputs(torch.tensor([[1, -200, 5]]), list(visual))
        logits = model.language_model(inputs_embeds=inputs.inputs_embeds).logits
    assert visual.dtype == torch.bfloat16 and torch.isfinite(logits).all()


def test_weights_do_not_depend_on_their_files_any_more(own: Files) -> None:
    model = load(own, dtype=torch.float16, base=own.merged, adapter=None, tower=None)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for path in own.merged.iterdir():
        path.write_bytes(b"\0" * path.stat().st_size)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_prefix_rule_of_the_reference() -> None:
    plain = ["base_model.model.mm_projector.0.weight"]
    assert strip_peft(plain) == {"model.mm_projector.0.weight": plain[0]}
    nested = ["base_model.model.model.mm_projector.0.weight", "base_model.model.lm_head.weight"]
    assert strip_peft(nested) == {
        "model.mm_projector.0.weight": nested[0],
        "lm_head.weight": nested[1],
    }


# Damage. Each function spoils the files and returns nothing; the message names what is wrong.


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = (
        load_file(path)
        if path.suffix == ".safetensors"
        else torch.load(path, weights_only=True)
        if path.suffix in (".bin", ".pt")
        else json.loads(path.read_text())
    )
    change(content)
    if path.suffix == ".safetensors":
        save_file(content, path)
    elif path.suffix in (".bin", ".pt"):
        torch.save(content, path)
    else:
        write_json(path, content)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rename(content: dict[str, Any], old: str, new: str) -> None:
    content[new] = content.pop(old)


SHARD = "pytorch_model-00001-of-00002.bin"
EMBEDDING, Q = "model.embed_tokens.weight", "base_model.model.model.layers.0.self_attn.q_proj"

DAMAGE: dict[str, tuple[Callable[[Files], Any], str]] = {
    "missing folder": (
        lambda f: setattr(f, "base", f.base / "nowhere"), r"nowhere/config.json does not exist"
    ),
    "missing shard": (lambda f: (f.base / SHARD).unlink(), f"lacks {SHARD} of the 2 files"),
    "truncated shard": (lambda f: halve(f.base / SHARD), f"{SHARD} cannot be read"),
    "damaged index": (
        lambda f: (f.base / "pytorch_model.bin.index.json").write_text("{}"), "no index of shards"
    ),
    "renamed in shard": (
        lambda f: rewrite(f.base / SHARD, lambda c: rename(c, EMBEDDING, "model.embed.weight")),
        f"{SHARD} lacks tensor '{EMBEDDING}', which its index promises",
    ),
    "wrong shape": (
        lambda f: rewrite(f.base / SHARD, lambda c: c.update({EMBEDDING: torch.zeros(3, 48)})),
        rf"'{EMBEDDING}' is \[3, 48\] but the configuration needs \[450, 48\]",
    ),
    "not finite": (
        lambda f: rewrite(f.base / SHARD, lambda c: c[EMBEDDING].fill_(torch.inf)),
        f"'{EMBEDDING}' has values that are not finite",
    ),
    "another depth": (
        lambda f: rewrite(f.base / "config.json", lambda c: c.update(num_hidden_layers=3)),
        "another base: its config.json has 'num_hidden_layers' 2, the base 3",
    ),
    "another family": (
        lambda f: rewrite(f.base / "config.json", lambda c: c.update(model_type="qwen2_vl")),
        "model_type is 'qwen2_vl'",
    ),
    "tiles": (
        lambda f: rewrite(f.base / "config.json", lambda c: c.update(image_aspect_ratio="anyres")),
        "'image_aspect_ratio' is 'anyres', but only 'pad' or 'square' is implemented",
    ),
    "tied": (
        lambda f: rewrite(f.base / "config.json", lambda c: c.update(tie_word_embeddings=True)),
        "'tie_word_embeddings' is True, but only False",
    ),
    "no sizes": (
        lambda f: rewrite(f.base / "config.json", lambda c: c.pop("mm_hidden_size")),
        "'mm_hidden_size', the width of CLIP, is missing",
    ),
    "no vocabulary": (
        lambda f: rewrite(f.base / "config.json", lambda c: c.pop("vocab_size")),
        "'vocab_size' is missing",
    ),
    "adapter folder": (lambda f: setattr(f, "stage2", f.base / "no"), "adapter folder .*no does"),
    "no adapter in it": (
        lambda f: (f.stage2 / "adapter_config.json").unlink(), "stage2 is no adapter: it holds none"
    ),
    "adapter without weights": (
        lambda f: (f.stage2 / "adapter_model.safetensors").unlink(), "holds no weights"
    ),
    "truncated adapter": (
        lambda f: halve(f.stage2 / "adapter_model.safetensors"), "adapter_model.safetensors is dam"
    ),
    "adapter without projectors": (
        lambda f: (f.stage2 / "non_lora_trainables.bin").unlink(), "non_lora_trainables.bin does"
    ),
    "half a pair": (
        lambda f: rewrite(
            f.stage2 / "adapter_model.safetensors", lambda c: c.pop(f"{Q}.lora_A.weight")
        ),
        "q_proj.lora_B.weight' without its other half",
    ),
    "foreign tensor in adapter": (
        lambda f: rewrite(
            f.stage2 / "adapter_model.safetensors", lambda c: c.update(surprise=torch.zeros(1))
        ),
        "'surprise', which is no LoRA matrix",
    ),
    "another rank": (
        lambda f: rewrite(f.stage2 / "adapter_config.json", lambda c: c.update(r=7)),
        "states rank 7",
    ),
    "no rank": (
        lambda f: rewrite(f.stage2 / "adapter_config.json", lambda c: c.pop("r")), "'r' and 'lora"
    ),
    "DoRA": (
        lambda f: rewrite(f.stage2 / "adapter_config.json", lambda c: c.update(use_dora=True)),
        "'use_dora' is True; only plain LoRA",
    ),
    "adapter of a deeper base": (
        lambda f: rewrite(
            f.stage2 / "adapter_model.safetensors",
            lambda c: [rename(c, k, k.replace("layers.1", "layers.9")) for k in list(c)],
        ),
        "another base: it changes 'model.layers.9",
    ),
    "adapter of a wider base": (
        lambda f: rewrite(
            f.stage2 / "adapter_model.safetensors",
            lambda c: c.update({f"{Q}.lora_B.weight": torch.zeros(64, RANK)}),
        ),
        r"'model.layers.0.self_attn.q_proj.weight' is \[48, 48\] there, but the adapter's product "
        r"\[64, 48\]",
    ),
    "damaged update": (
        lambda f: rewrite(
            f.stage2 / "adapter_model.safetensors",
            lambda c: c[f"{Q}.lora_A.weight"].fill_(torch.nan),
        ),
        "'model.layers.0.self_attn.q_proj.weight' has values that are not finite",
    ),
    "renamed projector": (
        lambda f: rewrite(
            f.stage2 / "non_lora_trainables.bin",
            lambda c: rename(
                c,
                "base_model.model.model.moge_mm_projector_list.2.0.bias",
                "base_model.model.model.moge_mm_projector_list.2.1.bias",
            ),
        ),
        r"lacks tensor 'moge_mm_projector_list\.2\.0\.bias'; it has tensor "
        r"'moge_mm_projector_list\.2\.1\.bias'",
    ),
    "unknown projector": (
        lambda f: rewrite(
            f.stage2 / "non_lora_trainables.bin",
            lambda c: c.update({"base_model.model.model.resampler.weight": torch.zeros(1)}),
        ),
        "tensor 'model.resampler.weight', which no known LLaVA layout has",
    ),
    "another CLIP": (
        lambda f: rewrite(f.base / "config.json", lambda c: c.update(mm_hidden_size=64)),
        "features of width 32, but .*base was trained with 64",
    ),
    "renamed in CLIP": (
        lambda f: rewrite(
            f.clip / "pytorch_model.bin",
            lambda c: rename(c, "vision_model.pre_layrnorm.weight", "vision_model.pre_norm.weight"),
        ),
        r"lacks tensor 'vision_model\.pre_layrnorm\.weight'",
    ),
    "no CLIP": (lambda f: (f.clip / "config.json").unlink(), "clip/config.json does not exist"),
    "other config for CLIP": (
        lambda f: write_json(f.clip / "config.json", LLAVA_CONFIG), "not the configuration of a"
    ),
    "CLIP without sizes": (
        lambda f: rewrite(f.clip / "config.json", lambda c: c["vision_config"].pop("patch_size")),
        "'patch_size' of the vision tower is missing",
    ),
    "no tower": (lambda f: setattr(f, "tower", None), "carries no MoGe tower: name vit_model.pt"),
    "missing tower": (lambda f: f.tower.unlink(), "vit_model.pt does not exist"),
    "truncated tower": (lambda f: halve(f.tower), "vit_model.pt cannot be read"),
    "renamed in tower": (
        lambda f: rewrite(f.tower, lambda c: rename(c, "blocks.3.norm1.bias", "blocks.3.n.bias")),
        "vit_model.pt lacks tensor 'blocks.3.norm1.bias'; it has tensor 'blocks.3.n.bias'",
    ),
    "shape in tower": (
        lambda f: rewrite(f.tower, lambda c: c.update({"norm.weight": torch.zeros(3)})),
        r"'norm.weight' is \[3\] but the configuration needs \[64\]",
    ),
    "not a tower": (
        lambda f: torch.save({"a": torch.zeros(1)}, f.tower), "it is not MoGe v1's backbone"
    ),
    "narrower tower": (
        lambda f: torch.save({k: v[..., :30] for k, v in moge_backbone_state().items()}, f.tower),
        "no multiple of DINOv2's 64",
    ),
    "truncated MoGe": (
        lambda f: (halve(f.moge), setattr(f, "tower", f.moge)), "model.pt cannot be read"
    ),
    "renamed in MoGe": (
        lambda f: (
            rewrite(f.moge, lambda c: rename(c["model"], "backbone.norm.bias", "backbone.n.bias")),
            setattr(f, "tower", f.moge),
        ),
        "lacks tensor 'backbone.norm.bias'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(own: Files, damage: str) -> None:
    spoil, message = DAMAGE[damage]
    spoil(own)
    with pytest.raises(ModelLoadError, match=message):
        load(own)


@pytest.mark.parametrize("place", ["language", "projector", "tower"])
def test_values_beyond_half_precision_are_named(own: Files, place: str) -> None:
    path, name, shown = {
        "language": (own.merged / "model-00001-of-00002.safetensors", EMBEDDING, EMBEDDING),
        "projector": (
            own.stage2 / "non_lora_trainables.bin",
            "base_model.model.model.mm_projector.2.bias",
            "mm_projector.2.bias",
        ),
        "tower": (own.tower, "blocks.1.norm1.bias", "model.encoder.layer.1.norm1.bias"),
    }[place]

    def spoil(content: dict[str, Any]) -> None:
        content[name] = content[name].float() + 1e6

    rewrite(path, spoil)
    options = {"base": own.merged, "adapter": None} if place == "language" else {}
    load(own, **options)  # float32 holds them
    with pytest.raises(ModelLoadError, match=f"'{shown}' has values that are not finite; bfloat16"):
        load(own, dtype=torch.float16, **options)


def test_tower_without_projectors_is_refused(files: Files) -> None:
    with pytest.raises(ModelLoadError, match="vit_model.pt is of no use"):
        load(files, adapter=None)


def test_another_moge_is_refused(own: Files) -> None:
    wide = moge_projector_state(1)
    names = [name for name in wide if name.endswith(".0.weight")]
    wide |= {name: torch.zeros(48, 2 * MOGE_DIM) for name in names}
    torch.save(wide, own.stage1 / "moge_mm_projector_list.bin")
    with pytest.raises(ModelLoadError, match=r"take 4 layers of width 128: it is another MoGe"):
        load(own, adapter=own.stage1)


def test_unknown_quantisation_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="unknown quantisation 'int3'; one of none, nf4, int8"):
        load_llava(tmp_path, None, tmp_path, None, quantisation="int3")


class Exploit:
    """Would write a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("kind", ["base", "adapter", "clip", "tower"])
def test_pickled_code_is_never_run(own: Files, kind: str) -> None:
    path = {
        "base": own.base / SHARD,
        "adapter": own.stage2 / "non_lora_trainables.bin",
        "clip": own.clip / "pytorch_model.bin",
        "tower": own.tower,
    }[kind]
    target = own.base / "ran"
    torch.save({"a": Exploit(target)}, path)
    with pytest.raises(ModelLoadError, match="holds code, which is never run"):
        load(own)
    assert not target.exists()
