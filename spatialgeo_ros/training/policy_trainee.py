# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Group relative policy optimisation of Spatial-MLLM: rollouts, rewards and the policy's loss.

The authors released no code of it; what is reconstructed is said in docs/training.md. A clip's
tokens are computed once for each prompt: rollouts, policy and reference share them, and policy and
reference read all completions of a prompt behind one copy of it. So both encoders, Qwen's merger
and the connector stay as they are, and the language model learns.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.models.packing import packed_attention_mask, packed_position_ids
from spatialgeo_ros.models.spatial_mllm import SpatialMllm, VisualTokens
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.stream import generate
from spatialgeo_ros.training.clip_data import VIDEO, ClipData
from spatialgeo_ros.training.group_policy import group_advantages, policy_loss
from spatialgeo_ros.training.problem_data import (
    Problem,
    ProblemBatch,
    ProblemData,
    collate_problems,
)
from spatialgeo_ros.training.processes import make_accelerator
from spatialgeo_ros.training.recipe import LANGUAGE, PolicyRecipe
from spatialgeo_ros.training.rewards import group_rewards
from spatialgeo_ros.training.spatial_mllm_trainee import SpatialMllmTrainee, load_mllm_start
from spatialgeo_ros.training.trainee import Work
from spatialgeo_ros.training.trainer import Training

#: Tokens whose logits, 152,000 each, are in memory together.
_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Rollouts:
    """Completions of one prompt.

    Attributes:
        ids: ``[T]`` of the prompt, ``<|video_pad|>`` for visual tokens.
        visual: ``[N, D]`` the clip's tokens.
        positions: ``[3, 1, T]``.
        completions: token ids of each, the end token included.
        advantages: ``[G]``.
        reference: ``[G, L]`` log-probabilities by the reference, 0 where a completion has ended.
    """

    ids: Tensor
    visual: Tensor
    positions: Tensor
    completions: tuple[tuple[int, ...], ...]
    advantages: Tensor
    reference: Tensor


class PolicyTrainee(SpatialMllmTrainee):
    """Spatial-MLLM as a policy beside the model it started from.

    Args:
        model: from ``load_mllm_start``.
        recipe: see there.
        base: as for ``load_mllm_start``.
        vggt: likewise.
        rank: of this process, for draws of its own.
    """

    def __init__(
        self,
        model: SpatialMllm,
        recipe: PolicyRecipe,
        base: Path,
        vggt: Path | None,
        rank: int = 0,
    ) -> None:
        reference = copy.deepcopy(model.qwen.model.language_model)
        head = (
            reference.embed_tokens if model.qwen.config.tie_word_embeddings else model.qwen.lm_head
        )
        super().__init__(model, (LANGUAGE,), recipe.optimisation.checkpointing, base, vggt)
        # In lists: neither is of the weights that are kept, or shared out among processes.
        self._reference = [reference.requires_grad_(False).eval()]
        self._reference_head = head.weight.detach().clone()
        self.recipe, self._rank = recipe, rank
        # Without graphs: what they would read is rounded anew whenever the weights have changed.
        self._decoder = [Decoder(model.qwen, "eager")]

    def forward(self, batch: Sequence[Rollouts]) -> Tensor:  # type: ignore[override]
        """Mean loss of the prompts' groups."""
        language = self.model.qwen.model.language_model
        losses = []
        for one in batch:
            logps, mask = completion_logps(
                language, self.model.qwen.lm_head.weight, one, self.ids[VIDEO]
            )
            losses.append(
                policy_loss(
                    logps, one.reference, one.advantages, mask,
                    beta=self.recipe.beta, clip=self.recipe.clip_ratio,
                )
            )  # fmt: skip
        if not losses:  # all processes expect gradients of the same parameters
            return torch.stack([p.sum() * 0.0 for p in self.parameters() if p.requires_grad]).sum()
        return torch.stack(losses).mean()

    @torch.no_grad()
    def roll_out(self, batch: ProblemBatch, number: int) -> tuple[list[Rollouts], dict[str, float]]:
        """Answer each problem several times by the policy, and judge the answers.

        Args:
            batch: the problems.
            number: of the pass, from which the draws follow: a resumed run draws the same.

        Returns:
            For :meth:`forward`, and means for the log: "reward" and its parts "format", "task" and
            "bonus", "completion" (tokens), "cut" (share that never ended) and "same" (share of the
            groups whose rewards are equal, which teach nothing).
        """
        self.eval()
        rows: list[dict[str, float]] = []
        found = []
        for place, problem in enumerate(batch.problems):
            rollouts, facts = self._group(problem, number, place)
            found.append(rollouts)
            rows.append(facts)
        names = ("reward", "format", "task", "bonus", "completion", "cut", "same")
        return found, {k: float(np.mean([row[k] for row in rows])) if rows else 0.0 for k in names}

    def _group(
        self, problem: Problem, number: int, place: int
    ) -> tuple[Rollouts, dict[str, float]]:
        model, recipe = self.model, self.recipe
        assert problem.clip is not None
        tokens = self.fused([problem.clip], VIDEO)
        visual = VisualTokens(tokens, problem.clip.grid_thw, problem.seconds)
        inputs = model.prompt_inputs(visual, problem.text)
        seeds = np.random.SeedSequence([recipe.optimisation.seed, number, self._rank, place])
        said = [
            generate(
                self._decoder[0],
                model.tokenizer,
                inputs.inputs_embeds,
                Sampling(recipe.completion_length, recipe.temperature, recipe.top_p, int(seed)),
                prefix_key=(number, place),
                prefix_length=len(inputs.ids) - 1,
                position_ids=inputs.position_ids,
                end_ids=model.end_ids,
            )
            for seed in seeds.generate_state(recipe.group)
        ]
        self._decoder[0].forget()
        lengths = [len(one.ids) for one in said]
        rewards = group_rewards(
            problem.kind, problem.solution, [one.text for one in said],
            lengths if recipe.length_bonus else (), recipe.rewards,
        )  # fmt: skip
        device = tokens.device
        totals = torch.tensor([one.total for one in rewards], device=device)
        rollouts = Rollouts(
            torch.tensor(inputs.ids, device=device), tokens, inputs.position_ids.clone(),
            tuple(one.ids for one in said), group_advantages(totals), torch.zeros(0),
        )  # fmt: skip
        reference, _ = completion_logps(
            self._reference[0], self._reference_head, rollouts, self.ids[VIDEO]
        )
        rollouts = Rollouts(
            rollouts.ids, tokens, rollouts.positions, rollouts.completions, rollouts.advantages,
            reference,
        )  # fmt: skip
        return rollouts, {
            "reward": float(totals.mean()),
            "format": float(np.mean([one.format for one in rewards])),
            "task": float(np.mean([one.task for one in rewards])),
            "bonus": float(np.mean([one.length for one in rewards])),
            "completion": float(np.mean(lengths)),
            "cut": float(np.mean([one.stopped == "length" for one in said])),
            "same": float(totals.std() == 0),
        }


def completion_logps(
    language: Any, head: Tensor, one: Rollouts, visual_id: int
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the completions of a prompt, in one pass behind one copy of it.

    Args:
        language: a language model of Qwen2.5-VL.
        head: ``[V, D]`` weights of its output layer.
        one: prompt and completions.
        visual_id: token that stands for a visual token.

    Returns:
        ``[G, L]`` float32, 0 where a completion has ended, and where it has a token ``[G, L]``.
    """
    device = one.ids.device
    lengths = [len(completion) for completion in one.completions]
    prompt = len(one.ids)
    flat = torch.tensor([k for completion in one.completions for k in completion], device=device)
    blocks = torch.repeat_interleave(
        torch.arange(len(lengths), device=device), torch.tensor(lengths, device=device)
    )[None]
    embeds = language.embed_tokens(torch.cat([one.ids, flat]))
    is_visual = F.pad(one.ids == visual_id, (0, len(flat)))
    embeds = embeds.masked_scatter(is_visual[:, None], one.visual.to(embeds))[None]
    # The answer goes on in every row after the largest position of the prompt.
    after = packed_position_ids(blocks, 0, None) + one.positions.amax() + 1
    positions = torch.cat([one.positions.to(device), after.expand(3, 1, -1)], -1)
    hidden = language(
        inputs_embeds=embeds,
        attention_mask=packed_attention_mask(blocks, prompt, None, embeds.dtype),
        position_ids=positions,
        use_cache=False,
    ).last_hidden_state[0]
    # The first token follows the prompt, each other one the token before it.
    index = torch.arange(prompt, prompt + len(flat), device=device) - 1
    starts = torch.tensor([0, *np.cumsum(lengths)[:-1]], device=device)
    index[starts] = prompt - 1
    pieces = zip(hidden[index].split(_AT_ONCE), flat.split(_AT_ONCE), strict=True)
    # Computed a second time for the gradients: kept, logits would take more than the model.
    chosen = torch.cat([checkpoint(_chosen, a, head, b, use_reentrant=False) for a, b in pieces])
    mask = torch.arange(max(lengths), device=device) < torch.tensor(lengths, device=device)[:, None]
    logps = torch.zeros(mask.shape, device=device).masked_scatter(mask, chosen)
    return logps, mask


def _chosen(hidden: Tensor, head: Tensor, ids: Tensor) -> Tensor:
    """Log-probabilities ``[N]`` of tokens that follow hidden states ``[N, D]``."""
    logits = F.linear(hidden, head).float()
    return logits.gather(1, ids[:, None])[:, 0] - logits.logsumexp(-1)


def train_policy(
    name: str,
    recipe: PolicyRecipe,
    base: Path,
    vggt: Path | None,
    data: str,
    files: Path,
    output: Path,
    device: str,
) -> None:
    """Run a training; see ``command`` for the arguments.

    Raises:
        BadRequestError: the launch keeps pieces of the weights on each GPU, which cannot write.
    """
    accelerator = make_accelerator(recipe.optimisation, device)
    engine = str(accelerator.distributed_type).split(".")[-1]
    plugin = accelerator.state.deepspeed_plugin
    if engine == "FSDP" or (plugin is not None and plugin.zero_stage == 3):
        raise BadRequestError(
            "completions need whole weights on each GPU: launch with copies.yaml or zero2.yaml"
        )
    model = load_mllm_start(base, vggt, recipe.optimisation, accelerator.device)
    rate = model.qwen.model.visual.config.tokens_per_second
    clips = ClipData(data, files, model.chat, recipe.frames, rate)
    problems = ProblemData(clips, recipe.instruction, recipe.rewards)
    trainee = PolicyTrainee(model, recipe, base, vggt, accelerator.process_index)

    def prepare(batch: ProblemBatch, number: int) -> tuple[list[Rollouts], dict[str, float]]:
        with accelerator.autocast():
            return trainee.roll_out(batch, number)

    work = Work(
        problems, collate_problems, recipe.optimisation, output, prepare=prepare,
        facts={"training": name, "loss": "group relative policy optimisation"},
    )  # fmt: skip
    Training(accelerator, trainee, work).run()
