# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Group relative policy optimisation (Shao et al. 2024, arXiv 2402.03300) as in Video-R1."""

from __future__ import annotations

import torch
from torch import Tensor

BETA = 0.04  # weight of the divergence from the reference model
_TINY = 1e-4  # added to the standard deviation of a group's rewards
_MOST_APART = 10.0  # of two log-probabilities, before the exponential


def group_advantages(rewards: Tensor) -> Tensor:
    """Standardise the rewards of each group by its mean and unbiased standard deviation.

    Args:
        rewards: ``[..., G]``, one group in the last dimension.
    """
    mean = rewards.mean(-1, keepdim=True)
    return (rewards - mean) / (rewards.std(-1, keepdim=True) + _TINY)


def divergence(logps: Tensor, reference: Tensor) -> Tensor:
    """Unbiased estimate of the KL divergence from the reference, of each token.

    ``exp(x) - x - 1`` with x = reference - policy (Schulman 2020), cut at 10 either way.

    Args:
        logps: log-probabilities of the tokens by the policy.
        reference: by the reference model.
    """
    apart = (reference - logps).clamp(-_MOST_APART, _MOST_APART)
    return apart.exp() - apart - 1


def policy_loss(
    logps: Tensor,
    reference: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    beta: float = BETA,
    old: Tensor | None = None,
    clip: float | None = None,
) -> Tensor:
    """Loss of a group of completions: mean over tokens, then over completions.

    Args:
        logps: ``[G, T]`` log-probabilities of the completions' tokens by the policy.
        reference: ``[G, T]`` by the reference model.
        advantages: ``[G]``.
        mask: ``[G, T]``, 1 where a completion has a token.
        beta: weight of the divergence.
        old: ``[G, T]`` by the policy that wrote them; None where that is this one, as with one
            update for each batch of completions.
        clip: how far the ratio of new to old may be from 1 before it stops counting; None for
            any.

    Returns:
        A scalar.
    """
    before = logps.detach() if old is None else old
    ratio = (logps - before).exp()
    gain = ratio * advantages[:, None]
    if clip is not None:
        gain = torch.minimum(gain, ratio.clamp(1 - clip, 1 + clip) * advantages[:, None])
    lost = -(gain - beta * divergence(logps, reference))
    counted = mask.to(lost)
    return ((lost * counted).sum(1) / counted.sum(1)).mean()
