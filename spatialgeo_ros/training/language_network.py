# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trains the nano language model and SpatialGeo's adapters on questions about rendered rooms.

Three stages, after SpatialGeo's recipe. The paper starts from LLaVA, which has no nano size, so
"base" makes one: language model and CLIP projector on region tokens alone, without the image's
tokens: those cost time and teach nothing yet. Stage 1 then trains only the MoGe projectors,
stage 2 everything, with CLIP tokens dropped for 30 % of the images. Towers stay frozen throughout.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spatialgeo_ros.models.fusion import IGNORE_LABEL, draw_keep_clip
from spatialgeo_ros.models.packing import next_token_targets
from spatialgeo_ros.models.spatialgeo import (
    NANO_ADAPTER_CONFIG,
    NANO_LANGUAGE_CONFIG,
    SpatialGeoModel,
)
from spatialgeo_ros.speech.prompts import template
from spatialgeo_ros.speech.tokenizer import REGION_ID, LanguageTokenizer
from spatialgeo_ros.training.answer_scores import score_answers
from spatialgeo_ros.training.features import FrameFeatures
from spatialgeo_ros.training.loop import Schedule, device_of, train
from spatialgeo_ros.training.questions import QA, make_questions

#: Width of the soft label over number tokens: share of the value, and metres at least.
SOFT_SHARE, SOFT_METRES = 0.06, 0.04


@dataclass
class PackedBatch:
    """Questions about some frames, packed behind each frame's visual tokens.

    Attributes:
        clip: [B, P, Dc]. moge: four of [B, P, Dm]. weights: [B, R, P]. statistics: [B, R, 16].
        ids, labels, block_ids, slots: [B, T]; see ``SpatialGeoModel.forward_packed``.
        values: [B, T] metres that the label at a position stands for, NaN elsewhere.
        questions: per frame, in the order of the blocks.
    """

    clip: Tensor
    moge: list[Tensor]
    weights: Tensor
    statistics: Tensor
    ids: Tensor
    labels: Tensor
    block_ids: Tensor
    slots: Tensor
    values: Tensor
    questions: list[list[QA]]

    def to(self, device: torch.device) -> PackedBatch:
        """Return the batch on a device."""
        moved: dict[str, Any] = {
            field.name: value.to(device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        moved["moge"] = [layer.to(device) for layer in self.moge]
        return replace(self, **moved)


class LanguageTask:
    """Batches, losses and scores of the language model over encoded frames."""

    def __init__(
        self, frames: list[FrameFeatures], tokenizer: LanguageTokenizer, questions_per_frame: int
    ) -> None:
        self.frames = [frame for frame in frames if len(frame.objects) >= 1]
        self.tokenizer = tokenizer
        self.count = questions_per_frame
        self._prompt = template("nano")
        numbers, values = tokenizer.number_tokens()
        self._numbers = torch.tensor(numbers)
        end = tokenizer.eos_id
        if end is None:
            raise ValueError("answers need an end-of-sequence token")
        self._end: int = end
        self._values = torch.tensor(values)

    def __len__(self) -> int:
        return len(self.frames)

    def _row(self, questions: list[QA]) -> dict[str, list[float]]:
        row: dict[str, list[float]] = {k: [] for k in ("ids", "labels", "block", "slot", "value")}
        for block, question in enumerate(questions):
            prompt = self.tokenizer.encode(
                self._prompt.build(question.question, images=0), add_bos=False
            )
            reply = self.tokenizer.encode(question.answer, add_bos=False, add_eos=True)
            regions = iter(question.regions)
            row["ids"] += prompt + reply
            row["labels"] += [IGNORE_LABEL] * len(prompt) + reply
            row["block"] += [block] * (len(prompt) + len(reply))
            row["slot"] += [next(regions) if i == REGION_ID else 0 for i in prompt + reply]
            metres = question.value is not None and question.answer.endswith("meters")
            value = float(question.value or 0.0) if metres else float("nan")
            row["value"] += [float("nan")] * len(prompt)
            row["value"] += [value] + [float("nan")] * (len(reply) - 1)
        return row

    def batch(self, indices: np.ndarray, rng: np.random.Generator, vary: bool) -> PackedBatch:
        """Ask about frames; with ``vary`` a region's mask is one of its variants at random."""
        chosen = [self.frames[int(i)] for i in indices]
        asked = [make_questions(frame.objects, rng, self.count) for frame in chosen]
        rows = [self._row(questions) for questions in asked]
        length = max(1, *(len(row["ids"]) for row in rows))
        fill = {"ids": self.tokenizer.pad_id, "labels": IGNORE_LABEL, "block": -1, "slot": 0}

        def stacked(key: str) -> Tensor:
            value = fill.get(key, float("nan"))
            return torch.tensor([row[key] + [value] * (length - len(row[key])) for row in rows])

        most = max(len(frame.objects) for frame in chosen)
        weights = np.zeros((len(chosen), most, chosen[0].clip.shape[0]), np.float32)
        statistics = np.zeros((len(chosen), most, 16), np.float32)
        for k, frame in enumerate(chosen):
            variant = int(rng.integers(len(frame.weights))) if vary else 0
            weights[k, : len(frame.objects)] = frame.weights[variant]
            statistics[k, : len(frame.objects)] = frame.statistics[variant]
        layers = torch.from_numpy(np.stack([frame.moge for frame in chosen], 1)).float()
        return PackedBatch(
            torch.from_numpy(np.stack([frame.clip for frame in chosen])).float(),
            list(layers),
            torch.from_numpy(weights),
            torch.from_numpy(statistics),
            stacked("ids"),
            stacked("labels"),
            stacked("block"),
            stacked("slot"),
            stacked("value"),
            asked,
        )

    def logits(
        self, model: SpatialGeoModel, batch: PackedBatch, stage: str, keep: list[bool] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run the model on a batch.

        Returns:
            Logits [N, vocabulary] where an answer token is predicted, its ids [N] and values [N].
        """
        clip = model.adapter.project_clip(batch.clip)
        moge = model.adapter.project_moge(batch.moge)
        kept = None if keep is None else torch.tensor(keep, device=clip.device)
        if stage == "base":
            moge = torch.zeros_like(moge)
            visual, valid = clip[:, :0], None
        else:
            visual, valid = model.visual_embeds(batch.clip, batch.moge, keep)
        regions = model.adapter.region_embeddings(clip, moge, batch.weights, batch.statistics, kept)
        bos = self.tokenizer.bos_id
        prefix, valid = model.prefix(visual, valid, [] if bos is None else [bos])
        text = model.text_embeds(batch.ids, regions, batch.slots)
        targets = next_token_targets(batch.labels, batch.block_ids)
        select = targets != IGNORE_LABEL
        values = torch.cat([batch.values[:, 1:], batch.values[:, :1]], dim=1)[select]
        out = model.forward_packed(prefix, text, batch.block_ids, prefix_valid=valid, select=select)
        return out, targets[select], values

    def loss(self, logits: Tensor, targets: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy; number tokens get a soft label around the true value.

        Returns:
            Summed loss over number tokens and over all other answer tokens, each divided by the
            number of answers. Means over tokens would drown the one word that decides an answer
            among units and end-of-sequence tokens.
        """
        log_probability = logits.log_softmax(-1)
        is_number = torch.isfinite(values)
        plain = -log_probability.gather(1, targets[:, None])[:, 0]
        width = SOFT_SHARE * values[is_number] + SOFT_METRES
        apart = (self._values.to(values)[None] - values[is_number][:, None]) / width[:, None]
        soft = (-0.5 * apart.square()).softmax(-1)
        number = -(soft * log_probability[is_number][:, self._numbers.to(logits.device)]).sum(-1)
        answers = targets.eq(self._end).sum().clamp(min=1)
        return number.sum() / answers, plain[~is_number].sum() / answers

    def step(
        self, model: SpatialGeoModel, stage: str, indices: np.ndarray, rng: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """One training step's loss."""
        batch = self.batch(indices, rng, vary=True).to(device_of(model))
        keep = None
        if stage == "stage2":
            keep = draw_keep_clip(len(indices), random.Random(int(rng.integers(2**31))))
        number, word = self.loss(*self.logits(model, batch, stage, keep))
        return number + word, {"number": float(number.detach()), "word": float(word.detach())}

    @torch.inference_mode()
    def answers(
        self, model: SpatialGeoModel, stage: str, indices: np.ndarray, seed: int = 0
    ) -> list[tuple[QA, str]]:
        """Ask about frames and decode greedily; returns each question with the model's answer.

        An answer is decided by teacher forcing: a greedy decoder gives exactly the true answer
        when the most likely token is the true one at every position, and its first token otherwise.
        """
        model.eval()
        results: list[tuple[QA, str]] = []
        for start in range(0, len(indices), 8):
            rng = np.random.default_rng([seed, start])
            batch = self.batch(indices[start : start + 8], rng, vary=False).to(device_of(model))
            logits, _, _ = self.logits(model, batch, stage, None)
            best = iter(logits.argmax(-1).tolist())
            for row, questions in enumerate(batch.questions):
                for block, question in enumerate(questions):
                    here = batch.block_ids[row] == block
                    wanted = int((batch.labels[row][here] != IGNORE_LABEL).sum())
                    tokens = [next(best) for _ in range(wanted)]
                    results.append((question, self.tokenizer.decode(tokens)))
        return results

    def scores(self, model: SpatialGeoModel, stage: str, indices: np.ndarray) -> dict[str, float]:
        """Share right per family, and over the number and the word questions."""
        return score_answers(self.answers(model, stage, indices))


def _trainable(model: SpatialGeoModel, stage: str) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(stage != "stage1" or "moge_mm_projector_list" in name)


def train_language(
    frames: list[FrameFeatures],
    held_out: list[FrameFeatures],
    tokenizer: LanguageTokenizer,
    folder: Path,
    schedules: dict[str, Schedule],
    questions_per_frame: int = 16,
    device: torch.device | str = "cpu",
) -> SpatialGeoModel:
    """Run the stages in order, each resumable; returns the model with its adapters.

    Args:
        frames: encoded frames to learn from.
        held_out: encoded frames of other rooms, for the scores in the log.
        tokenizer: the nano tokenizer.
        folder: one sub-folder per stage is written here.
        schedules: of "base", "stage1" and "stage2".
        questions_per_frame: questions that share one frame's visual tokens in a step.
        device: where it is trained.
    """
    first = next(iter(schedules.values()))
    torch.manual_seed(first.seed)
    language = {**NANO_LANGUAGE_CONFIG, "vocab_size": len(tokenizer)}
    model = SpatialGeoModel(language, NANO_ADAPTER_CONFIG).to(device)
    task = LanguageTask(frames, tokenizer, questions_per_frame)
    watch = LanguageTask(held_out, tokenizer, questions_per_frame)
    watched = np.linspace(0, len(watch) - 1, min(60, len(watch))).astype(int)
    for stage, schedule in schedules.items():
        _trainable(model, stage)

        def step(
            indices: np.ndarray, rng: np.random.Generator, stage: str = stage
        ) -> tuple[Tensor, dict[str, float]]:
            return task.step(model, stage, indices, rng)

        def evaluate(stage: str = stage) -> dict[str, float]:
            return watch.scores(model, stage, watched)

        train(model, len(task), step, evaluate, folder / stage, schedule)
    _trainable(model, "stage2")
    return model
