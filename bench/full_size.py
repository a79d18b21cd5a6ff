# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks of a profile at their published size, without weights: to count, or to fill and run.

Sizes of the language models are those of the ``config.json`` of LLaVA-1.5-7B and of
Qwen2.5-VL-3B-Instruct; MoGe's and VGGT's are in the package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from spatialgeo_ros.models.clip import Clip, ClipVisionTower
from spatialgeo_ros.models.files.weights import tensor_shape
from spatialgeo_ros.models.fusion import HierarchicalAdapter
from spatialgeo_ros.models.moge import configs as moge_configs
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge
from spatialgeo_ros.models.profiles import (
    GeometryPart,
    LanguagePart,
    LlavaPart,
    Profile,
    QwenPart,
    SpatialRgptPart,
)
from spatialgeo_ros.models.quantise import is_quantisable, pack_linear
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.models.vggt import Vggt, VggtConfig

CLIP_L_336 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
}
LLAVA_7B: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "rms_norm_eps": 1e-5,
}
QWEN_3B_TEXT: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "max_window_layers": 36,
    "tie_word_embeddings": True,
}
QWEN_3B_VISION = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 2048,
    "patch_size": 14,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
LLAMA_3_8B: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128259,
    "rms_norm_eps": 1e-5,
}
#: Without the last layer and the head, which SpatialRGPT never uses.
SIGLIP_SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 26,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}
VGGT_1B = VggtConfig()
#: Of a 640x480 video frame, as Spatial-MLLM's preprocessing makes it: 644x476 pixels.
FRAME_GRID = (34, 46)
TEXT_TOKENS = 128
#: MoGe's profiles by the configuration that their files carry.
MOGE = {
    "moge_l": moge_configs.V1_VITL,
    "moge2_s": moge_configs.V2_VITS_NORMAL,
    "moge2_b": moge_configs.V2_VITB_NORMAL,
    "moge2_l": moge_configs.V2_VITL_NORMAL,
}

Step = tuple[str, Callable[[], object]]


@dataclass(eq=False)
class FullSize:
    """Networks of a profile.

    Attributes:
        modules: By part, without weights at first.
        language: The module among them whose linear layers are quantised, or None.
        visual_tokens: That a question's prompt holds.
        cache_values: Keys and values that one token leaves in the language model's cache.
        steps: Gives what one question runs, in order, once the modules are filled.
    """

    modules: dict[str, nn.Module]
    language: nn.Module | None
    steps: Callable[[torch.device, torch.dtype], list[Step]]
    visual_tokens: int = 0
    cache_values: int = 0
    outputs: dict[str, Tensor] = field(default_factory=dict)


def full_size(profile: Profile) -> FullSize:
    """Build the networks of a profile on the meta device."""
    with torch.device("meta"):
        if isinstance(profile.language, LlavaPart):
            return _llava(with_tower=profile.language.tower is not None)
        if isinstance(profile.language, LanguagePart):
            return _nano(profile, profile.language)
        if isinstance(profile.language, SpatialRgptPart):
            return _spatialrgpt(profile.geometry)
        if isinstance(profile.language, QwenPart):
            return _qwen(profile.language)
        assert profile.geometry is not None
        return _geometry(profile.name, profile.geometry)


def fill(networks: FullSize, device: torch.device, dtype: torch.dtype, quantisation: str) -> None:
    """Give the modules random weights on a device, packed where they are quantised.

    One layer at a time, so that the peak is that of the result. Constants have any value: a
    benchmark of memory does not read them.
    """
    for module in networks.modules.values():
        packing = quantisation != "none" and module is networks.language
        for name, layer in list(module.named_modules()):
            if packing and is_quantisable(name, layer):
                assert isinstance(layer, nn.Linear)
                weight = torch.randn(layer.weight.shape, device=device, dtype=dtype) * 0.02
                bias = None if layer.bias is None else torch.zeros(layer.bias.shape)
                packed = pack_linear(weight, bias, quantisation, dtype, device)
                module.set_submodule(name, packed)
                continue
            for key, parameter in list(layer.named_parameters(recurse=False)):
                values = torch.empty(parameter.shape, device=device, dtype=dtype)
                values.normal_(std=0.02)
                setattr(layer, key, nn.Parameter(values, requires_grad=False))
            for key, buffer in list(layer.named_buffers(recurse=False)):
                kept = torch.full(buffer.shape, 0.01, device=device).to(buffer.dtype)
                setattr(layer, key, kept)
        if isinstance(module, ClipVisionTower):
            module.reset_constants()
        module.eval()


def _geometry(name: str, part: GeometryPart) -> FullSize:
    model = build_moge(MOGE[name])

    def steps(device: torch.device, dtype: torch.dtype) -> list[Step]:
        image = torch.rand(1, 3, 480, 640, device=device, dtype=dtype)
        tokens = part.num_tokens or model.num_tokens_range[1]
        return [(f"geometry, {tokens} patches", lambda: model(image, tokens))]

    return FullSize({"geometry": model}, None, steps)


def _llama(config: LlamaConfig) -> tuple[LlamaForCausalLM, int]:
    """Language model, and the values that one token leaves in its cache."""
    head = config.hidden_size // config.num_attention_heads
    return LlamaForCausalLM(
        config
    ), 2 * config.num_hidden_layers * config.num_key_value_heads * head


def _llava(with_tower: bool) -> FullSize:
    vision = ClipVisionTower(CLIP_L_336)
    vision.drop_unread()
    tower = build_moge(moge_configs.V1_VITL) if with_tower else None
    layers = 4 if with_tower else 0
    width = int(LLAVA_7B["hidden_size"])
    moge_dim = tower.backbone.dim if isinstance(tower, MoGe1) else vision.dim
    adapter = HierarchicalAdapter(vision.dim, moge_dim, width, layers=layers)
    language, cache = _llama(LlamaConfig(**LLAVA_7B))
    modules: dict[str, nn.Module] = {"CLIP tower": vision, "projectors": adapter}
    if tower is not None:
        modules["MoGe tower with heads"] = tower
    modules["language model"] = language
    visual = (2 if with_tower else 1) * 576

    def steps(device: torch.device, dtype: torch.dtype) -> list[Step]:
        assert tower is None or isinstance(tower, MoGe1)
        model = SpatialGeoModel(language, adapter, vision, tower)
        pixels = torch.rand(1, 3, 336, 336, device=device, dtype=dtype)
        text = torch.rand(1, TEXT_TOKENS, width, device=device, dtype=dtype)

        def encode() -> None:
            encoded = model.encode_images(pixels, normalised=True)
            embeds, _ = model.visual_embeds(encoded.clip_features, encoded.moge_features)
            found.outputs["embeds"] = torch.cat([embeds, text], dim=1)

        return [("image towers", encode), ("prefill", lambda: _prefill(found, language))]

    found = FullSize(modules, language, steps, visual, cache)
    return found


def _prefill(networks: FullSize, language: nn.Module, **options: Tensor) -> object:
    """Run the language model over a prompt, keeping keys and values."""
    embeds = networks.outputs.pop("embeds")
    if isinstance(language, LlamaForCausalLM):
        return language(inputs_embeds=embeds, use_cache=True, logits_to_keep=1)
    return language(inputs_embeds=embeds, use_cache=True, **options)


def _nano(profile: Profile, part: LanguagePart) -> FullSize:
    assert profile.geometry is not None and profile.semantic is not None
    assert profile.geometry.config is not None and profile.geometry.num_tokens is not None
    rows, _ = tensor_shape(part.weights.checked(), "model.embed_tokens.weight")
    config = dict(profile.semantic.config)
    config["text"] = {**config["text"], "vocab_size": rows}
    geometry, semantic = build_moge(profile.geometry.config), Clip(**config)
    language, cache = _llama(LlamaConfig(**part.config, vocab_size=rows))
    modules: dict[str, nn.Module] = {
        "geometry": geometry, "CLIP towers": semantic,
        "adapter": HierarchicalAdapter(**part.adapter), "language model": language,
    }  # fmt: skip
    image, tokens = profile.image, profile.geometry.num_tokens
    found = FullSize(modules, language, lambda *_: [], 2 * image.patches, cache)

    def steps(device: torch.device, dtype: torch.dtype) -> list[Step]:
        pixels = torch.rand(1, 3, image.height, image.width, device=device, dtype=dtype)
        prior = torch.rand(1, 4, image.height, image.width, device=device, dtype=dtype)
        length = found.visual_tokens + TEXT_TOKENS
        width = language.config.hidden_size
        found.outputs["embeds"] = torch.rand(1, length, width, device=device, dtype=dtype)
        return [
            ("geometry", lambda: geometry(pixels, tokens, prior)),
            ("prefill", lambda: _prefill(found, language)),
        ]

    found.steps = steps
    return found


def _spatialrgpt(geometry: GeometryPart | None) -> FullSize:
    # Imported here: transformers takes seconds for SigLIP.
    from transformers.models.siglip.configuration_siglip import SiglipVisionConfig
    from transformers.models.siglip.modeling_siglip import SiglipVisionModel

    from spatialgeo_ros.models.spatialrgpt.region_extractor import ImageProjector, RegionExtractor

    tower = SiglipVisionModel(SiglipVisionConfig(**SIGLIP_SO400M, vision_use_head=False))
    tower.set_submodule("post_layernorm", nn.Identity())
    width, hidden = SIGLIP_SO400M["hidden_size"], int(LLAMA_3_8B["hidden_size"])
    extractor, projector = RegionExtractor(width, hidden), ImageProjector(width, hidden)
    language, cache = _llama(LlamaConfig(**LLAMA_3_8B))
    modules: dict[str, nn.Module] = {
        "image tower": tower, "region extractor": extractor, "projector": projector,
        "language model": language,
    }  # fmt: skip
    if geometry is not None:
        modules["geometry"] = build_moge(MOGE["moge2_s"])

    def steps(device: torch.device, dtype: torch.dtype) -> list[Step]:
        side = SIGLIP_SO400M["image_size"]
        pixels = torch.rand(1, 3, side, side, device=device, dtype=dtype)

        def see() -> None:
            features = tower.encoder(inputs_embeds=tower.embeddings(pixels)).last_hidden_state
            _, means = extractor.refine(features)
            words = torch.rand(1, TEXT_TOKENS, hidden, device=device, dtype=dtype)
            found.outputs["embeds"] = torch.cat([projector(means), words], dim=1)

        return [("image tower and refinement", see), ("prefill", lambda: _prefill(found, language))]

    grid = SIGLIP_SO400M["image_size"] // SIGLIP_SO400M["patch_size"]
    visual = ((grid + 1) // 2) ** 2
    found = FullSize(modules, language, steps, visual, cache)
    return found


def _qwen(part: QwenPart) -> FullSize:
    # Imported here: transformers takes seconds for Qwen2.5-VL.
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    from spatialgeo_ros.models.spatial_mllm.connector import Connector

    qwen = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config=QWEN_3B_TEXT, vision_config=QWEN_3B_VISION, tie_word_embeddings=True
        )
    )
    vision, language = qwen.model.visual, qwen.model.language_model
    vggt = Vggt(VGGT_1B, heads=()) if part.spatial else None
    rows, columns = FRAME_GRID
    frames = part.frames
    visual = (frames // 2) * (rows // 2) * (columns // 2)
    text = QWEN_3B_TEXT
    head = text["hidden_size"] // text["num_attention_heads"]
    cache = 2 * text["num_hidden_layers"] * text["num_key_value_heads"] * head
    # The output layer is the embedding table itself: it is part of the language model already.
    modules: dict[str, nn.Module] = {"image tower": vision}
    connector = None
    if vggt is not None:
        connector = Connector(2 * vggt.config.embed_dim, QWEN_3B_TEXT["hidden_size"])
        modules |= {"VGGT": vggt, "connector": connector}
    modules["language model"] = language

    def steps(device: torch.device, dtype: torch.dtype) -> list[Step]:
        grid = torch.tensor([[frames // 2, rows, columns]], device=device)
        patches = torch.rand(int(grid.prod()), 3 * 2 * 14 * 14, device=device, dtype=dtype)
        images = torch.rand(1, frames, 3, 14 * rows, 14 * columns, device=device, dtype=dtype)

        def see() -> None:
            found.outputs["semantic"] = vision(patches, grid_thw=grid).pooler_output

        def reconstruct() -> None:
            assert vggt is not None
            layers, start = vggt.aggregate(images, layers=[-1])
            found.outputs["spatial"] = layers[0][0, :, start:].to(dtype)

        def connect() -> None:
            tokens = found.outputs.pop("semantic")
            if connector is not None:
                spatial = found.outputs.pop("spatial")
                tokens = connector(tokens, spatial, (frames // 2, rows, columns))
            words = torch.rand(TEXT_TOKENS, tokens.shape[-1], device=device, dtype=dtype)
            found.outputs["embeds"] = torch.cat([tokens, words])[None]

        positions = torch.arange(visual + TEXT_TOKENS, device=device).expand(3, 1, -1)
        seeing: list[Step] = [("image tower", see)]
        if vggt is not None:
            seeing.append((f"VGGT, {frames} frames", reconstruct))
        return [
            *seeing,
            ("connector" if vggt is not None else "prompt", connect),
            ("prefill", lambda: _prefill(found, language, position_ids=positions)),
        ]

    found = FullSize(modules, language, steps, visual, cache)
    return found
