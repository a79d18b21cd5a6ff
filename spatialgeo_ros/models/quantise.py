# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Language models in 4 bits (NF4 of QLoRA, Dettmers et al. 2023) or 8 (LLM.int8(), 2022).

What is quantised: the linear layers inside the transformer blocks, which hold 96 % of a 7B model.
What is not, and why: ``lm_head``, because its rounding errors reach the answer directly; the
embedding table and the norms, which are no matrix products; both image towers and the projectors,
which are small beside the language model (1.4 of 15 GB), are trained with in full precision, and
carry the measured geometry.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.quantisation_choice import QUANTISATIONS

UNQUANTISED = ("lm_head",)
# Activations above this are multiplied in 16 bits (LLM.int8(), section 3.2).
OUTLIER_THRESHOLD = 6.0


def require_quantisation(name: str) -> None:
    """Check the name of a quantisation, and that its library is there.

    Raises:
        ModelLoadError: The name is unknown, or bitsandbytes is missing.
    """
    if name not in QUANTISATIONS:
        raise ModelLoadError(f"unknown quantisation '{name}'; one of {', '.join(QUANTISATIONS)}")
    if name != "none":
        _bitsandbytes()


def _bitsandbytes() -> Any:
    try:
        import bitsandbytes
    except ImportError as error:
        raise ModelLoadError(
            "4 and 8 bits need bitsandbytes: pip install bitsandbytes, or load with quantisation "
            "'none'"
        ) from error
    return bitsandbytes


def is_quantisable(name: str, module: nn.Module) -> bool:
    """Whether a module of a language model is packed; see the module's docstring."""
    return isinstance(module, nn.Linear) and name.split(".")[-1] not in UNQUANTISED


def pack_linear(
    weight: Tensor,
    bias: Tensor | None,
    quantisation: str,
    compute: torch.dtype,
    device: torch.device | str,
) -> nn.Linear:
    """Make a packed linear layer from float weights.

    Packing follows the loading of the weights, never precedes it: copying float weights into a
    layer that is packed already fails on their shape.

    Args:
        weight: ``[out, in]``.
        bias: ``[out]`` or None.
        quantisation: "nf4" or "int8".
        compute: dtype of the matrix products; what ``nf4`` rounds from.
        device: Where the layer will run; packing happens there.

    Raises:
        ModelLoadError: bitsandbytes is missing or cannot pack on this device.
    """
    bnb = _bitsandbytes()
    rows, columns = weight.shape
    try:
        if quantisation == "nf4":
            layer = bnb.nn.Linear4bit(
                columns,
                rows,
                bias=bias is not None,
                compute_dtype=compute,
                compress_statistics=True,
                quant_type="nf4",
                device="meta",
            )
            layer.weight = bnb.nn.Params4bit(
                weight.to(compute),
                requires_grad=False,
                quant_type="nf4",
                compress_statistics=True,
                module=layer,
            ).to(device)
        else:
            layer = bnb.nn.Linear8bitLt(
                columns,
                rows,
                bias=bias is not None,
                has_fp16_weights=False,
                threshold=OUTLIER_THRESHOLD,
                device="meta",
            )
            layer.weight = bnb.nn.Int8Params(
                weight.cpu(), requires_grad=False, has_fp16_weights=False
            ).to(device)
            _expect_other_dtypes()
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        raise ModelLoadError(
            f"bitsandbytes cannot pack to {quantisation} on {device}: {error}"
        ) from error
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(device, compute), requires_grad=False)
    return layer.requires_grad_(False).eval()


def quantise(
    model: nn.Module,
    quantisation: str,
    device: torch.device | str = "cpu",
    compute: torch.dtype | None = None,
) -> None:
    """Pack the linear layers of a language model that is loaded, in place, and move it.

    Args:
        model: With its weights.
        quantisation: "nf4" or "int8".
        device: Where it will run.
        compute: dtype of the matrix products and of what stays unquantised; by default float16 on
            a GPU and float32 on a CPU.

    Raises:
        ModelLoadError: See ``require_quantisation`` and ``pack_linear``.
    """
    require_quantisation(quantisation)
    target = torch.device(device)
    if compute is None:
        compute = torch.float32 if target.type == "cpu" else torch.float16
    model.requires_grad_(False).eval()
    for name, layer in list(model.named_modules()):
        if is_quantisable(name, layer):
            assert isinstance(layer, nn.Linear)
            packed = pack_linear(layer.weight.data, layer.bias, quantisation, compute, target)
            model.set_submodule(name, packed)
    for module in model.modules():
        if any(map(_packed_as, module.parameters(recurse=False))):
            continue
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(target, compute)
        for key, buffer in module.named_buffers(recurse=False):
            setattr(module, key, buffer.to(target))


def packing(model: nn.Module) -> str:
    """Quantisation of a model's layers: "none", "nf4" or "int8"."""
    return next(filter(None, map(_packed_as, model.parameters())), "none")


def _packed_as(parameter: Tensor) -> str:
    if hasattr(parameter, "quant_state"):
        return "nf4"
    return "int8" if hasattr(parameter, "SCB") else ""


class _OtherDtypes(logging.Filter):
    """Drops a message that bitsandbytes repeats at every layer of every token."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "inputs will be cast from" not in record.getMessage()


def _expect_other_dtypes() -> None:
    """8-bit products round activations through float16 whatever their dtype; it is meant here."""
    logger = logging.getLogger("bitsandbytes.autograd._functions")
    if not any(isinstance(one, _OtherDtypes) for one in logger.filters):
        logger.addFilter(_OtherDtypes())
