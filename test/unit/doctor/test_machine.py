# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packages, GPU, weights and engines, judged without any of them."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest

from spatialgeo_ros.doctor import machine
from spatialgeo_ros.doctor.machine import Need
from spatialgeo_ros.models.files.sources import Checkpoint, WeightFile

GOOD = {
    "numpy": "2.4.6",
    "opencv": "5.0.0",
    "torch": "2.13.0+cu128",
    "transformers": "5.24.0",
    "onnxruntime": "1.31.1",
}
NANO = Need(profile="nano")


def ids(findings) -> list[str]:
    return [finding.id for finding in findings]


def test_least_versions_are_those_of_pyproject(repository):
    text = (repository / "pyproject.toml").read_text()
    # transformers has a line for Python before 3.11 beside the usual one.
    old = sys.version_info < (3, 11)
    other = "python_version >= '3.11'" if old else "python_version < '3.11'"
    text = "".join(line for line in text.splitlines(keepends=True) if other not in line)
    for name, least in machine.LEAST.items():
        (stated,) = set(re.findall(rf'"{name}>=([\d.]+)', text))
        assert tuple(map(int, stated.split("."))) == least


def test_versions_are_those_of_this_environment():
    import numpy

    found = machine.versions()
    assert found["numpy"] == numpy.__version__
    assert set(GOOD) < set(found)


def test_packages_that_are_there_are_no_finding():
    assert not ids(machine.package_findings(GOOD, NANO))
    assert not ids(machine.package_findings({**GOOD, "torch": "of unknown version"}, NANO))


@pytest.mark.parametrize(
    ("change", "need", "expected"),
    [
        ({"torch": "missing"}, NANO, ["package-missing"]),
        ({"torch": "missing"}, Need(), []),
        ({"torch": "missing", "transformers": "missing"}, NANO, ["package-missing"]),
        ({"torch": "missing"}, Need(grounding="owlvit_base"), ["package-missing"]),
        ({"torch": "2.5.1"}, NANO, ["package-old"]),
        ({"torch": "1.13"}, NANO, ["package-old"]),
        ({"transformers": "5.22.9"}, NANO, ["package-old"]),
        ({"numpy": "missing"}, Need(), ["package-missing"]),
        ({"onnxruntime": "1.9.0"}, Need(), ["package-old"]),
        ({"onnxruntime": "missing"}, Need(), []),
    ],
)
def test_packages_that_are_missing_or_old(change, need, expected):
    found = list(machine.package_findings({**GOOD, **change}, need))
    assert ids(found) == expected
    assert all("pip install" in finding for finding in found)
    for name in change if expected else ():
        assert name in found[0]


def test_cards_are_read_as_nvidia_smi_prints_them():
    text = "NVIDIA RTX A2000, 6138, 5900, 570.86.15\nOrin (nvgpu), [N/A], [N/A], 540.4.0\n"
    card, jetson = machine.parse_gpus(text, 30.0, 20.0)
    assert (card.name, card.driver) == ("NVIDIA RTX A2000", "570.86.15")
    assert card.total == pytest.approx(5.99, abs=0.01)
    assert (jetson.name, jetson.total, jetson.free) == ("Orin (nvgpu)", 30.0, 20.0)
    assert machine.parse_gpus("", 30.0, 20.0) == []


@pytest.mark.parametrize(
    ("total", "free", "device", "needed", "expected"),
    [
        (24.0, 23.0, "auto", 14.5, []),
        (6.0, 5.8, "auto", 14.5, ["gpu-memory"]),
        (24.0, 5.0, "auto", 14.5, ["gpu-memory-used"]),
        (6.0, 5.8, "cpu", 14.5, []),
        (6.0, 5.8, "cuda:0", 14.5, ["gpu-memory"]),
        (24.0, 23.0, "auto", 0.0, []),
    ],
)
def test_memory_of_the_gpu_against_the_need(total, free, device, needed, expected):
    card = machine.Gpu("card", total, free, "570")
    need = replace(NANO, device=device)
    found = list(machine.gpu_findings([card], "2.13.0+cu128", need, needed))
    assert ids(found) == expected
    if expected == ["gpu-memory"]:
        assert found[0].settings == {"quantisation": "nf4"}
        full = replace(card, total=24.0, free=1.0)
        assert not ids(machine.gpu_findings([full], "2.13", replace(need, loaded=True), 14.5))
        again = list(machine.gpu_findings([card], "2.13", replace(need, quantisation="nf4"), 14.5))
        assert not again[0].settings


def test_a_second_card_counts_where_it_is_asked_for():
    cards = [machine.Gpu("small", 4.0, 4.0, "1"), machine.Gpu("large", 24.0, 24.0, "1")]
    need = replace(NANO, device="cuda:1")
    assert not ids(machine.gpu_findings(cards, "2.13.0", need, 10.0))
    assert ids(machine.gpu_findings(cards, "2.13.0", replace(need, device="cuda"), 10.0))


def test_a_gpu_that_cannot_be_used():
    card = machine.Gpu("card", 24.0, 24.0, "570")
    assert ids(machine.gpu_findings([card], "2.13.0+cpu", NANO, 1.0)) == ["gpu-unused"]
    wanted = replace(NANO, device="cuda")
    (finding,) = machine.gpu_findings([], "2.13.0+cpu", wanted, 1.0)
    assert (finding.id, finding.settings) == ("gpu-missing", {"device": "cpu"})
    assert not ids(machine.gpu_findings([], "2.13.0+cpu", NANO, 1.0))


class Files:
    """A profile of these files."""

    def __init__(self, *files: WeightFile, checkpoints: tuple[Checkpoint, ...] = ()) -> None:
        self.files, self.checkpoints = files, checkpoints


def test_weights_that_are_missing_or_damaged(tmp_path):
    import hashlib

    good, bad = tmp_path / "good.bin", tmp_path / "bad.bin"
    good.write_bytes(b"right")
    bad.write_bytes(b"wrong")
    right = hashlib.sha256(b"right").hexdigest()
    files = [WeightFile(good, right), WeightFile(bad, right), WeightFile(tmp_path / "no", right)]
    found = list(machine.weight_findings(Files(*files), "mine"))
    assert ids(found) == ["weights-missing", "weights-damaged"]
    assert "bad.bin (altered)" in found[1]
    assert all("spatialgeo models download mine" in finding for finding in found)
    assert not list(machine.weight_findings(Files(files[0]), "mine"))


def test_large_files_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_HASHED", 3)
    large = tmp_path / "large.bin"
    large.write_bytes(b"wrong")
    assert not list(machine.weight_findings(Files(WeightFile(large, "0" * 64)), "mine"))


def test_the_shipped_profile_is_whole():
    found, needed = machine.profile_findings(NANO)
    assert not found
    assert 0 < needed < 1


def test_a_profile_that_nobody_knows():
    found, needed = machine.profile_findings(Need(profile="nosuch"))
    assert ids(found) == ["profile-unknown"]
    assert "installed are" in found[0]
    assert needed == 0.0


def test_the_detectors_weights_are_looked_at_too(monkeypatch):
    found, _ = machine.profile_findings(Need(grounding="owlvit_base"))
    assert ids(found) == ["weights-missing"]
    assert "spatialgeo models download owlvit_base" in found[0]
    found, _ = machine.profile_findings(Need(grounding="nosuch"))
    assert ids(found) == ["profile-unknown"]
    for nothing in ("none", "profile", "clip_patches"):
        assert machine.profile_findings(Need(grounding=nothing)) == ([], 0.0)


def test_memory_follows_quantisation_and_precision():
    _, half = machine.profile_findings(Need(profile="spatialgeo_7b"))
    found, four = machine.profile_findings(Need(profile="spatialgeo_7b", quantisation="nf4"))
    assert (half, four) == (14.5, 5.55)
    assert "weights-missing" in ids(found)


def test_engines_that_are_damaged_and_a_folder_of_somebody_else(tmp_path):
    (tmp_path / "tower-tensorrt.json").write_text("{")
    found, text = machine.engine_findings(str(tmp_path))
    assert ids(found) == ["engines-damaged"]
    assert "spatialgeo engines prune" in found[0]
    assert text.startswith("1 in ")
    tmp_path.chmod(0o777)
    found, _ = machine.engine_findings(str(tmp_path))
    assert ids(found) == ["engines-folder"]
    assert machine.engine_findings(str(tmp_path / "none")) == ([], f"0 in {tmp_path / 'none'}")
