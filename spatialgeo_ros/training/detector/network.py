# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nano detector: transformers' OWL-ViT at a thirtieth of its size, and its official files."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import OwlViTConfig, OwlViTForObjectDetection

from spatialgeo_ros.models.clip import CLIP_MEAN, CLIP_STD
from spatialgeo_ros.training.detector.phrases import NAMES, PHRASE_TOKENS
from spatialgeo_ros.training.detector.views import CELLS, SIDE

PATCH = 16
#: Arguments of ``OwlViTVisionConfig`` and ``OwlViTTextConfig``.
VISION_CONFIG: dict[str, Any] = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 6,
    "image_size": SIDE,
    "patch_size": PATCH,
    "hidden_act": "gelu",
}
TEXT_CONFIG: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": PHRASE_TOKENS,
    "hidden_act": "gelu",
}
#: Of the first position embeddings; those of patches are about 1.
_POSITION_SCALE = 0.4
#: What a score of a patch and a phrase is before anything was learnt: rare.
_FIRST_SCALE, _FIRST_SHIFT = 10.0, -0.7


def build_detector(tokenizer: Any, **vision: Any) -> OwlViTForObjectDetection:
    """Build with random weights.

    Args:
        tokenizer: of ``phrases.build_tokenizer``; the text tower is of its size.
        **vision: changes to :data:`VISION_CONFIG`.
    """
    text = {
        **TEXT_CONFIG, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    settings = {**VISION_CONFIG, **vision}
    config = OwlViTConfig(
        text_config=text,
        vision_config=settings,
        projection_dim=TEXT_CONFIG["hidden_size"],
    )
    model = OwlViTForObjectDetection(config)
    _reset_heads(model)
    side = settings["image_size"] // settings["patch_size"]
    with torch.no_grad():
        positions = _sinusoids(side, settings["hidden_size"]) * _POSITION_SCALE
        model.owlvit.vision_model.embeddings.position_embedding.weight[1:].copy_(positions)
    return model


def _reset_heads(model: OwlViTForObjectDetection) -> None:
    """Draw the heads anew: the library, which only loads them, leaves them at a deviation of 1."""
    head = model.class_head
    for linear in (head.dense0, model.box_head.dense0, model.box_head.dense1):
        nn.init.xavier_uniform_(linear.weight)
    # A box starts as its patch, a score as that of something rare.
    nn.init.normal_(model.box_head.dense2.weight, std=0.01)
    for linear, bias in ((head.logit_scale, _FIRST_SCALE - 1), (head.logit_shift, _FIRST_SHIFT)):
        nn.init.normal_(linear.weight, std=0.01)
        nn.init.constant_(linear.bias, bias)


def _sinusoids(side: int, width: int) -> Tensor:
    """Sines and cosines of both coordinates, [side * side, width] (Beyer et al. 2022)."""
    rates = 1.0 / 100.0 ** (torch.arange(width // 4) / (width // 4 - 1))
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angles = [place.flatten()[:, None] * rates for place in (x, y)]
    return torch.cat([f(angle) for angle in angles for f in (torch.sin, torch.cos)], 1)


class TrainedDetector(nn.Module):
    """The detector with what only its training needs.

    Every cell of the image is told which name it shows: from that a small network learns what
    things look like long before its boxes are good (as the nano CLIP does, ``contrastive.py``).
    """

    def __init__(self, detector: OwlViTForObjectDetection) -> None:
        super().__init__()
        self.detector = detector
        patches = detector.owlvit.vision_model.embeddings.patch_embedding
        self.grid = detector.num_patches_height
        self._per_patch = CELLS // self.grid
        if self._per_patch * self.grid != CELLS:
            raise ValueError(f"{self.grid} patches along a side do not divide {CELLS} cells")
        self.cell_head = nn.Linear(patches.out_channels, self._per_patch**2 * (len(NAMES) + 1))

    def phrases(self, ids: Tensor) -> Tensor:
        """Embeddings [T, E] of token ids [T, L], padded with 0."""
        text = self.detector.owlvit.text_model(input_ids=ids, attention_mask=(ids > 0).long())
        embedding: Tensor = self.detector.owlvit.text_projection(text.pooler_output)
        return F.normalize(embedding, dim=-1)

    def forward(self, pixels: Tensor, phrases: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look for the same phrases in all images.

        Args:
            pixels: [B, 3, S, S].
            phrases: [T, E] of :meth:`phrases`.

        Returns:
            logits [B, P, T], boxes [B, P, 4] (centre and size, as shares of the sides), cells
            [B, C, C, N + 1] logits of the names and of no name.
        """
        grid = self.detector.image_embedder(pixel_values=pixels)[0].float()
        tokens = grid.flatten(1, 2)
        with torch.autocast(pixels.device.type, enabled=False):
            queries = phrases.float().expand(len(tokens), -1, -1)
            logits = self.detector.class_predictor(tokens, queries)[0]
            boxes = self.detector.box_predictor(tokens, grid)
            cells = self.cell_head(grid)
        k, side = self._per_patch, self.grid
        cells = cells.view(len(cells), side, side, k, k, -1).permute(0, 1, 3, 2, 4, 5)
        return logits, boxes, cells.reshape(len(cells), side * k, side * k, -1)


def save_checkpoint(detector: OwlViTForObjectDetection, tokenizer: Any, folder: Path) -> str:
    """Write the official layout, weights in float16; returns their SHA-256.

    The files are ``config.json``, ``model.safetensors``, ``processor_config.json`` and the
    tokenizer's: ``OwlViTForObjectDetection.from_pretrained(folder)`` reads them.
    """
    from transformers import OwlViTProcessor
    from transformers.models.owlvit import OwlViTImageProcessorPil

    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(detector).half().save_pretrained(folder)
    patches = detector.owlvit.vision_model.embeddings.patch_embedding
    side = detector.num_patches_height * patches.stride[0]
    images = OwlViTImageProcessorPil(
        size={"height": side, "width": side}, crop_size={"height": side, "width": side},
        image_mean=list(CLIP_MEAN), image_std=list(CLIP_STD),
    )  # fmt: skip
    OwlViTProcessor(images, tokenizer).save_pretrained(folder)
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
