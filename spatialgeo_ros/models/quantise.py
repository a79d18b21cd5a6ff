# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""4-bit language models through bitsandbytes (NF4 of QLoRA, Dettmers et al. 2023)."""

from __future__ import annotations

import torch
from torch import nn
from transformers import LlamaForCausalLM

from spatialgeo_ros.errors import ModelLoadError

# The last layer turns hidden states into logits; its rounding errors reach the answer directly.
UNQUANTISED = ("lm_head",)


def quantise_nf4(
    model: LlamaForCausalLM, device: torch.device | str = "cpu", compute: torch.dtype | None = None
) -> LlamaForCausalLM:
    """Replace the linear layers inside the transformer by NF4 ones, in place.

    Quantised after loading, never before: copying float weights into packed ones fails on their
    shape. What stays as it is: ``lm_head``, the embedding table and the norms; the image towers,
    the projectors and the region encoder are not part of this module and are small, and the
    measured geometry depends on them.

    Args:
        model: With its weights loaded.
        device: Where it will run; packing happens there.
        compute: Of the matrix products; float16 on a GPU and float32 on a CPU by default.

    Returns:
        The same model, without gradients, on ``device``.

    Raises:
        ModelLoadError: bitsandbytes is missing or cannot quantise on this device.
    """
    try:
        import bitsandbytes as bnb
    except ImportError as error:
        raise ModelLoadError(
            "4-bit needs bitsandbytes: pip install bitsandbytes, or load without load_4bit"
        ) from error
    target = torch.device(device)
    if compute is None:
        compute = torch.float32 if target.type == "cpu" else torch.float16
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if not isinstance(layer, nn.Linear) or name.split(".")[-1] in UNQUANTISED:
            continue
        packed = bnb.nn.Linear4bit(
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            compute_dtype=compute,
            compress_statistics=True,
            quant_type="nf4",
            device="meta",
        )
        packed.weight = bnb.nn.Params4bit(
            layer.weight.data.to(compute),
            requires_grad=False,
            quant_type="nf4",
            compress_statistics=True,
            module=packed,
        )
        if layer.bias is not None:
            packed.bias = nn.Parameter(layer.bias.data.to(compute), requires_grad=False)
        try:
            packed = packed.to(target)
        except (RuntimeError, NotImplementedError, AssertionError) as error:
            raise ModelLoadError(
                f"bitsandbytes cannot pack '{name}' to 4 bits on {target}: {error}"
            ) from error
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, packed)
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.dtype != torch.uint8 and parameter.is_floating_point():
                parameter.data = parameter.data.to(compute)
    nn.Module.to(model, target)
    return model.eval()
