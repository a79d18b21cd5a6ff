# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tensors of files reach a real GPU whole and in order, and packed weights are the same there."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spatialgeo_ros.models.files import upload
from spatialgeo_ros.models.files.shards import Shards

if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)

DEVICE = torch.device("cuda", 0)


@pytest.fixture(scope="module")
def shards_and_tensors(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, torch.Tensor]]:
    folder = tmp_path_factory.mktemp("shards")
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "large": torch.randn(40, 1 << 20, generator=generator).half(),  # more than all buffers
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
        "odd": torch.randn(3, 7, generator=generator),
        "integers": torch.arange(1000),
        "half": torch.randn(300, 70, generator=generator).bfloat16(),
    }
    many = {f"m{n}": torch.full((1 << 20,), float(n)) for n in range(40)}
    save_file({**tensors, **many}, folder / "model.safetensors")
    return folder, {**tensors, **many}


def test_every_tensor_arrives_as_it_is_in_the_file_and_in_order(
    shards_and_tensors: tuple[Path, dict[str, torch.Tensor]],
) -> None:
    folder, tensors = shards_and_tensors
    with Shards.from_folder(folder) as shards:
        reads = [(lambda name=name: shards[name]) for name in tensors]
        with closing(upload.upload(reads, DEVICE)) as arriving:
            for name, tensor in tensors.items():
                found = next(arriving)
                assert found.device == DEVICE and found.dtype == tensor.dtype
                assert torch.equal(found.cpu(), tensor), name
            assert next(arriving, None) is None


def test_an_early_end_and_a_failing_read_leave_no_thread(
    shards_and_tensors: tuple[Path, dict[str, torch.Tensor]],
) -> None:
    folder, tensors = shards_and_tensors

    def fails() -> torch.Tensor:
        raise OSError("the disk is gone")

    with Shards.from_folder(folder) as shards:
        reads = [(lambda name=name: shards[name]) for name in tensors]
        with closing(upload.upload(reads, DEVICE)) as arriving:
            next(arriving)
        with closing(upload.upload([reads[0], fails, reads[1]], DEVICE)) as arriving:
            next(arriving)
            with pytest.raises(OSError, match="the disk is gone"):
                next(arriving)
    assert not [one for one in threading.enumerate() if one.name == "upload"]


def test_packed_weights_are_those_of_the_checkpoint_to_the_bit(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    from torch import nn

    from spatialgeo_ros.models.packed_weights import PackedWeights, load_or_pack
    from spatialgeo_ros.models.quantise import nf4_parts, quantise

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(512, 704), nn.Linear(704, 512, bias=False)
            self.norm = nn.LayerNorm(512)

    torch.manual_seed(0)
    float_weights = Small().state_dict()

    def build() -> Small:
        with torch.device("meta"):
            return Small()

    def fill() -> Small:
        model = Small()
        model.load_state_dict(float_weights)
        quantise(model, "nf4", DEVICE, torch.float16)
        return model

    source = tmp_path / "source"
    source.write_text("1")

    def load(make: bool) -> Small:
        packed = PackedWeights("small", lambda: [source], tmp_path / "engines", make)
        return load_or_pack(packed, build, fill, torch.float16, DEVICE, "nf4")

    made, read = load(True), load(False)
    for name in ("first", "second"):
        a, b = nf4_parts(getattr(made, name)), nf4_parts(getattr(read, name))
        assert a is not None and b is not None
        assert all(torch.equal(a[key], b[key]) and b[key].device == DEVICE for key in a)
    assert torch.equal(made.first.bias, read.first.bias)
    assert torch.equal(made.norm.weight, read.norm.weight)
    x = torch.randn(5, 512, device=DEVICE, dtype=torch.float16)
    with torch.inference_mode():
        assert torch.equal(made.second(made.first(x)), read.second(read.first(x)))
