# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Archives and PyTorch files that claim, or inflate to, more than weights ever do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from packed_files import tarred, zipped

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files import archive as archive_module
from spatialgeo_ros.models.files.archive import extract
from spatialgeo_ros.models.files.shards import Shards
from spatialgeo_ros.models.files.weights import read_weights

WEIGHTS = bytes(range(256)) * 400


def gzipped(*parts: bytes) -> bytes:
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", compresslevel=9) as stream:
        for part in parts:
            stream.write(part)
    return content.getvalue()


def tar_header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


ZEROS = bytes(100 << 20)


def sparse_tar() -> bytes:
    """A file that is declared to be a terabyte of zeros, of which nothing is stored."""
    info = tarfile.TarInfo("config.json")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:482] = bytes(96)
    header[483:495] = b"%011o\0" % (1 << 32)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


@pytest.mark.parametrize(
    "content",
    [
        zipped({"config.json": WEIGHTS, "other": ZEROS}),
        tarred({"config.json": WEIGHTS, "other": ZEROS}),
        gzipped(tar_header("config.json", 1 << 40), ZEROS),
        lzma.compress(tar_header("config.json", len(ZEROS)) + ZEROS, preset=0),
        bz2.compress(tar_header("config.json", len(ZEROS)) + ZEROS),
        sparse_tar(),
    ],
    ids=["zip", "tar_gz", "claim", "xz", "bz2", "sparse"],
)
def test_an_archive_cannot_inflate_without_end(tmp_path: Path, content: bytes) -> None:
    """A megabyte became a gigabyte, and nothing would have stopped a terabyte."""
    path = tmp_path / "all.archive"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"all.archive would inflate to more than \d+ MB, 20"):
        extract(path, ["config.json"], [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_header_cannot_ask_for_all_memory(tmp_path: Path) -> None:
    """tarfile reads a long name in one go, however long it says it is."""
    path = tmp_path / "all.tar.gz"
    path.write_bytes(gzipped(tar_header("x", 1 << 34, tarfile.GNUTYPE_LONGNAME), ZEROS))
    with pytest.raises(ModelLoadError, match="neither zip nor tar|cannot be unpacked"):
        extract(path, ["config.json"], [], tmp_path / "out")


def test_an_archive_has_a_bounded_number_of_files(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archive_module, "_MOST_MEMBERS", 20)
    path = tmp_path / "all.tar.gz"
    path.write_bytes(tarred({f"f{k}": b"" for k in range(21)}))
    with pytest.raises(ModelLoadError, match="more than 20 files"):
        extract(path, ["f1"], [], tmp_path / "out")


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    content = bytearray(zipped({"config.json": WEIGHTS}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    (tmp_path / "all.zip").write_bytes(content)
    with pytest.raises(ModelLoadError, match="all.zip cannot be unpacked .*(password|encrypted)"):
        extract(tmp_path / "all.zip", ["config.json"], [], tmp_path / "out")


def test_texts_that_shrink_well_are_unpacked(tmp_path: Path) -> None:
    text = b'{"a": 1}' + b" " * (8 << 20)
    (tmp_path / "all.zip").write_bytes(zipped({"config.json": text}))
    assert extract(tmp_path / "all.zip", ["config.json"], [], tmp_path / "out") == ["config.json"]
    assert (tmp_path / "out" / "config.json").read_bytes() == text


def test_a_pytorch_file_cannot_inflate_without_end(tmp_path: Path) -> None:
    """PyTorch stores; whoever compresses an entry of zeros gets a gigabyte out of a megabyte."""
    path = tmp_path / "model.bin"
    torch.save({"w": torch.zeros(100 << 18)}, path)
    with zipfile.ZipFile(path) as pack:
        entries = {info.filename: pack.read(info) for info in pack.infolist()}
    path.write_bytes(zipped(entries))
    assert path.stat().st_size < 1 << 20
    for read in (read_weights, lambda one: Shards([one])):
        with pytest.raises(ModelLoadError, match="model.bin would inflate to more than"):
            read(path)


def test_a_tensor_cannot_be_larger_than_what_is_stored(tmp_path: Path) -> None:
    """A stride of 0 makes terabytes of one number, which the first copy would need."""
    path = tmp_path / "model.bin"
    torch.save({"w": torch.ones(1).expand(1 << 20, 1 << 20)}, path)
    with pytest.raises(ModelLoadError, match="tensor 'w' has 4398047 MB of which 0 MB are stored"):
        read_weights(path)
    torch.save({"w": torch.ones(1).expand(3, 4)}, path)
    assert read_weights(path)[0]["w"].shape == (3, 4)


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(2, 2).to_sparse(), torch.empty(1 << 20, 1 << 20, device="meta")],
    ids=["sparse", "meta"],
)
def test_tensors_without_plain_values_are_refused(tmp_path: Path, tensor: torch.Tensor) -> None:
    path = tmp_path / "model.bin"
    torch.save({"w": tensor}, path)
    with pytest.raises(ModelLoadError, match="tensor 'w' is sparse or has no values"):
        read_weights(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_pickles_are_one_sentence(tmp_path: Path) -> None:
    """Their bytes are instructions: what they end in was any error of Python's."""
    random = np.random.default_rng(0)
    path = tmp_path / "model.bin"
    torch.save({"w": torch.ones(3, 4), "b": torch.ones(2)}, path)
    with zipfile.ZipFile(path) as pack:
        entries = {info.filename: pack.read(info) for info in pack.infolist()}
    refused = 0
    for _ in range(300):
        with zipfile.ZipFile(path, "w") as pack:
            for name, data in entries.items():
                content = bytearray(data)
                if name.endswith("data.pkl"):
                    for at in random.integers(0, len(content), 2):
                        content[at] = random.integers(256)
                pack.writestr(name, bytes(content))
        try:
            read_weights(path)
        except ModelLoadError as error:
            assert "model.bin" in str(error)
            assert "\n" not in str(error)
            refused += 1
    assert refused > 200
