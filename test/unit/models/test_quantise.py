# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packed layers give the same products and take the same memory on every make of CPU.

bitsandbytes repacks NF4 weights at the first product where the CPU has AVX512-BF16. Its question
for that is answered with yes and with no here, so that both paths run on every machine.
"""

from __future__ import annotations

import copy
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from spatialgeo_ros.models.files.weights import weight_bytes
from spatialgeo_ros.models.quantise import pack_linear, packing, quantise

bnb = pytest.importorskip("bitsandbytes")

# [out, in]: the first two can be repacked, the others have rows or columns that do not divide, or
# rows that end inside a block of 64.
SHAPES = [(64, 128), (32, 64), (96, 200), (48, 64), (64, 96), (64, 32), (1, 64), (33, 65)]


@pytest.fixture(params=[False, True], ids=["plain", "avx512bf16"])
def cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether bitsandbytes takes this CPU for one with AVX512-BF16."""
    monkeypatch.setattr(bnb.nn.modules, "has_avx512bf16", lambda: request.param)
    return bool(request.param)


def tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def state(layer: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in layer.state_dict().items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def stored_weights(layer: nn.Module) -> Tensor:
    """Weights ``[out, in]`` of a layer in NF4, from its bytes as QLoRA's paper defines them."""
    quantised, packed = layer.weight.quant_state, layer.weight.data.reshape(-1)
    nested = quantised.state2
    scales = nested.code[quantised.absmax.long()] * nested.absmax.repeat_interleave(256)[: len(
        quantised.absmax)] + quantised.offset  # fmt: skip
    codes = torch.stack([packed >> 4, packed & 15], 1).reshape(-1)[: quantised.shape.numel()]
    values = quantised.code[codes.long()] * scales.repeat_interleave(64)[: len(codes)]
    return values.reshape(quantised.shape)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_product_is_that_of_the_stored_weights(
    cpu: bool, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    weight, bias = tensor(*shape), tensor(shape[0], seed=1)
    layer = pack_linear(weight, bias, "nf4", dtype, "cpu")
    stored = stored_weights(layer)
    assert float((stored - weight).norm() / weight.norm()) < 0.12
    for rows in (1, 5):
        x = tensor(rows, shape[1], seed=2).to(dtype)
        expected = x.float() @ stored.T + bias
        limit = 1e-5 if dtype == torch.float32 else 0.01
        with torch.inference_mode():
            for product in (layer(x), layer(x)):  # the first could change what the second sees
                assert product.dtype == dtype
                error = (product.float() - expected).norm() / expected.norm()
                assert float(error) < limit


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_running_a_layer_changes_neither_its_weights_nor_their_bytes(
    cpu: bool, shape: tuple[int, int], kind: str
) -> None:
    layer = pack_linear(tensor(*shape), None, kind, torch.float32, "cpu")
    before, counted = state(layer), weight_bytes(layer)
    with torch.inference_mode():
        layer(tensor(3, shape[1]))
    assert packing(layer) == kind
    assert weight_bytes(layer) == counted
    assert_same(state(layer), before)


def test_both_makes_of_cpu_give_one_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64))

    results, sizes = [], []
    for has in (False, True):
        monkeypatch.setattr(bnb.nn.modules, "has_avx512bf16", lambda has=has: has)
        model = network()
        quantise(model, "nf4")
        with torch.inference_mode():
            results.append(model(tensor(4, 64)))
        sizes.append(weight_bytes(model))
    assert torch.equal(*results)
    assert sizes[0] == sizes[1]


def test_a_layer_that_ran_can_be_copied_and_moved(cpu: bool) -> None:
    layer = pack_linear(tensor(64, 128), None, "nf4", torch.float32, "cpu")
    x = tensor(2, 128)
    with torch.inference_mode():
        expected = layer(x)
        assert torch.equal(copy.deepcopy(layer)(x), expected)
        assert torch.equal(layer.to("cpu")(x), expected)


def test_loading_bitsandbytes_runs_no_fetched_code_and_says_nothing(tmp_path: Path) -> None:
    """With AVX512-BF16 its import would download a kernel, or advise how to get that."""
    (tmp_path / "kernels.py").write_text(
        "def get_kernel(*args, **kwargs):\n    raise SystemExit('the network was asked')\n"
    )
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from spatialgeo_ros.models.quantise import require_quantisation\n"
        "require_quantisation('nf4')\n"
        "import kernels\n"  # as usable as before
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_only_the_expected_message_of_eight_bits_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    layer = pack_linear(tensor(64, 64), None, "int8", torch.float32, "cpu")
    with caplog.at_level(logging.WARNING), torch.inference_mode():
        layer(tensor(1, 64))
        logging.getLogger("bitsandbytes.autograd._functions").warning("something else")
    assert caplog.messages == ["something else"]
