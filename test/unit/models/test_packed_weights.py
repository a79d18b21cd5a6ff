# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packed weights are those of the checkpoint to the bit, or are refused, said and made again."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.llava import write_clip, write_llava_base, write_spatialgeo_stage2, write_tower
from checkpoints.spatial_mllm import write_spatial_mllm_3b
from torch import Tensor, nn

from spatialgeo_ros.models import packed_weights
from spatialgeo_ros.models.files.packed_file import Entry, PackedFile, StalePackError, write
from spatialgeo_ros.models.files.weights import weight_bytes
from spatialgeo_ros.models.llava.llava_checkpoint import load_llava
from spatialgeo_ros.models.packed_weights import PackedWeights
from spatialgeo_ros.models.quantise import nf4_parts, packing
from spatialgeo_ros.models.spatial_mllm import load_spatial_mllm
from spatialgeo_ros.runtime.engine_cache import EngineCacheError
from spatialgeo_ros.runtime.files import UntrustedFileError

pytest.importorskip("bitsandbytes")
pytest.importorskip("sentencepiece")

CPU = torch.device("cpu")
DTYPE = torch.bfloat16


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SpatialGeo's second stage in its published layout."""
    root = tmp_path_factory.mktemp("files")
    write_llava_base(root / "base")
    write_spatialgeo_stage2(root / "adapter")
    write_clip(root / "clip")
    write_tower(root / "tower.pt", heads=True)
    return root


def sources(root: Path) -> list[Path]:
    return sorted(p for name in ("base", "adapter") for p in (root / name).iterdir())


def load(root: Path, packed: PackedWeights | None = None) -> Any:
    return load_llava(
        root / "base", root / "adapter", root / "clip", root / "tower.pt",
        dtype=DTYPE, quantisation="nf4", packed=packed,
    )  # fmt: skip


def at(folder: Path, root: Path, make: bool = False) -> PackedWeights:
    return PackedWeights("geo", lambda: sources(root), folder, make)


def every_tensor(model: nn.Module) -> dict[str, Tensor]:
    """Weights, packed ones by their parts, and buffers that no checkpoint has."""
    found: dict[str, Tensor] = {}
    for prefix, layer in model.named_modules():
        parts = nf4_parts(layer)
        if parts is not None:
            found |= {f"{prefix}.{name}": part for name, part in parts.items()}
        found |= {f"{prefix}.{k}": v for k, v in layer.named_parameters(recurse=False)}
        found |= {f"{prefix}.{k}": v for k, v in layer.named_buffers(recurse=False)}
    return found


def assert_same(one: nn.Module, other: nn.Module) -> None:
    a, b = every_tensor(one), every_tensor(other)
    assert a.keys() == b.keys()
    for name, tensor in a.items():
        assert tensor.dtype == b[name].dtype and torch.equal(tensor, b[name]), name


@pytest.fixture
def made(files: Path, tmp_path: Path) -> Path:
    """The folder with packed weights in it."""
    load(files, at(tmp_path / "engines", files, make=True))
    return tmp_path / "engines"


def the_file(folder: Path) -> Path:
    (found,) = (folder / "packed").iterdir()
    return found


def test_packed_weights_load_to_the_bit_and_answer_the_same(files: Path, made: Path) -> None:
    plain, packed = load(files), load(files, at(made, files))
    assert_same(plain.language_model, packed.language_model)
    assert packing(packed.language_model) == "nf4"
    assert weight_bytes(packed) == weight_bytes(plain)
    ids = torch.tensor([[1, 5, 9, 30, 7]])
    with torch.inference_mode():
        assert torch.equal(
            plain.language_model(ids).logits, packed.language_model(ids).logits
        )  # fmt: skip


def test_they_are_used_and_no_checkpoint_is_read_for_them(
    files: Path, made: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from spatialgeo_ros.models.llava import llava_checkpoint

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the checkpoint was read")

    monkeypatch.setattr(llava_checkpoint, "fill", never)
    with caplog.at_level(logging.INFO):
        load(files, at(made, files))
    assert "loaded packed weights from" in caplog.text


def test_nothing_is_written_or_said_where_nothing_was_packed(
    files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        load(files, at(tmp_path / "engines", files))
    assert not (tmp_path / "engines").exists() and not caplog.records


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def of_another_format(path: Path) -> None:
    path.write_bytes(b"\x10" + bytes(200))


def writable_by_others(path: Path) -> None:
    path.chmod(0o666)


def a_link(path: Path) -> None:
    real = path.with_name("elsewhere")
    path.rename(real)
    path.symlink_to(real)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (flip_a_byte, "was changed: '.*' has another SHA-256"),
        (cut_off, "is damaged"),
        (of_another_format, "is damaged"),
        (writable_by_others, "can be written by other users"),
        (a_link, "cannot be read"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_file_that_is_not_whole_or_not_ours_is_refused_and_made_again(
    files: Path,
    made: Path,
    spoil: Callable[[Path], None],
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = the_file(made)
    spoil(path)
    with caplog.at_level(logging.WARNING):
        found = load(files, at(made, files))
    (record,) = [r for r in caplog.records if "packed" in r.getMessage()]
    assert "not used and made again" in record.getMessage()
    assert re.search(told, record.getMessage())
    assert_same(load(files).language_model, found.language_model)
    caplog.clear()
    again = load(files, at(made, files))  # the new one is good
    assert "not used" not in caplog.text and not path.is_symlink()
    assert_same(found.language_model, again.language_model)


def test_another_checkpoint_dtype_or_rule_is_never_taken_for_this_one(
    files: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    write_llava_base(other / "base", seed=3)
    write_spatialgeo_stage2(other / "adapter", seed=3)
    for name in ("clip", "tower.pt"):
        os.symlink(files / name, other / name)
    found = load(other, at(made, other))
    assert_same(found.language_model, load(other).language_model)
    assert at(made, files).path(DTYPE, CPU) != at(made, files).path(torch.float16, CPU)
    assert at(made, files).path(DTYPE, CPU) != at(made, files).path(DTYPE, torch.device("cuda"))
    key = at(made, other).key(DTYPE, CPU)
    with PackedFile(the_file(made), key):
        pass
    for name, value in (("rules", 99), ("bitsandbytes", "9.9"), ("sources", [])):
        with pytest.raises(StalePackError, match=rf"made from something else \({name}\)"):
            PackedFile(the_file(made), {**key, name: value})
    monkeypatch.setattr(packed_weights, "RULES", 99)
    with pytest.raises(StalePackError, match="rules"):
        PackedFile(the_file(made), at(made, other).key(DTYPE, CPU))


def test_a_tensor_of_another_type_or_shape_is_found_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write(path, {"a": 1}, [Entry("x", (4,), torch.float16, lambda: torch.ones(4).half())])
    text = path.read_bytes()
    for old, new in ((b'"F16"', b'"BF16"'), (b'"shape": [4]', b'"shape": [2, 2]')):
        length = int.from_bytes(text[:8], "little")
        header = text[8 : 8 + length].replace(old, new)
        path.write_bytes(len(header).to_bytes(8, "little") + header + text[8 + length :])
        with PackedFile(path, {"a": 1}) as file:
            file.read("x")
            with pytest.raises(StalePackError, match="'x' has another SHA-256"):
                file.verify()


def test_a_file_is_plain_safetensors_and_written_whole_or_not_at_all(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = tmp_path / "a.safetensors"
    values = {"x": torch.arange(3.0), "y": torch.tensor(2.5), "z": torch.ones(2, 3).bfloat16()}
    entries = [Entry(n, tuple(t.shape), t.dtype, lambda t=t: t) for n, t in values.items()]
    size = write(path, {"a": [1]}, entries)
    assert size == path.stat().st_size and path.stat().st_mode & 0o022 == 0
    found = load_file(path)
    assert found.keys() == values.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in values.items())

    def fails() -> Tensor:
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    with pytest.raises(OSError, match="No space"):
        write(path, {}, [*entries, Entry("w", (1,), torch.float32, fails)])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_fails_where_it_was_asked_for_and_else_warns(
    files: Path, tmp_path: Path, made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(EngineCacheError, match="cannot be used"):
        load(files, at(blocked, files, make=True))
    load(files, at(blocked, files))  # nothing is there: nothing to say
    path = the_file(made)
    cut_off(path)
    path.parent.chmod(0o777)
    with caplog.at_level(logging.WARNING):
        load(files, at(made, files))
    assert "packed weights are not written" in caplog.text
    path.parent.chmod(0o755)


@pytest.mark.parametrize("where", ["engines", "packed"])
def test_a_folder_that_others_may_write_is_not_trusted(
    files: Path, made: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = made if where == "engines" else made / "packed"
    folder.chmod(0o777)
    with caplog.at_level(logging.WARNING):
        load(files, at(made, files))
    folder.chmod(0o755)
    assert "can be written by other users" in caplog.text and "not written" in caplog.text


def test_only_the_owner_is_trusted(made: Path) -> None:
    path = the_file(made)
    path.chmod(0o646)
    with pytest.raises(UntrustedFileError):
        PackedFile(path, {})


def test_spatial_mllm_is_packed_too_with_its_biases(tmp_path: Path) -> None:
    folder = write_spatial_mllm_3b(tmp_path / "mllm", version="1.1")

    def mllm(packed: PackedWeights | None) -> Any:
        return load_spatial_mllm(folder, dtype=DTYPE, quantisation="nf4", packed=packed)

    def where(make: bool) -> PackedWeights:
        return PackedWeights("mllm", lambda: sorted(folder.iterdir()), tmp_path / "e", make)

    plain, written, read = mllm(None), mllm(where(True)), mllm(where(False))
    assert_same(plain.qwen, written.qwen)
    assert_same(plain.qwen, read.qwen)
    layer = read.qwen.model.language_model.layers[0].self_attn.q_proj
    assert layer.bias is not None and packing(read.qwen.model.language_model) == "nf4"
