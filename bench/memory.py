# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory of a profile's networks at full size with random weights, by part.

Without a GPU the bytes are counted on networks without weights: exactly for the weights and for the
keys and values of one image's prompt; for working memory, what PyTorch would allocate, without the
workspaces of kernels. With one, the networks are filled, a question's prompt is run, and the peak
of each step is what PyTorch says it allocated.
"""

from __future__ import annotations

import argparse
import gc
import math
import sys
from collections.abc import Mapping

import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException

from bench.common import machine_line, table
from bench.full_size import TEXT_TOKENS, FullSize, fill, full_size
from bench.live_bytes import working_bytes
from spatialgeo_ros.models.profiles import PRECISIONS, list_profiles, load_profile
from spatialgeo_ros.models.quantise import QUANTISATIONS, is_quantisable, require_quantisation

GIB = 2**30
_CACHE = "keys and values of"
#: What the project wants for SpatialGeo 7B in NF4 with both towers and 1,152 visual tokens.
GOAL_GIB = 5.9


def nf4_bytes(values: int) -> int:
    """Bytes of a matrix in NF4 with double quantisation, as bitsandbytes lays it out.

    Half a byte for each value; for each 64 one byte of scale; for each 256 of those a float32; and
    two tables of 16 and 256 float32 (QLoRA, Dettmers et al. 2023, section 3).
    """
    scales = math.ceil(values / 64)
    return math.ceil(values / 2) + scales + 4 * math.ceil(scales / 256) + 4 * 16 + 4 * 256


def int8_bytes(rows: int, columns: int) -> int:
    """Bytes of a matrix in LLM.int8(): one for each value, and a float32 of scale for each row."""
    return rows * columns + 4 * rows


def count(networks: FullSize, dtype: torch.dtype, quantisation: str) -> dict[str, tuple[int, int]]:
    """Parameters and bytes by part; the prompt's keys and values are the last.

    Args:
        networks: Without weights.
        dtype: Of what is not quantised.
        quantisation: Of the language model's linear layers.
    """
    found: dict[str, tuple[int, int]] = {}
    for name, module in networks.modules.items():
        if module is not networks.language:
            (a, b), (c, d) = _count(module, dtype, "none")
            found[name] = a + c, b + d
            continue
        layers, rest = _count(module, dtype, quantisation)
        found[f"{name}: linear layers"] = layers
        found[f"{name}: embeddings, output, norms"] = rest
    if networks.cache_values:
        tokens = networks.visual_tokens + TEXT_TOKENS
        size = networks.cache_values * tokens * dtype.itemsize
        found[f"{_CACHE} {networks.visual_tokens:,} + {TEXT_TOKENS} tokens"] = (0, size)
    return found


def _count(
    module: nn.Module, dtype: torch.dtype, quantisation: str
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Parameters and bytes of the linear layers that can be quantised, and of the rest."""
    sums = {True: [0, 0], False: [0, 0]}
    seen: set[int] = set()
    for name, layer in module.named_modules():
        packable = is_quantisable(name, layer)
        tensors = [(k, t, True) for k, t in layer.named_parameters(recurse=False)]
        tensors += [(k, t, False) for k, t in layer.named_buffers(recurse=False)]
        for key, tensor, is_parameter in tensors:
            if id(tensor) in seen:
                continue
            seen.add(id(tensor))
            size = tensor.numel() * (dtype.itemsize if is_parameter else tensor.element_size())
            if packable and key == "weight" and quantisation == "nf4":
                size = nf4_bytes(tensor.numel())
            elif packable and key == "weight" and quantisation == "int8":
                size = int8_bytes(*tensor.shape)
            sums[packable][0] += tensor.numel() if is_parameter else 0
            sums[packable][1] += size
    packed, rest = sums[True], sums[False]
    return (packed[0], packed[1]), (rest[0], rest[1])


def counted(networks: FullSize, dtype: torch.dtype, quantisation: str) -> str:
    """Table of the counted bytes, with a column for the quantised network where there is one."""
    kinds = ["none"] if quantisation == "none" or networks.language is None else [
        "none", quantisation
    ]  # fmt: skip
    counts = [count(networks, dtype, kind) for kind in kinds]
    rows = [
        [name, f"{parameters / 1e6:,.2f}", *(_gib(c[name][1]) for c in counts)]
        for name, (parameters, _) in counts[0].items()
    ]
    totals = [sum(size for _, size in c.values()) for c in counts]
    parameters = sum(number for number, _ in counts[0].values())
    rows.append(["total", f"{parameters / 1e6:,.2f}", *map(_gib, totals)])
    if len(totals) == 2:
        rows.append(["of the first column", "", "1", f"{totals[1] / totals[0]:.3f}"])
    name = str(dtype).removeprefix("torch.")
    header = ["part", "million parameters", f"{name}, GiB"]
    return table(header + [f"{kind}, GiB" for kind in kinds[1:]], rows)


def working(networks: FullSize, dtype: torch.dtype, quantisation: str) -> tuple[str, int | None]:
    """Sentence about working memory, and the most bytes of any step, None where it cannot be told.

    Args:
        networks: Without weights; unusable afterwards.
        dtype: Of activations.
        quantisation: Of the language model.
    """
    try:
        steps = working_bytes(networks, dtype, quantisation)
    except DataDependentOutputException:
        return "Working memory: only by running it, its shapes depend on values.", None
    listed = ", ".join(f"{name} {_gib(size)} GiB" for name, size in steps.items())
    return f"Beyond the weights at the peak of each step: {listed}.", max(steps.values())


def measured(
    networks: FullSize, device: torch.device, dtype: torch.dtype, quantisation: str
) -> Mapping[str, tuple[int, int]]:
    """Fill and run the networks on a GPU: bytes allocated after each step, and the step's peak."""
    found: dict[str, tuple[int, int]] = {}
    torch.cuda.reset_peak_memory_stats(device)
    kept: object = None
    with torch.inference_mode():
        fill(networks, device, dtype, quantisation)
        found["weights"] = _allocated(device)
        for name, step in networks.steps(device, dtype):
            torch.cuda.reset_peak_memory_stats(device)
            kept = step()
            found[name] = _allocated(device)
    del kept
    return found


def _allocated(device: torch.device) -> tuple[int, int]:
    torch.cuda.synchronize(device)
    return torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)


def _gib(size: int) -> str:
    return f"{size / GIB:.3f}"


def _measured_table(
    profile: str, dtype: torch.dtype, kinds: list[str], device: torch.device
) -> tuple[str, dict[str, int]]:
    """Table of the measured bytes and the peak by quantisation; each kind is built anew."""
    columns, peaks = [], {}
    for kind in kinds:
        networks = full_size(load_profile(profile))
        columns.append(measured(networks, device, dtype, kind))
        peaks[kind] = max(peak for _, peak in columns[-1].values())
        del networks
        gc.collect()
        torch.cuda.empty_cache()
    name = str(dtype).removeprefix("torch.")
    labels = [name if kind == "none" else kind for kind in kinds]
    header = ["step", *(f"{label}: {what}, GiB" for label in labels for what in ("after", "peak"))]
    rows = [
        [step, *(_gib(value) for column in columns for value in column[step])]
        for step in columns[0]
    ]
    rows.append(["peak of all", *(cell for kind in kinds for cell in ("", _gib(peaks[kind])))])
    return table(header, rows), peaks


def main(argv: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench memory", description=__doc__)
    parser.add_argument("--profile", nargs="*", default=[], help="every profile by default")
    parser.add_argument("--precision", choices=PRECISIONS[:-1], help="the profile's by default")
    parser.add_argument("--quantisation", choices=QUANTISATIONS, default="nf4")
    parser.add_argument("--quick", action="store_true", help="changes nothing: counting is quick")
    options = parser.parse_args(argv)
    require_quantisation(options.quantisation)
    print(f"## Memory\n\nMachine: {machine_line()}.\n")
    for name in options.profile or list_profiles():
        profile = load_profile(name)
        dtype = getattr(torch, options.precision or profile.memory_precision)
        networks = full_size(profile)
        kind = options.quantisation if networks.language is not None else "none"
        print(f"### {name}\n\n{counted(networks, dtype, kind)}\n")
        sizes = count(networks, dtype, kind)
        weights = sum(size for part, (_, size) in sizes.items() if not part.startswith(_CACHE))
        text, most = working(networks, dtype, kind)
        label = str(dtype).removeprefix("torch.") if kind == "none" else kind
        print(f"{label}: {text}")
        if most is not None:
            print(f"{_gib(weights + most)} GiB at the peak, counted.")
        if name == "spatialgeo_7b" and kind == "nf4":
            print(f"The goal is {GOAL_GIB} GiB.")
        print()
        if torch.cuda.is_available():
            device = torch.device("cuda")
            kinds = ["none"] if kind == "none" else ["none", kind]
            text, peaks = _measured_table(name, dtype, kinds, device)
            print(f"Measured on {torch.cuda.get_device_name(device)}:\n\n{text}\n")
            if len(kinds) == 2:
                print(f"Peak of {kinds[1]}: {peaks[kinds[1]] / peaks['none']:.3f} of the first.\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
