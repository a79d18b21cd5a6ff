# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loading Spatial-MLLM folders: both layouts, and errors that name what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints.spatial_mllm import random_state, tiny_config, write_shards, write_spatial_mllm_3b
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.spatial_mllm import PixelBudget, load_spatial_mllm
from spatialgeo_ros.models.spatial_mllm.connector import merge_tokens
from spatialgeo_ros.models.spatial_mllm.mllm_checkpoint import detect_family
from spatialgeo_ros.models.spatial_mllm.qwen_checkpoint import official_qwen_name
from spatialgeo_ros.models.spatial_mllm.video_input import prepare_video

PREFIXES = {
    "1.1": ("spatial_encoder.vggt_model.", "connector."),
    "1.0": ("vggt.", "vggt_embedding_merger."),
}


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, Tensor]]:
    return {version: random_state(tiny_config(version), version, 5) for version in PREFIXES}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good folder, to copy the files that are not tensors from."""
    return write_spatial_mllm_3b(tmp_path_factory.mktemp("good") / "1.1")


@pytest.fixture
def write(template: Path, tmp_path: Path) -> Callable[..., Path]:
    def write(state: dict[str, Tensor], version: str = "1.1", **changes: object) -> Path:
        for path in template.iterdir():
            if "safetensors" not in path.name:
                shutil.copy(path, tmp_path)
        config = {**tiny_config(version), **changes}
        (tmp_path / "config.json").write_text(json.dumps(config))
        write_shards(tmp_path, state)
        return tmp_path

    return write


@pytest.mark.parametrize("version", PREFIXES)
def test_every_tensor_arrives(
    states: dict[str, dict[str, Tensor]], write: Callable[..., Path], version: str
) -> None:
    state = states[version]
    model = load_spatial_mllm(
        write(state, version), dtype=torch.float32, geometry_heads=("camera", "point", "depth")
    )
    assert model.version == version
    vggt, connector = PREFIXES[version]
    heads = ("aggregator.", "camera_head.", "point_head.", "depth_head.")
    used = set()
    for name, tensor in model.qwen.state_dict().items():
        theirs = official_qwen_name(
            name if name != "lm_head.weight" else "model.embed_tokens.weight"
        )
        assert torch.equal(tensor, state[theirs].float()), name
        used.add(theirs)
    for name, tensor in model.connector.state_dict().items():
        assert torch.equal(tensor, state[connector + name].float()), name
        used.add(connector + name)
    for name, tensor in model.vggt.state_dict().items():
        theirs = vggt + name
        if theirs in state:  # DINOv2's are renamed; the VGGT tests cover them
            assert torch.equal(tensor, state[theirs].float()), name
    unused = {name for name in state if name not in used}
    assert all(name.startswith(vggt) for name in unused)
    assert model.vggt.heads == ("camera", "point", "depth")
    assert any(name.removeprefix(vggt).startswith(heads) for name in unused)
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


def test_the_connector_reads_the_layer_that_the_configuration_names(
    states: dict[str, dict[str, Tensor]], write: Callable[..., Path]
) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (2, 84, 112, 3), np.uint8)
    budget = PixelBudget(28 * 28, 84 * 112)
    images = prepare_video(clip, budget).images[None]
    seen = []
    for layer in (-1, 1):
        section = {"connector_type": "mlp_add", "spatial_embeds_layer_idx": layer}
        folder = write(states["1.1"], connector_config=section)
        model = load_spatial_mllm(folder, dtype=torch.float32)
        assert model.layer == layer
        with torch.inference_mode():
            tokens, start = model.vggt.aggregate(images)
            merged = merge_tokens(tokens[layer][0, :, start:], (1, 6, 8), model.connector.order)
            seen.append(
                model.encode_video(clip, budget=budget).embeds - model.connector.project(merged)
            )
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=1e-5)  # Qwen's own part is left


def test_answering_needs_no_head_of_vggt(template: Path) -> None:
    model = load_spatial_mllm(template)
    assert model.vggt.heads == ()
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_folders_saved_by_transformers_5_load_too(
    states: dict[str, dict[str, Tensor]], write: Callable[..., Path]
) -> None:
    def todays(name: str) -> str:
        if name.startswith("visual."):
            return f"model.{name}"
        return name.replace("model.", "model.language_model.", 1) if name[:6] == "model." else name

    state = {todays(name): tensor for name, tensor in states["1.1"].items()}
    assert "model.language_model.norm.weight" in state
    model = load_spatial_mllm(write(state), dtype=torch.float32)
    expected = states["1.1"]["visual.merger.mlp.2.weight"].float()
    assert torch.equal(model.qwen.model.visual.merger.mlp[2].weight, expected)


def test_a_tied_output_layer_may_be_saved_twice(
    states: dict[str, dict[str, Tensor]], write: Callable[..., Path]
) -> None:
    table = states["1.1"]["model.embed_tokens.weight"]
    model = load_spatial_mllm(write({**states["1.1"], "lm_head.weight": table.clone()}))
    assert model.qwen.lm_head.weight is model.qwen.get_input_embeddings().weight


def test_an_output_layer_of_its_own(
    states: dict[str, dict[str, Tensor]], write: Callable[..., Path]
) -> None:
    own = torch.randn_like(states["1.1"]["model.embed_tokens.weight"])
    folder = write({**states["1.1"], "lm_head.weight": own}, tie_word_embeddings=False)
    model = load_spatial_mllm(folder)
    assert torch.equal(model.qwen.lm_head.weight, own)
    with pytest.raises(ModelLoadError, match="lacks tensor 'lm_head.weight'"):
        load_spatial_mllm(write(states["1.1"], tie_word_embeddings=False))


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("1.1", "model.layers.1.self_attn.q_proj.bias"),
        ("1.1", "visual.blocks.0.norm1.weight"),
        ("1.1", "connector.ln_q.weight"),
        ("1.1", "spatial_encoder.vggt_model.aggregator.camera_token"),
        ("1.0", "vggt_embedding_merger.vgg_to_language_mlp.2.bias"),
    ],
)
def test_missing_misshapen_and_renamed_tensors_are_named(
    states: dict[str, dict[str, Tensor]], write: Callable[..., Path], version: str, name: str
) -> None:
    vggt = PREFIXES[version][0]
    state, told = states[version], name.removeprefix(vggt)
    rest = {n: tensor for n, tensor in state.items() if n != name}
    with pytest.raises(ModelLoadError, match=f"lacks tensor '{told}'"):
        load_spatial_mllm(write(rest, version))
    wrong = {**rest, name: state[name][..., :-1].contiguous()}
    with pytest.raises(ModelLoadError, match=f"'{told}' is "):
        load_spatial_mllm(write(wrong, version))
    with pytest.raises(ModelLoadError, match=f"'{told}'.*'{told}_old'"):
        load_spatial_mllm(write({**rest, f"{name}_old": state[name]}, version))


def test_unknown_tensors_are_named(
    states: dict[str, dict[str, Tensor]], write: Callable[..., Path]
) -> None:
    for name in ("connector.mlp.4.weight", "model.extra", "adapter.weight"):
        with pytest.raises(ModelLoadError, match=f"has tensor '{name}'"):
            load_spatial_mllm(write({**states["1.1"], name: torch.zeros(2)}))


def test_numbers_that_do_not_fit_are_named(
    states: dict[str, dict[str, Tensor]], write: Callable[..., Path]
) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    large = states["1.1"][name].clone()
    large[0, 0] = 1e30  # in the range of bfloat16, not of float16
    folder = write({**states["1.1"], name: large})
    load_spatial_mllm(folder, dtype=torch.bfloat16)
    with pytest.raises(ModelLoadError, match=f"'{name}' has values that are not finite; bfloat16"):
        load_spatial_mllm(folder, dtype=torch.float16)


def test_families_are_told_by_their_names() -> None:
    for version, (vggt, connector) in PREFIXES.items():
        assert detect_family([f"{connector}x", "model.norm.weight"], "f").version == version
        assert detect_family([f"{vggt}x"], "f").version == version
    with pytest.raises(ModelLoadError, match="no Spatial-MLLM checkpoint.*has neither"):
        detect_family(["model.norm.weight", "visual.x"], "a plain Qwen2.5-VL")
    with pytest.raises(ModelLoadError, match="has both"):
        detect_family(["connector.x", "vggt.x"], "f")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "config.json does not exist"),
        ("config.json", "{", "config.json is no JSON"),
        ("config.json", {"model_type": "llava"}, "'model_type' is 'llava'"),
        ("config.json", {"model_type": "spatial-mllm"}, "'vision_config' is missing"),
        (
            "config.json",
            {**tiny_config(), "hidden_size": "wide"},
            "config.json does not describe a Qwen2.5-VL",
        ),
        (
            "config.json",
            {**tiny_config(), "connector_config": {"connector_type": "cross_attention"}},
            "connector of type 'cross_attention'",
        ),
        ("config.json", {**tiny_config(), "video_token_id": 3}, "belong to different checkpoints"),
        ("generation_config.json", {"eos_token_id": "end"}, "'eos_token_id' must be"),
        ("tokenizer.json", None, "neither tokenizer.json nor vocab.json"),
        ("model-00002-of-00003.safetensors", None, "lacks model-00002-of-00003.safetensors"),
        ("model-00002-of-00003.safetensors", "short", "damaged"),
    ],
)
def test_bad_files_are_named(
    template: Path, tmp_path: Path, file: str, content: object, message: str
) -> None:
    folder = tmp_path / "bad"
    shutil.copytree(template, folder)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ModelLoadError, match=message):
        load_spatial_mllm(folder)


def test_bad_requests_are_refused(template: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="not in torch.float64"):
        load_spatial_mllm(template, dtype=torch.float64)
    with pytest.raises(ModelLoadError, match="unknown quantisation 'int2'"):
        load_spatial_mllm(template, quantisation="int2")
    with pytest.raises(ModelLoadError, match="does not exist"):
        load_spatial_mllm(tmp_path / "nowhere")
