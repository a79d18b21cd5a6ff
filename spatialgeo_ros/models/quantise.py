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

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.quantisation_choice import QUANTISATIONS

UNQUANTISED = ("lm_head",)
# Activations above this are multiplied in 16 bits (LLM.int8(), section 3.2).
OUTLIER_THRESHOLD = 6.0
#: Values of a layer in NF4 that share a scale, and scales that share one.
NF4_BLOCK, NF4_NESTED_BLOCK = 64, 256

_hiding = threading.Lock()


def require_quantisation(name: str) -> None:
    """Check the name of a quantisation, and that its library is there.

    Raises:
        ModelLoadError: The name is unknown, or bitsandbytes is missing.
    """
    if name not in QUANTISATIONS:
        raise ModelLoadError(f"unknown quantisation '{name}'; one of {', '.join(QUANTISATIONS)}")
    if name != "none":
        _bitsandbytes()


def require_number_types(
    model: str, dtype: torch.dtype, known: Sequence[torch.dtype], quantisation: str
) -> None:
    """Check in what numbers a model is to run.

    Args:
        model: Its name, for messages.
        dtype: Asked for.
        known: Those that it runs in.
        quantisation: Asked for, of its language model.

    Raises:
        ModelLoadError: The type is none of those; or as :func:`require_quantisation`.
    """
    if dtype not in known:
        *others, last = (str(one).removeprefix("torch.") for one in known)
        raise ModelLoadError(f"{model} runs in {', '.join(others)} or {last}, not in {dtype}")
    require_quantisation(quantisation)


@functools.cache
def _bitsandbytes() -> Any:
    """Import bitsandbytes, which on a CPU with AVX512-BF16 would fetch code for its repacking.

    It asks the package ``kernels`` for that, if installed, and else advises to install it; neither
    is of use here (see ``pack_linear``), and loading a model must not reach for the network.
    """
    _drop_messages("bitsandbytes.backends.cpu.ops", "Failed to load CPU gemm_4bit_forward")
    with _hidden("kernels"):
        try:
            import bitsandbytes
        except ImportError as error:
            raise ModelLoadError(
                "4 and 8 bits need bitsandbytes: pip install bitsandbytes, or load with "
                "quantisation 'none'"
            ) from error
    return bitsandbytes


@contextlib.contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let the import of a package fail; one thread at a time."""
    with _hiding:
        before = sys.modules.get(package, ...)
        sys.modules[package] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            if before is ...:
                del sys.modules[package]
            else:
                sys.modules[package] = before  # type: ignore[assignment]


@functools.cache
def _nf4_linear() -> Any:
    """Class of the layers in NF4; made on first use, because bitsandbytes is optional."""
    bnb = _bitsandbytes()

    class Linear4bit(bnb.nn.Linear4bit):  # type: ignore[name-defined]
        """bitsandbytes' layer, on a CPU with a product that depends on no make of CPU.

        bitsandbytes 0.50 repacks the weights in place at the first product where the CPU has
        AVX512-BF16. That fails unless rows divide by 32 and columns by 64, rounds products to
        bfloat16 (by 0.3 %), changes the bytes of the scales and cannot be undone to the bit: what
        runs, its answers and its memory would depend on the CPU. Here weights are unpacked for
        each product and stay as they are. Measured on two cores of such a Xeon, 11008 x 4096 in
        bfloat16: 34 ms for one token (repacked 1.1), 80 ms for 1,152 tokens (repacked 630).
        """

        def forward(self, x: Tensor) -> Tensor:
            if x.device.type != "cpu":
                return super().forward(x)
            compute = self.compute_dtype
            bias = None if self.bias is None else self.bias.to(compute)
            return nn.functional.linear(x.to(compute), self.unpacked(), bias).to(x.dtype)

        def unpacked(self) -> Tensor:
            """Weights ``[out, in]`` in the dtype of the products."""
            state = self.weight.quant_state
            scales = bnb.functional.dequantize_blockwise(state.absmax, state.state2) + state.offset
            # Blocks do not end with the rows. Where columns do not divide by the block, 0.50 takes
            # wrong scales on a CPU with AVX512 (errors of 15 to 25 %), so it is shown blocks.
            count, block = 2 * self.weight.data.numel(), state.blocksize
            shown = (1, count) if count % block else (count // block, block)
            flat = bnb.functional.QuantState(
                scales,
                shape=torch.Size(shown),
                blocksize=block,
                quant_type=state.quant_type,
                dtype=self.compute_dtype,
            )
            values = bnb.functional.dequantize_4bit(self.weight.data, flat).view(-1)
            return values[: state.shape.numel()].view(state.shape)

    return Linear4bit


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
            layer = _nf4_linear()(
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
                blocksize=NF4_BLOCK,
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
            # 8-bit products round activations through float16 whatever their dtype, which is meant
            # here, and say so at every layer of every token.
            _drop_messages("bitsandbytes.autograd._functions", "inputs will be cast from")
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        raise ModelLoadError(
            f"bitsandbytes cannot pack to {quantisation} on {device}: {error}"
        ) from error
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(device, compute), requires_grad=False)
    return layer.requires_grad_(False).eval()


#: Names of what a layer in NF4 consists of: its 4-bit values, the 8-bit scales of their blocks, the
#: scales of those, and what the scales were shifted by. The two tables are bitsandbytes' constants.
NF4_PARTS = ("weight", "absmax", "nested_absmax", "offset", "code", "nested_code")


def nf4_parts(layer: nn.Module) -> dict[str, Tensor] | None:
    """The tensors of a layer in NF4 by :data:`NF4_PARTS`; None for any other layer."""
    weight = getattr(layer, "weight", None)
    state = getattr(weight, "quant_state", None)
    if weight is None or state is None:
        return None
    nested = state.state2
    parts = (weight.data, state.absmax, nested.absmax, state.offset, state.code, nested.code)
    return dict(zip(NF4_PARTS, parts, strict=True))


def restore_nf4(
    parts: Mapping[str, Tensor], shape: tuple[int, int], bias: Tensor | None, compute: torch.dtype
) -> nn.Linear:
    """A layer in NF4 as ``pack_linear`` made it.

    Args:
        parts: As from ``nf4_parts``, on the device where the layer runs.
        shape: Of the weights: out, in.
        bias: ``[out]`` or None, likewise.
        compute: dtype of the matrix products.

    Raises:
        ModelLoadError: bitsandbytes is missing.
    """
    bnb = _bitsandbytes()
    state = bnb.functional.QuantState(
        parts["absmax"],
        shape=torch.Size(shape),
        code=parts["code"],
        blocksize=NF4_BLOCK,
        quant_type="nf4",
        dtype=compute,
        offset=parts["offset"],
        state2=bnb.functional.QuantState(
            parts["nested_absmax"],
            code=parts["nested_code"],
            blocksize=NF4_NESTED_BLOCK,
            dtype=torch.float32,
        ),
    )
    layer: nn.Linear = _nf4_linear()(
        shape[1],
        shape[0],
        bias=bias is not None,
        compute_dtype=compute,
        compress_statistics=True,
        quant_type="nf4",
        device="meta",
    )
    layer.weight = bnb.nn.Params4bit(
        parts["weight"],
        requires_grad=False,
        quant_state=state,
        blocksize=NF4_BLOCK,
        compress_statistics=True,
        quant_type="nf4",
        module=layer,
        bnb_quantized=True,
    )
    layer.quant_state = state
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer.requires_grad_(False).eval()


def bitsandbytes_version() -> str:
    """Version of bitsandbytes, whose rounding packed weights depend on.

    Raises:
        ModelLoadError: It is missing.
    """
    return str(_bitsandbytes().__version__)


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


class _Without(logging.Filter):
    """Drops the messages that contain a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def filter(self, record: logging.LogRecord) -> bool:
        return self.text not in record.getMessage()


def _drop_messages(logger_name: str, text: str) -> None:
    logger = logging.getLogger(logger_name)
    if not any(isinstance(one, _Without) and one.text == text for one in logger.filters):
        logger.addFilter(_Without(text))
