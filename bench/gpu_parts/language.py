# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo 7B: tokens per second, time to the first token, and memory by step."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from bench.gpu_parts.context import Context, outcome
from bench.gpu_parts.networks import Assembled, spatialgeo, view, weights_of_a_token
from spatialgeo_ros.errors import CancelledError
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.profile_networks import ProfileNetworks
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.stream import generate

QUESTIONS = (
    "How far is the mug from the edge of the table in front of the window ?",
    "Which of the two chairs stands nearer to the door of this room ?",
)
#: Tokens of text beside the visual ones: LLaVA's system text, a question.
TEXT_TOKENS = 60
#: Tokens after which an answer is broken off, and how many it may have, as in the profile.
ANSWER, LONGEST = 32, 128


def nf4_decoding(context: Context) -> dict[str, Any]:
    """Tokens per second in NF4."""
    return _decoding(context, "nf4")


def fp16_decoding(context: Context) -> dict[str, Any]:
    """Tokens per second in float16."""
    return _decoding(context, "fp16")


def nf4_questions(context: Context) -> dict[str, Any]:
    """First and second questions, and memory, in NF4."""
    return _questions(context, "nf4")


def fp16_questions(context: Context) -> dict[str, Any]:
    """First and second questions, and memory, in float16."""
    return _questions(context, "fp16")


def assembled(context: Context, kind: str) -> Assembled:
    """SpatialGeo, built once in a process."""
    built: Assembled = context.keep(
        f"spatialgeo {kind}",
        lambda: spatialgeo(context, kind, context.sizes(LONGEST, 8)),
    )
    return built


def transformers_generate(language: Any, prompt: Tensor, tokens: int) -> Tensor:
    """What transformers' own loop says after an embedded prompt, greedily."""
    mask = torch.ones(prompt.shape[:2], dtype=torch.long, device=prompt.device)
    said: Tensor = language.generate(
        inputs_embeds=prompt, attention_mask=mask, max_new_tokens=tokens, min_new_tokens=tokens,
        do_sample=False, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return said[0]


def step_rate(speak: Callable[[int], Any], few: int, many: int, context: Context) -> float:
    """Tokens per second beyond the first ``few``, which pay for the prompt."""

    def seconds(tokens: int) -> float:
        context.synchronise()
        start = time.perf_counter()
        speak(tokens)
        context.synchronise()
        return time.perf_counter() - start

    seconds(many)  # memory and graphs for the longest answer are made here
    return (many - few) / max(1e-6, seconds(many) - seconds(few))


@torch.inference_mode()
def _decoding(context: Context, kind: str) -> dict[str, Any]:
    built = assembled(context, kind)
    language, tokenizer = built.language, built.tokenizer
    visual = context.sizes(1152, 12)
    few, many, longest = context.sizes(4, 2), context.sizes(28, 6), context.sizes(132, 6)
    torch.manual_seed(1)
    width = language.config.hidden_size
    prompt = torch.randn(1, visual + TEXT_TOKENS, width, device=context.device).to(built.dtype)
    prompt *= 0.02

    said: dict[str, tuple[int, ...]] = {}
    rates: dict[str, float] = {}
    decoder = Decoder(language, "dynamic")

    def ours(tokens: int) -> None:
        result = generate(decoder, tokenizer, prompt, Sampling(max_new_tokens=tokens))
        said[decoder.mode] = max(result.ids, said.get(decoder.mode, ()), key=len)

    def theirs(tokens: int) -> None:
        words = tuple(transformers_generate(language, prompt, tokens).tolist())
        said["transformers"] = max(words, said.get("transformers", ()), key=len)

    rates["transformers"] = step_rate(theirs, few, many, context)
    rates["dynamic"] = step_rate(ours, few, many, context)
    decoder.use("eager")
    rates["eager"] = step_rate(ours, few, many, context)
    ours(longest)  # as many slots as the graphs': another number of them rounds otherwise
    fixed = "graph" if context.device.type == "cuda" else "direct"
    decoder.use(fixed)
    rates[fixed] = step_rate(ours, few, longest, context)
    read, limit = weights_of_a_token(language), 0.0
    if context.copied:
        limit = context.copied / read
    words = {
        "transformers": "transformers' generate",
        "dynamic": "loop of one launch a kernel, growing cache",
        "eager": "the same on fixed slots",
        fixed: str(decoder.describe()["decoding"]),
    }
    rows = [
        [words[name], rate, rate / rates["eager"], _equal_from_the_start(said[name], said["eager"])]
        for name, rate in rates.items()
    ]
    rows.append(["limit: weights of a token over what a copy moves", limit, "", ""])
    about = decoder.describe()
    decoder.clear()
    header = ("how", "tokens per second", "of the loop", f"equal tokens, of {many} or {longest}")
    return outcome(
        f"SpatialGeo 7B in {kind}, {visual:,} visual tokens: tokens per second",
        {**rates, "limit": limit, "read": read, "times": rates[fixed] / rates["eager"]},
        (header, rows),
        notes=[
            f"Weights read for a token: {read / 1e9:.2f} GB. {about['captured_graphs']} graphs, "
            f"captured in {about['capture_seconds']:.2f} s."
        ],
    )


def _equal_from_the_start(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """How many tokens two answers share from their beginning; the longer may go on."""
    for count, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return count
    return min(len(a), len(b))


def ask(
    networks: ProfileNetworks, seen: View, question: Question, tokens: int
) -> tuple[float, float]:
    """Seconds to the first token and to that of number ``tokens``, as a node asks."""
    times: list[float] = []
    start = time.perf_counter()
    watched = dataclasses.replace(
        question,
        on_token=lambda _: times.append(time.perf_counter()),
        cancelled=lambda: len(times) >= tokens,
    )
    with suppress(CancelledError):
        networks.answer(seen, watched)
    return times[0] - start, times[-1] - start


class MemorySteps:
    """What is allocated after each step, and the most while it ran.

    Attributes:
        rows: step, GiB allocated after it, at its peak, reserved, of the card in use.
    """

    header = ("after", "allocated, GiB", "at its peak", "reserved", "of the card in use")

    def __init__(self, context: Context) -> None:
        self._context = context
        self.rows: list[list[Any]] = []
        context.free_caches()
        context.reset_peak()

    def note(self, name: str) -> None:
        """End a step and begin the next."""
        now, peak, reserved = self._context.memory()
        self.rows.append([name, now, peak, reserved, self._context.used()])
        self._context.reset_peak()

    @property
    def peak(self) -> float:
        """The most of all steps, GiB."""
        return max(row[2] for row in self.rows)


def asked_twice(
    context: Context,
    networks: ProfileNetworks,
    questions: tuple[Question, Question],
) -> tuple[dict[str, float], tuple[Sequence[str], Sequence[Sequence[Any]]], str]:
    """Two questions about each of several images, and how often the second found the prefix.

    Every answer is broken off, and on a GPU its next token is under way by then. Some images are
    asked about at once, so that this token goes before the question's own work; others when the
    card has nothing left to do, as a robot finds it that asks later.

    Returns:
        Numbers (``first``, ``second``: seconds to the first token when asked at once; ``idle
        first``, ``idle second``: of an idle card; ``hits`` in ``asked`` second questions), their
        table, and a sentence about the hits.
    """
    tokens = context.sizes(ANSWER, 4)
    count = context.sizes(8, 2)
    hits = int(networks.describe()["prefix_hits"])
    numbers: dict[str, float] = {}
    rows: list[list[Any]] = []
    for how, prefix, idle in (
        ("asked at once", "", False), ("asked of an idle card", "idle ", True)
    ):  # fmt: skip
        times: dict[str, list[tuple[float, float]]] = {"first": [], "second": []}
        for number in range(1, count + 1):
            seen = view(number)
            for name, question in zip(times, questions, strict=True):
                if idle:
                    context.synchronise()
                times[name].append(ask(networks, seen, question, tokens))
            networks.release_intermediates(seen)
        for place, what in enumerate(("first token", f"token {tokens}")):
            first, second = (
                statistics.median(one[place] for one in values) for values in times.values()
            )
            if place == 0:
                numbers |= {f"{prefix}first": first, f"{prefix}second": second}
            rows.append([f"{what}, {how}", first * 1e3, second * 1e3, second / first])
    found, asked = int(networks.describe()["prefix_hits"]) - hits, 2 * count
    return (
        {**numbers, "hits": found, "asked": asked},
        (("", "first question, ms", "second question, ms", "ratio"), rows),
        f"The prefix was found {found} times in {asked} second questions. Asked at once: the token "
        "that was started before the last answer was broken off runs first.",
    )


def _questions(context: Context, kind: str) -> dict[str, Any]:
    built = assembled(context, kind)
    memory = MemorySteps(context)
    memory.note("weights")
    with torch.inference_mode():
        built.networks.encode(view(0))
    memory.note("image towers")
    questions = (Question(QUESTIONS[0]), Question(QUESTIONS[1]))
    ask(built.networks, view(0), questions[0], context.sizes(ANSWER, 4))
    memory.note("a question")
    numbers, waits, hits = asked_twice(context, built.networks, questions)
    memory.note("questions about other images")
    return outcome(
        f"SpatialGeo 7B in {kind}: questions about an image, and memory",
        {**numbers, "peak": memory.peak, "weights": memory.rows[0][1]},
        waits,
        (memory.header, memory.rows),
        notes=[hits],
    )


def fp16_reference(context: Context) -> dict[str, Any]:
    """The same question through transformers' generate in float16, with nothing reused."""
    built = assembled(context, "fp16")
    tokens = context.sizes(LONGEST, 8)
    model = built.model

    @torch.inference_mode()
    def answer(count: int) -> None:
        seen = view(1)
        pixels = built.towers.pixels(seen)
        encoded = model.encode_images(pixels, normalised=True, predict=False)
        visual, _ = model.visual_embeds(encoded.clip_features, encoded.moge_features)
        vocabulary = model.language_model.config.vocab_size
        words = torch.arange(TEXT_TOKENS, device=context.device) % vocabulary
        text = model.language_model.get_input_embeddings()(words)[None]
        transformers_generate(model.language_model, torch.cat([visual, text], dim=1), count)

    answer(2)
    context.free_caches()
    context.reset_peak()
    start = time.perf_counter()
    answer(tokens)
    context.synchronise()
    whole = time.perf_counter() - start
    _, peak, _ = context.memory()
    first = context.seconds(lambda: answer(1), least=3)
    rows = [["first token, ms", first * 1e3], [f"{tokens} tokens, ms", whole * 1e3]]
    rows.append(["peak, GiB", peak])
    return outcome(
        "SpatialGeo 7B in fp16 by transformers' generate, nothing reused: the reference",
        {"peak": peak, "first": first, "whole": whole},
        (("what", "measured"), rows),
    )
