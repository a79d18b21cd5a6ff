# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loading holds one copy of the model and one tensor more, also when it merges and packs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from checkpoints import llava

SIZES = {"HIDDEN": 512, "INTERMEDIATE": 1408, "LAYERS": 10, "HEADS": 8}
LARGEST = SIZES["HIDDEN"] * SIZES["INTERMEDIATE"]
PARAMETERS = SIZES["LAYERS"] * (4 * SIZES["HIDDEN"] ** 2 + 3 * LARGEST)

# Anonymous memory alone: pages of mapped checkpoint files are the system's to drop.
MEASURE = """
import gc, json, sys, threading
from pathlib import Path
import bitsandbytes, torch
from spatialgeo_ros.models.llava.llava_checkpoint import load_llava
from spatialgeo_ros.models.files.weights import weight_bytes
def anonymous():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])
def watch():
    while not done.wait(0.001):
        seen.append(anonymous())
torch.set_num_threads(1)
root, measured = Path(sys.argv[1]), {}
for quantisation in ("none", "nf4", "int8"):
    start, seen, done = anonymous(), [], threading.Event()
    thread = threading.Thread(target=watch)
    thread.start()
    model = load_llava(root / "base", root / "stage2", root / "clip", root / "vit_model.pt",
                       dtype=torch.float16, quantisation=quantisation)
    done.set()
    thread.join()
    measured[quantisation] = [max(seen) - start, weight_bytes(model)]
    del model
    gc.collect()
print(json.dumps(measured))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 80 MB."""
    pytest.importorskip("sentencepiece")
    pytest.importorskip("bitsandbytes")
    if not Path("/proc/self/status").is_file():
        pytest.skip("memory is measured through /proc")
    root = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SIZES.items():
            patch.setattr(llava, name, value)
        sizes = {
            "hidden_size": SIZES["HIDDEN"],
            "intermediate_size": SIZES["INTERMEDIATE"],
            "num_hidden_layers": SIZES["LAYERS"],
            "num_attention_heads": SIZES["HEADS"],
            "num_key_value_heads": SIZES["HEADS"],
        }
        patch.setattr(llava, "LLAVA_CONFIG", {**llava.LLAVA_CONFIG, **sizes})
        llava.write_llava_base(root / "base")
        llava.write_spatialgeo_stage2(root / "stage2")
        llava.write_clip(root / "clip")
        llava.write_tower(root / "vit_model.pt")
    return root


@pytest.mark.slow
def test_peak_is_one_copy_and_a_few_of_the_largest_tensor(folder: Path) -> None:
    # Small blocks go back to the system at once, as large ones do by themselves.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "100000", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    measured = json.loads(done.stdout.splitlines()[-1])
    float16 = PARAMETERS * torch.float16.itemsize
    matrix = LARGEST * torch.float32.itemsize
    # Share of the float16 size, and how many float32 copies of a matrix packing works with.
    for quantisation, share, copies in (("none", 1.0, 1), ("nf4", 0.27, 4), ("int8", 0.51, 3)):
        peak, model = measured[quantisation]
        assert share * 0.9 * float16 < model < share * float16 + 8e6
        assert peak < model + copies * matrix + 8e6, quantisation
        assert quantisation == "none" or peak < 0.85 * float16
