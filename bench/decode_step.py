# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the time of one decoding step goes on a GPU: its kernels, beside the bytes it must read.

A language model of the 7B profile's size with random weights, and its prompt: 1,188 tokens that
are kept and 24 that are asked. Beside the ways that the package has, the same graph with other
kernels for attention and norms. ``--tiny`` runs the same on a CPU, to see it run.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import LlamaConfig, LlamaForCausalLM

from bench.common import digits, report, table
from bench.full_size import LLAVA_7B
from spatialgeo_ros.models.files.weights import weight_bytes
from spatialgeo_ros.models.quantise import quantise
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.embedded_prompt import Prompt
from spatialgeo_ros.speech.sampling import Sampling

KEPT, ASKED, ANSWER = 1188, 24, 64
MODES = ("graph", "direct", "eager", "dynamic")
TINY = {**LLAVA_7B, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 300}  # fmt: skip


def build(tiny: bool, quantisation: str, device: torch.device) -> LlamaForCausalLM:
    """Make the model with random weights."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if device.type == "cpu" else torch.float16)
    try:
        with device:
            model = LlamaForCausalLM(LlamaConfig(**(TINY if tiny else LLAVA_7B))).eval()
    finally:
        torch.set_default_dtype(dtype)
    if quantisation != "none":
        quantise(model, quantisation, device)
    return model.requires_grad_(False)


def answer(decoder: Decoder, prompt: Prompt, tokens: int) -> tuple[float, float]:
    """Seconds to the first token of an answer, and from it to the last."""
    started = time.perf_counter()
    decoder.begin(prompt, Sampling(max_new_tokens=tokens), prefix_key=1, prefix_length=KEPT)
    decoder.next(ahead=tokens > 1)
    first = time.perf_counter()
    for _ in range(tokens - 1):
        decoder.next()
    ended = time.perf_counter()
    decoder.end()
    return first - started, ended - first


def kernels(run: Callable[[], Any], device: torch.device) -> dict[str, tuple[int, float]]:
    """Launches and seconds of a run by kind of kernel."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    found: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for event in profiler.key_averages():
        spent = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        if spent:
            name = re.sub(r"[<(].*", "", event.key.removeprefix("void "))[-60:]
            count, seconds = found[name]
            found[name] = (count + event.count, seconds + spent * 1e-6)
    return dict(found)


@contextmanager
def attention_by(backend: SDPBackend) -> Iterator[None]:
    """Let PyTorch take one kernel for attention."""
    with sdpa_kernel(backend):
        yield


@contextmanager
def products_for_attention(model: LlamaForCausalLM) -> Iterator[None]:
    """Let transformers compute attention by matrix products."""
    before = model.config._attn_implementation
    model.config._attn_implementation = "eager"
    try:
        yield
    finally:
        model.config._attn_implementation = before


def variants(model: LlamaForCausalLM) -> dict[str, AbstractContextManager[None]]:
    """What else could run inside the same graph, by name."""
    return {
        "as it is": nullcontext(),
        "attention by transformers' products": products_for_attention(model),
        "attention by PyTorch's products": attention_by(SDPBackend.MATH),
        "attention by cuDNN": attention_by(SDPBackend.CUDNN_ATTENTION),  # may fail: last
    }


def compared(model: LlamaForCausalLM, prompt: Prompt, tokens: int) -> list[list[str]]:
    """Rows of the variants: tokens a second, a second question's first token, equal tokens."""
    rows, said = [], {}
    for name, variant in variants(model).items():
        decoder = Decoder(model, "auto" if torch.cuda.is_available() else "direct")
        try:
            with variant:
                answer(decoder, prompt, 4)
                second = min(answer(decoder, prompt, 1)[0] for _ in range(3))
                spent = min(answer(decoder, prompt, tokens)[1] for _ in range(2))
                said[name] = generated(decoder, prompt, tokens)
        except RuntimeError as error:
            rows.append([name, "", "", str(error).splitlines()[0][:80]])
            continue
        pairs = zip(said[name], said["as it is"], strict=True)
        equal = next((i for i, (a, b) in enumerate(pairs) if a != b), tokens)
        rows.append([name, digits((tokens - 1) / spent), digits(1e3 * second),
                     f"{equal} of {tokens}, {decoder.describe()['decoding']}"])  # fmt: skip
        decoder.clear()
    return rows


def generated(decoder: Decoder, prompt: Prompt, tokens: int) -> list[int]:
    """Tokens of an answer."""
    decoder.begin(prompt, Sampling(max_new_tokens=tokens), prefix_key=1, prefix_length=KEPT)
    ids = [decoder.next() for _ in range(tokens)]
    decoder.end()
    return ids


def bandwidth(device: torch.device) -> float:
    """Bytes that the device reads each second, by copying (read and written)."""
    source = torch.empty(2**28 if device.type == "cuda" else 2**22, dtype=torch.uint8)
    source = source.to(device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(8):
        started = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return 2 * source.numel() / best


def step(model: LlamaForCausalLM, packing: str, modes: Sequence[str], tiny: bool) -> None:
    """Print the tables of one model."""
    device = model.device
    width = model.config.hidden_size
    embeds = torch.randn(1, KEPT + ASKED, width, device=device, dtype=model.dtype) * 0.02
    prompt, tokens = Prompt(embeds), 8 if tiny else ANSWER
    rows = []
    for mode in modes:
        if mode == "graph" and device.type == "cpu":
            continue
        decoder = Decoder(model, mode)
        answer(decoder, prompt, 4)
        second = min(answer(decoder, prompt, 1)[0] for _ in range(3))
        spent = answer(decoder, prompt, tokens)[1]
        decoder.forget()
        first = answer(decoder, prompt, 1)[0]
        rate = (tokens - 1) / spent
        rows.append([mode, digits(rate), digits(1e3 / rate), digits(1e3 * first),
                     digits(1e3 * second), decoder.describe()["decoding"]])  # fmt: skip
        decoder.clear()
    read = weight_bytes(model) - model.get_input_embeddings().weight.nbytes
    limit = bandwidth(device) / read
    report(
        f"One decoding step, {packing}",
        [f"{read / 2**30:.2f} GiB of weights are read for each token: at most "
         f"{digits(limit)} tokens/s at the bandwidth of a copy."],
        table(["mode", "tokens/s", "ms", "first token, ms", "of a second question, ms", ""], rows),
        table(["inside the graph", "tokens/s", "second question, ms", "equal tokens"],
              compared(model, prompt, tokens)),
    )  # fmt: skip
    decoder = Decoder(model)
    answer(decoder, prompt, 4)
    for what, run, times in (
        ("a token", lambda: answer(decoder, prompt, 21), 20),
        ("a question", lambda: [answer(decoder, prompt, 1) for _ in range(5)], 5),
    ):
        found = sorted(kernels(run, device).items(), key=lambda item: -item[1][1])
        lines = [[name, digits(count / times), digits(1e3 * spent / times)]
                 for name, (count, spent) in found[:14]]  # fmt: skip
        total = sum(spent for _, spent in (value for _, value in found))
        lines.append(["all", digits(sum(value[0] for _, value in found) / times),
                      digits(1e3 * total / times)])  # fmt: skip
        report(f"Kernels of {what}, {packing}, {decoder.describe()['decoding']}", [],
               table(["kernel", "launches", "ms"], lines))  # fmt: skip
    decoder.clear()


def main() -> None:
    """Print the tables of each packing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one mode and packing")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--packings", default="none,nf4", help="of none, nf4, int8")
    parser.add_argument("--modes", default=",".join(MODES), help="of graph, direct, eager, dynamic")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tiny = arguments.tiny or device.type == "cpu"
    packings, modes = arguments.packings.split(","), arguments.modes.split(",")
    if arguments.quick:
        packings, modes = packings[:1], ["direct"]
    for packing in packings:
        model = build(tiny, packing, device)
        step(model, packing, modes, tiny)
        del model


if __name__ == "__main__":
    main()
