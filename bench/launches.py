# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a GPU is asked to do, counted on a CPU: launches, waits and bytes of depth and questions.

Every operation of PyTorch that is no view counts as one launch (some are two kernels). What lies in
a pass or network that a GPU replays as a CUDA graph is one launch there, and its operations are
counted apart. No times: those are for a GPU to tell.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

from bench.common import digits, report, table
from bench.decode_step import TINY
from bench.tower_rates import SIZE, moge
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.moge import depth_recovery
from spatialgeo_ros.models.profiles import GeometryPart, ImageInput
from spatialgeo_ros.networks import towers as networks_towers
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.runtime.cuda_graph import Captured
from spatialgeo_ros.runtime.fused_norms import fuse_norms
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.embedded_prompt import Prompt
from spatialgeo_ros.speech.fixed_passes import FixedPasses
from spatialgeo_ros.speech.sampling import Sampling

CPU = torch.device("cpu")
#: Operations that only take memory; and those by which the host waits for a value.
_MEMORY = ("aten::empty", "aten::detach", "aten::alias")
_READS = ("aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::is_nonzero")


class Launches(TorchDispatchMode):
    """Counts operations by the stage that they fall into.

    Attributes:
        stage: That is running.
        counts: Launches by stage, in the order of the stages.
        reads: Operations that would make the host wait, by stage.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage = "before"
        self.counts: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called for every operation."""
        name, result = func.name(), func(*args, **(kwargs or {}))
        if name.startswith(_READS):
            self.reads[self.stage] += 1
        elif not name.startswith(_MEMORY) and not (func.is_view and _shared(result, args)):
            self.counts[self.stage] += 1
        return result

    @contextmanager
    def within(self, stage: str, then: str) -> Iterator[None]:
        """Count for ``stage``, and for ``then`` from its end on."""
        self.counts[stage] += 0
        self.stage = stage
        try:
            yield
        finally:
            self.stage = then


def _shared(result: Any, given: Any) -> bool:
    """Whether a result lies in the memory of what was given: conversions may be copies or not."""
    if not isinstance(result, Tensor):
        return True
    places = {one.untyped_storage().data_ptr() for one in given if isinstance(one, Tensor)}
    return result.untyped_storage().data_ptr() in places


def depth_call(tokens: int = 777, size: tuple[int, int] = SIZE) -> list[tuple[str, int, int]]:
    """A node's depth call with MoGe-2 S, as a GPU runs it.

    Returns:
        Stage, launches of it, and bytes that travel; a wait is named with what it waits for.
    """
    network = moge(CPU, "moge2_s")
    towers = FrameTowers(
        ImageInput(0, 0, network.patch_size, (0, 0, 0), "native"), CPU, torch.float32,
        part=GeometryPart("moge2", None, tokens, 0.2, True, None, False), geometry=network,
        sized=True,
    )  # fmt: skip
    rows, columns = size
    camera = PinholeCamera(columns, rows, 0.8 * columns, 0.8 * columns, columns / 2, rows / 2)

    def view(seed: int) -> View:
        pixels = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3)).astype(np.uint8)
        return View(pixels, camera, None)

    stages = iter(
        [("the network's graph", "between"), ("graph of the depth", "behind"),
         ("graph of the depth again", "behind")]
    )  # fmt: skip
    launches = Launches()
    travelled: list[tuple[str, int, int]] = []
    replay, upload, download = Captured.replay, networks_towers.upload, depth_recovery.download

    def counted_replay(self: Captured) -> tuple[Tensor, ...]:
        stage, then = next(stages)
        with launches.within(stage, then):
            outputs = replay(self)
        launches.counts[stage] -= len(outputs)  # copied where there is no graph to fill them
        return outputs

    def counted_upload(array: Any, device: torch.device) -> Tensor:
        travelled.append(("to the card", 1, array.nbytes))
        return upload(array, device)

    def counted_download(*tensors: Tensor) -> Any:
        travelled.append(("back, and a wait", len(tensors), sum(one.nbytes for one in tensors)))
        return download(*tensors)

    with torch.inference_mode():
        towers.warm_up(size)
        towers.depth(view(0))
        with (
            patch.object(Captured, "replay", counted_replay),
            patch.object(networks_towers, "upload", counted_upload),
            patch.object(depth_recovery, "download", counted_download),
            launches,
        ):
            towers.depth(view(1))
    counted = [(stage, count, 0) for stage, count in launches.counts.items()]
    # Of the field of view, which is on the host.
    assert set(launches.reads) <= {"between"}, launches.reads
    return [*counted, *travelled]


def answers(layers: int) -> dict[str, int]:
    """Launches of a language model's passes by name, with its norms fused as on a GPU."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**{**TINY, "num_hidden_layers": layers})).eval()
    fuse_norms(model)
    decoder = Decoder(model.requires_grad_(False), "direct")
    prompt = Prompt(torch.randn(1, 72, TINY["hidden_size"]))
    launches = Launches()

    def asked(tokens: int) -> None:
        decoder.begin(prompt, Sampling(max_new_tokens=tokens), prefix_key=1, prefix_length=56)
        launches.stage = "reading the token"
        for _ in range(tokens):
            decoder.next()
        decoder.end()

    def counted(method: Callable[..., None], stage: str) -> Callable[..., None]:
        def call(self: FixedPasses, *arguments: Any) -> None:
            with launches.within(stage, "reading the token"):
                method(self, *arguments)

        return call

    asked(2)
    with (
        patch.object(FixedPasses, "_run_token", counted(FixedPasses._run_token, "a token")),
        patch.object(FixedPasses, "question", counted(FixedPasses.question, "a question")),
    ):
        decoder.clear()  # passes are bound when they are made
        asked(2)
        with launches:
            launches.stage = "before the question's pass"
            asked(2)
    # A token is read from the host's own memory, behind an event.
    assert set(launches.reads) <= {"reading the token"}, launches.reads
    return dict(launches.counts)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small image")
    quick = parser.parse_args().quick
    found = depth_call(*((48, (112, 140)) if quick else (777, SIZE)))
    rows = [[stage, digits(count), digits(size) if size else ""] for stage, count, size in found]
    few, more = answers(2), answers(3)
    report("What a GPU is asked to do, counted", [],
           table(["a depth call, MoGe-2 S", "launches or tensors", "bytes"], rows),
           table(["a second question of a LLaMA", "launches of each layer", "beside the layers"],
                 [[name, digits(more[name] - few[name]),
                   digits(few[name] - 2 * (more[name] - few[name]))] for name in few]))  # fmt: skip


if __name__ == "__main__":
    main()
