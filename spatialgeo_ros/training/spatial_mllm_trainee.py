# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM's supervised training: what learns, its loss, and its checkpoint.

Published are the language model with its tied embeddings, Qwen's merger and the connector; Qwen's
image tower and VGGT stay frozen (arXiv 2505.23747 and its released code).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.models.files.shards import Shards, read_json
from spatialgeo_ros.models.spatial_mllm import SpatialMllm, load_spatial_mllm
from spatialgeo_ros.models.spatial_mllm.connector import TEMPORAL_MERGE
from spatialgeo_ros.models.spatial_mllm.mllm_checkpoint import FAMILIES
from spatialgeo_ros.models.spatial_mllm.qwen_checkpoint import official_qwen_name
from spatialgeo_ros.models.spatial_mllm.untrained import load_untrained
from spatialgeo_ros.models.spatial_mllm.video_input import VideoInput
from spatialgeo_ros.models.spatial_mllm.window_attention import see
from spatialgeo_ros.training.clip_data import IMAGE, VIDEO, ClipBatch, visual_id
from spatialgeo_ros.training.published_files import write_checkpoint
from spatialgeo_ros.training.recipe import CONNECTOR, LANGUAGE, MERGER, Optimisation
from spatialgeo_ros.training.spatialgeo_trainee import token_loss
from spatialgeo_ros.training.trainer import Trainee

_VGGT_STEMS = (("model", ".safetensors"), ("model", ".pt"))
_OUTPUT = "lm_head.weight"


def load_mllm_start(
    base: Path, vggt: Path | None, optimisation: Optimisation, device: torch.device | str
) -> SpatialMllm:
    """Load what a training starts from; nothing of it learns yet.

    Args:
        base: folder of Qwen2.5-VL with ``vggt``, or of a Spatial-MLLM without.
        vggt: VGGT's file or folder; the connector is then new.
        optimisation: says in which precision.
        device: where it goes.

    Raises:
        ModelLoadError: names the file, key or tensor that is wrong.
    """
    dtype = torch.bfloat16 if optimisation.precision == "bf16" else torch.float32
    if vggt is None:
        return load_spatial_mllm(base, device=device, dtype=dtype)
    return load_untrained(base, vggt, device=device, dtype=dtype, seed=optimisation.seed)


class SpatialMllmTrainee(Trainee):
    """Spatial-MLLM in training.

    Args:
        model: from :func:`load_mllm_start`.
        trained: of "language", "merger" and "connector".
        checkpointing: compute the language model's activations a second time.
        base: as for :func:`load_mllm_start`; what is not trained is written from there.
        vggt: likewise.
    """

    projector = ("merger", "connector")

    def __init__(
        self,
        model: SpatialMllm,
        trained: Sequence[str],
        checkpointing: bool,
        base: Path,
        vggt: Path | None,
    ) -> None:
        super().__init__()
        self.model = model
        self._base, self._vggt = base, vggt
        parts: dict[str, nn.Module] = {
            LANGUAGE: model.qwen.model.language_model,
            MERGER: model.qwen.model.visual.merger,
            CONNECTOR: model.connector,
        }
        for name in trained:
            parts[name].float().requires_grad_(True)
        if checkpointing:
            model.qwen.model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
        self.ids = {kind: visual_id(model.tokenizer, kind) for kind in (IMAGE, VIDEO)}

    def train(self, mode: bool = True) -> SpatialMllmTrainee:
        """Put what learns into training mode; the encoders stay as they are used."""
        super().train(mode)
        self.model.vggt.eval()
        self.model.qwen.model.visual.eval()
        return self

    def forward(self, batch: ClipBatch) -> Tensor:
        """Mean cross-entropy over the learnt tokens of a batch."""
        language = self.model.qwen.model.language_model
        device = language.embed_tokens.weight.device
        ids = batch.text.input_ids.to(device)
        embeds = language.embed_tokens(ids)
        unused: Tensor | float = 0.0
        rows = []
        for row, (seen, kind) in enumerate(zip(batch.seen, batch.kinds, strict=True)):
            where = ids[row] == self.ids[kind]
            if not seen:
                rows.append(embeds[row])
                continue
            tokens = self.fused(seen, kind)[: int(where.sum())]  # the end may have been cut off
            rows.append(embeds[row].masked_scatter(where[:, None], tokens.to(embeds)))
        if not any(batch.seen):  # all processes expect gradients of the same parameters
            others = (p for n, p in self.named_parameters() if any(x in n for x in self.projector))
            unused = sum(p.sum() * 0.0 for p in others if p.requires_grad)
        hidden = language(
            inputs_embeds=torch.stack(rows),
            attention_mask=batch.text.attention_mask.to(device),
            position_ids=batch.text.position_ids.to(device),
            use_cache=False,
        ).last_hidden_state
        return token_loss(self.model.qwen.lm_head, hidden, batch.text.labels.to(device)) + unused

    def fused(self, seen: Sequence[VideoInput], kind: str) -> Tensor:
        """Visual tokens ``[N, D]`` of a conversation's clips or images, one after the other.

        VGGT sees each clip by itself, and the images of a conversation as one clip in which each
        stands twice, as published.

        Raises:
            BadRequestError: images of one conversation differ in size.
        """
        model = self.model
        visual = model.qwen.model.visual
        device = model.qwen.lm_head.weight.device
        groups = [seen] if kind == IMAGE else [[one] for one in seen]
        found = []
        for group in groups:
            images = [one.images.to(device) for one in group]
            if len({tuple(one.shape[1:]) for one in images}) > 1:
                raise BadRequestError("images of one conversation must have one size after scaling")
            with torch.no_grad(), torch.autocast(device.type, enabled=False):
                geometry = model.geometry_tokens(torch.cat(images))
            for k, one in enumerate(group):
                count = TEMPORAL_MERGE * one.grid_thw[0]
                tokens = geometry[k * count : (k + 1) * count]
                semantic = see(visual, one.pixel_values.to(device, visual.dtype), one.grid_thw)
                found.append(model.connector(semantic, tokens, one.grid_thw))
        return torch.cat(found)

    def write(self, folder: Path, state: Mapping[str, Tensor]) -> None:
        """Write a checkpoint of the model's version, in bfloat16 as published."""
        config = read_json(self._base / "config.json")
        if self._vggt is not None:
            sizes = self.model.vggt.config
            config |= {
                "architectures": ["SpatialMLLMForConditionalGeneration"],
                "model_type": "spatial-mllm",
                "spatial_config": {
                    "img_size": sizes.img_size,
                    "patch_size": sizes.patch_size,
                    "embed_dim": sizes.embed_dim,
                },
                "connector_config": {
                    "connector_type": "mlp_add",
                    "spatial_embeds_layer_idx": self.model.layer,
                },
            }
        whole = dict(self._as_started())
        whole |= {self._official(name): tensor for name, tensor in state.items()}
        whole = {
            name: tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
            for name, tensor in whole.items()
            if name != _OUTPUT or not self.model.qwen.config.tie_word_embeddings
        }
        write_checkpoint(folder, whole, {**config, "torch_dtype": "bfloat16"}, self._base)

    def _as_started(self) -> Iterator[tuple[str, Tensor]]:
        """Tensors of the start by official names, those that were never loaded included."""
        prefix = FAMILIES[0].vggt
        with Shards.from_folder(self._base) as shards:
            for name in shards:
                yield official_qwen_name(name), shards[name].clone()
        if self._vggt is None:
            return
        path = self._vggt
        with Shards.from_folder(path, _VGGT_STEMS) if path.is_dir() else Shards([path]) as shards:
            for name in shards:
                yield prefix + name, shards[name].clone()
        for name, tensor in self.model.connector.state_dict().items():
            yield FAMILIES[0].connector + name, tensor.detach().cpu()

    def _official(self, name: str) -> str:
        name = name.removeprefix("model.")
        if name.startswith("qwen."):
            return official_qwen_name(name.removeprefix("qwen."))
        family: Any = next(one for one in FAMILIES if one.version == self.model.version)
        return str(family.connector) + name.removeprefix("connector.")
