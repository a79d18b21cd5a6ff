# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trains the nano CLIP: whole images against captions, and patches against object names.

The caption loss is CLIP's (Radford et al. 2021). Alone it says too little about where things are,
so each patch is also told which names it shows, against every name there is: that is what the
patch-text similarity of a phrase is read from at run time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from spatialgeo_ros.models.clip import NANO_TEXT_CONFIG, NANO_VISION_CONFIG, Clip
from spatialgeo_ros.sim.furniture import COLOURS, KINDS
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer
from spatialgeo_ros.training.data import FrameStore, SeenObject, augment
from spatialgeo_ros.training.loop import Schedule, device_of, train

#: What a patch shows that shows no object.
BACKGROUND = "room"
#: Words of captions and names that the question templates may lack.
CAPTION_WORDS = (*KINDS, *COLOURS, BACKGROUND, "a", "and", "with")


def object_names() -> list[str]:
    """Every name an object can have, in a fixed order, then the background's."""
    names = [f"{colour} {kind}" for kind in KINDS if kind != "plant" for colour in COLOURS]
    return [*names, "plant", BACKGROUND]


def caption(seen: list[SeenObject], rng: np.random.Generator) -> str:
    """Name up to four objects of a frame, in random order."""
    names = [thing.truth.name for thing in seen]
    picked = [names[k] for k in rng.permutation(len(names))[:4]]
    return "a room with a " + " and a ".join(picked) if picked else "a room"


def token_batch(tokenizer: LanguageTokenizer, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Right-padded ids and attention mask, each [T, L], ending with the end-of-sequence token."""
    rows = [tokenizer.encode(text, add_bos=True, add_eos=True) for text in texts]
    length = max(len(row) for row in rows)
    ids = torch.full((len(rows), length), tokenizer.pad_id)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for k, row in enumerate(rows):
        ids[k, : len(row)] = torch.tensor(row)
        mask[k, : len(row)] = 1
    return ids, mask


class ContrastiveTask:
    """Batches, losses and scores of the nano CLIP over one set of frames."""

    def __init__(
        self, store: FrameStore, tokenizer: LanguageTokenizer, device: torch.device | str = "cpu"
    ) -> None:
        self.store, self.tokenizer = store, tokenizer
        self.names = object_names()
        self._number = {name: k for k, name in enumerate(self.names)}
        self._device = device
        self._names_ids = self._tokens(self.names)

    def _tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        ids, mask = token_batch(self.tokenizer, texts)
        return ids.to(self._device), mask.to(self._device)

    def _batch(
        self, frames: np.ndarray, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, list[str]]:
        images, targets, captions = [], [], []
        for frame in frames:
            seen = self.store.seen(int(frame), 0.002)
            image = augment(self.store.image[frame], rng)
            target = np.zeros((len(self.names), seen[0].coverage.size if seen else 48), np.float32)
            for thing in seen:
                target[self._number[thing.truth.name]] += thing.coverage
            target[-1] = np.clip(1.0 - target[:-1].sum(0), 0.0, 1.0)
            if rng.random() < 0.5:
                image = image[:, ::-1]
                rows, columns = NANO_VISION_CONFIG["grid"]
                target = target.reshape(-1, rows, columns)[:, :, ::-1].reshape(target.shape)
            images.append(image.transpose(2, 0, 1))
            targets.append(target)
            captions.append(caption(seen, rng))
        return (
            torch.from_numpy(np.ascontiguousarray(np.stack(images))).to(self._device),
            torch.from_numpy(np.ascontiguousarray(np.stack(targets))).to(self._device),
            captions,
        )

    def loss(
        self, model: Clip, frames: np.ndarray, rng: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Patch loss plus a tenth of the caption loss."""
        image, target, captions = self._batch(frames, rng)
        penultimate, last = model.encode(model.normalise(image))
        patches = model.patch_embedding(model.patch_features(penultimate))
        names = model.text_embedding(*self._names_ids)
        logits = model.logit_scale.exp().clamp(max=100) * patches @ names.T
        # Background fills most patches: objects count four times as much.
        share = target.transpose(1, 2)
        is_object = torch.arange(share.shape[-1], device=self._device) < share.shape[-1] - 1
        share = share * torch.where(is_object, 4.0, 1.0)
        weight = share.sum(-1)
        share = share / weight.clamp_min(1e-6)[..., None]
        entropy = -(share * logits.log_softmax(-1)).sum(-1)
        patch_loss = (entropy * weight).sum() / weight.sum()
        text = model.text_embedding(*self._tokens(captions))
        similar = model.contrastive_logits(model.image_embedding(last), text)
        # Two frames with the same caption are both right.
        alike = [[float(a == b) for b in captions] for a in captions]
        same = torch.tensor(alike, device=self._device)
        same = same / same.sum(1, keepdim=True)
        pairs = F.cross_entropy(similar, same) + F.cross_entropy(similar.T, same)
        loss = patch_loss + 0.05 * pairs
        return loss, {"patch": float(patch_loss.detach()), "caption": float(pairs.detach()) / 2}

    @torch.inference_mode()
    def scores(self, model: Clip, frames: np.ndarray) -> dict[str, float]:
        """Pointing accuracy and naming accuracy on objects that cover at least 1 % of the image.

        Pointing: the patch most similar to an object's name shows that object (a tenth of the
        patch at least). Naming: among all names, the object's own is the most similar to the
        patches it covers.
        """
        model.eval()
        names = model.text_embedding(*self._names_ids)
        pointed, named, kinds = [], [], []
        for frame in frames:
            pixels = self.store.image[frame].transpose(2, 0, 1)[None] / 255.0
            image = torch.from_numpy(pixels).float().to(self._device)
            features = model(model.normalise(image))
            similar = (model.patch_embedding(features)[0] @ names.T).cpu().numpy()
            for thing in self.store.seen(int(frame), 0.01):
                number = self._number[thing.truth.name]
                pointed.append(thing.coverage[similar[:, number].argmax()] >= 0.1)
                weights = torch.from_numpy(thing.coverage)[None, None].to(self._device)
                region = model.region_embedding(features, weights)[0, 0]
                best = self.names[int((names[:-1] @ region).argmax())]
                named.append(best == thing.truth.name)
                kinds.append(best.split()[-1] == thing.truth.kind)
        return {
            "pointing": float(np.mean(pointed)),
            "naming": float(np.mean(named)),
            "kind": float(np.mean(kinds)),
        }


def train_contrastive(
    store: FrameStore,
    held_out: FrameStore,
    tokenizer: LanguageTokenizer,
    folder: Path,
    schedule: Schedule,
    device: torch.device | str = "cpu",
) -> Clip:
    """Train, or go on from the checkpoint in ``folder``; returns the trained towers."""
    torch.manual_seed(schedule.seed)
    model = Clip(NANO_VISION_CONFIG, {**NANO_TEXT_CONFIG, "vocab_size": len(tokenizer)}).to(device)
    where = device_of(model)
    task, watch = (ContrastiveTask(one, tokenizer, where) for one in (store, held_out))
    watched = np.linspace(0, len(held_out) - 1, min(100, len(held_out))).astype(int)
    train(
        model,
        len(store),
        lambda frames, rng: task.loss(model, frames, rng),
        lambda: watch.scores(model, watched),
        folder,
        schedule,
    )
    return model
