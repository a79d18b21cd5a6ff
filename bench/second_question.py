# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time to the first token of a second question about a frame, against the first question's.

The first question pays for both image towers and for the language model's pass over the visual
tokens. The second finds the tokens in the frame's cache and their keys and values in the prefix
cache; the ratio says how much of the work that saves.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from bench.common import Timing, digits, measure, report, table
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.loader import load_networks
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.stream import generate
from spatialgeo_ros.speech.tokenizer import IMAGE_ID, LanguageTokenizer, load_tokenizer

QUESTION = "how far is the object <region> from the camera ?"
#: The 7B network's token counts (576 patches, 1,152 visual tokens) at an eighth of its widths.
WIDTH, LAYERS, TOWER_WIDTH, TOWER_LAYERS = 512, 8, 128, 6
#: Tokens of the system text and of a question in LLaVA's prompt.
BEFORE, AFTER = 36, 24


def first_token(ask: Callable[[Callable[[str], None]], object], seconds: float) -> Timing:
    """Time from asking to the first piece of text, over several questions after a warm-up."""
    times: list[float] = []

    def once() -> float:
        said: list[float] = []
        start = time.perf_counter()
        ask(lambda _: said.append(time.perf_counter()))
        return said[0] - start

    once()
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        times.append(once())
    low, median, high = statistics.quantiles(times, n=4)
    return Timing(median, low, high, len(times))


def nano(seconds: float) -> tuple[Timing, Timing]:
    """Both questions through the nano profile's networks, as the node asks them."""
    networks = load_networks("nano")
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    camera = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)
    mask = np.zeros((480, 640), bool)
    mask[200:300, 200:300] = True

    def ask(view: View, on_token: Callable[[str], None]) -> str:
        return networks.answer(
            view, Question(QUESTION, [mask], "camera_distance", on_token=on_token)
        )

    mount = networks.nominal_mount
    first = first_token(lambda say: ask(View(image, camera, mount), say), seconds)
    same = View(image, camera, mount)
    return first, first_token(lambda say: ask(same, say), seconds)


def scaled_down(seconds: float) -> tuple[Timing, Timing]:
    """Both questions through SpatialGeo's classes with the 7B token counts and random weights."""
    torch.manual_seed(0)
    tower = {"hidden_size": TOWER_WIDTH, "num_hidden_layers": TOWER_LAYERS, "patch_size": 14,
             "intermediate_size": 4 * TOWER_WIDTH, "num_attention_heads": 2,
             "image_size": 336}  # fmt: skip
    backbone = {"embed_dim": TOWER_WIDTH, "depth": TOWER_LAYERS, "num_heads": 2}
    language = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
                "intermediate_size": WIDTH * 11008 // 4096, "vocab_size": 32000,
                "max_position_embeddings": 4096}  # fmt: skip
    adapter = {"clip_dim": TOWER_WIDTH, "moge_dim": TOWER_WIDTH, "hidden_size": WIDTH}
    model = SpatialGeoModel(
        language, adapter, ClipVisionTower(tower), Dinov2Backbone(backbone)
    ).eval()
    part = load_profile("nano").language
    assert part is not None
    tokenizer: LanguageTokenizer = load_tokenizer(part.tokenizer)
    ids = torch.tensor([[*range(10, 10 + BEFORE), IMAGE_ID, *range(50, 50 + AFTER)]])
    pixels = torch.randn(1, 3, 336, 336)

    def encode() -> torch.Tensor:
        seen = model.encode_images(pixels, normalised=True)
        return model.visual_embeds(seen.clip_features, seen.moge_features)[0][0]

    decoder = Decoder(model.language_model)

    def ask(visual: torch.Tensor) -> None:
        inputs = model.prepare_inputs(ids, [visual])
        generate(
            decoder, tokenizer, inputs.inputs_embeds, Sampling(max_new_tokens=1),
            prefix_key="frame", prefix_length=BEFORE + visual.shape[0],
        )  # fmt: skip

    def ask_first() -> None:
        decoder.forget()
        ask(encode())

    with torch.inference_mode():
        first = measure(ask_first, seconds)
        visual = encode()
        second = measure(lambda: ask(visual), seconds)
    return first, second


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions, to see it run")
    seconds = 1.0 if parser.parse_args().quick else 8.0
    rows = []
    for name, run in (("nano", nano), ("7B shapes, widths / 8, layers / 4", scaled_down)):
        first, second = run(seconds)
        rows.append((name, str(first), str(second), f"{second.median / first.median:.3f}"))
    report(
        "Second question about a frame",
        [
            f"Seconds to the first token, {torch.get_num_threads()} threads; random weights in "
            "the scaled-down network, whose prompt has the 7B network's 1,152 visual and "
            f"{digits(BEFORE + AFTER)} text tokens."
        ],
        table(("network", "first question", "second question", "ratio"), rows),
    )


if __name__ == "__main__":
    main()
