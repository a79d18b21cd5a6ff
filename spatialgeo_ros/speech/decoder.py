# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A language model with the memory it answers from: token after token, question after question.

One :class:`Decoder` belongs to one model. Its keys and values stay where they are between
questions: a question about the same image begins behind the image, and a cut answer is forgotten by
counting back. On a GPU every token, and the question before it, is one CUDA graph.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Collection, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.runtime.cuda_graph import CaptureError, WorkStream, refusal
from spatialgeo_ros.runtime.fused_norms import fuse_norms
from spatialgeo_ros.speech.embedded_prompt import Prompt, causal_mask
from spatialgeo_ros.speech.fixed_passes import (
    QUESTION_LENGTHS,
    Choice,
    FixedPasses,
    cache_argument,
)
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.slots import SlotCache
from spatialgeo_ros.speech.token_reading import TokenReading

log = logging.getLogger(__name__)

#: How a model may be run, see :class:`Decoder`.
MODES = ("auto", "graph", "direct", "eager", "dynamic")
#: Slots are taken in such steps; of a 7B model in 16 bits 32 take 16 MiB.
STEP = 32
#: Taken beyond what is needed when memory has to grow: graphs are captured anew then.
RESERVE = 256
#: Captures that may fail before they are not tried any more.
_MOST_FAILURES = 3


class Decoder:
    """Computes prompts and tokens of one model; not thread-safe, one question at a time.

    Args:
        model: a Hugging Face causal language model in evaluation mode; on a GPU its norms become
            PyTorch's.
        mode: "auto" captures CUDA graphs where that is possible. The others are for tests and
            comparisons: "graph" the same; "direct" calls the functions that would be captured;
            "eager" computes on the same memory with the exact lengths; "dynamic" uses transformers'
            growing cache.
        least: slots to begin with, where the first questions are not the longest.

    Attributes:
        hits: how often a prefix was reused.
        prefills: how often one had to be computed.
        computed_tokens: of all prompts, that ran through the model.
        reason: why this is not "graph", "" where it is.
    """

    def __init__(self, model: Any, mode: str = "auto", *, least: int = 0) -> None:
        self.hits = self.prefills = self.computed_tokens = 0
        self.reason = ""
        self._model, self._least = model, least
        weight = model.get_output_embeddings().weight
        self._device: torch.device = weight.device
        if self._device.type == "cuda":
            fuse_norms(model)
        self._stream = WorkStream(self._device)
        self._longest = getattr(_text_config(model), "max_position_embeddings", None)
        self._choice: Choice | None = None
        self._vocabulary = int(weight.shape[0])
        self._cache: Any = None
        self._fixed: FixedPasses | None = None
        self._kept: tuple[Hashable, int] | None = None
        self._read: TokenReading | None = None
        self._position: Tensor | None = None
        self._failures, self._capture_seconds = 0, 0.0
        self.use(mode)

    # Which way the model is run

    def use(self, mode: str) -> None:
        """Run the model in another way from now on; what was kept is freed.

        Raises:
            ValueError: there is no such mode.
        """
        if mode not in MODES:
            raise ValueError(f"unknown mode '{mode}'; one of {', '.join(MODES)}")
        self.clear()
        self._failures = 0
        unfit = _unfit_for_slots(self._model)
        if mode == "auto":
            uncapturable = refusal(self._device) or _uncapturable(self._model)
            mode = "dynamic" if unfit else "eager" if uncapturable else "graph"
            self.reason = unfit or uncapturable
        elif unfit and mode != "dynamic":
            raise ValueError(f"mode '{mode}' is not for this model: {unfit}")
        else:
            self.reason = "" if mode == "graph" else f"mode '{mode}' was asked for"
        self.mode = mode

    def clear(self) -> None:
        """Free the memory, the graphs and the prefix."""
        if self._stream.stream is not None:
            self._stream.stream.synchronize()
        self._fixed = self._cache = self._choice = self._read = None
        self._kept = None

    def forget(self) -> None:
        """Forget the prefix; the memory stays."""
        self._kept = None
        if self.mode == "dynamic":
            self._cache = None

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        fixed, cache = self._fixed, self._cache
        slots = isinstance(cache, SlotCache)
        graphs = [] if fixed is None else fixed.graphs
        return {
            "decoding": self._words(),
            "prefix_hits": self.hits,
            "prefix_prefills": self.prefills,
            "computed_tokens": self.computed_tokens,
            "cache_tokens": cache.capacity if slots else 0,
            "cache_bytes": cache.bytes if slots else 0,
            "captured_graphs": sum(graph.is_graph for graph in graphs),
            "capture_seconds": round(self._capture_seconds, 3),
        }

    def _words(self) -> str:
        if self.mode == "graph" and not self.reason:
            return "CUDA graphs"
        kind = "eager loop, growing cache" if self.mode == "dynamic" else "eager loop"
        return f"{kind}: {self.reason}"

    @contextmanager
    def working(self) -> Iterator[None]:
        """Launch in the decoder's stream, after what the caller launched before.

        What a question needs of other networks is launched here too. Nothing else waits for it, so
        that measuring goes on beside tokens; what is made here is therefore for here alone.
        """
        stream = self._stream.stream
        if stream is None:
            yield
            return
        caller = torch.cuda.current_stream(self._device)
        if caller != stream:
            stream.wait_stream(caller)
        with torch.cuda.stream(stream):
            yield

    # One answer

    @torch.inference_mode()
    def begin(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        prefix_key: Hashable = None,
        prefix_length: int = 0,
        seen: Collection[int] = (),
    ) -> int:
        """Start the computation of a prompt and of the answer's first token.

        Args:
            prompt: what is asked.
            sampling: how tokens are chosen.
            prefix_key: what the first ``prefix_length`` positions depend on: equal keys must mean
                equal embeddings there.
            prefix_length: positions that are kept for the next question; 0 for none.
            seen: tokens of the prompt, for the repetition penalty.

        Returns:
            How many positions were known from an earlier question.

        Raises:
            ValueError: ``prefix_length`` leaves nothing to compute.
            BadRequestError: prompt and answer are longer than the model reads.
        """
        total = len(prompt)
        if not 0 <= prefix_length < total:
            raise ValueError(
                f"prefix_length {prefix_length} must be below the prompt's {total} tokens"
            )
        most = sampling.max_new_tokens
        if self._longest is not None and total + most > self._longest:
            raise BadRequestError(
                f"the prompt has {total} tokens and the answer may have {most}, but the model "
                f"reads {self._longest}: ask a shorter question, or about fewer images"
            )
        self._read = None
        with self.working():
            self._borrow(prompt)
            reused = self._known(prefix_key, prefix_length)
            # Room for any other question that a fixed pass takes, so that it captures nothing.
            asked = max(total - prefix_length, QUESTION_LENGTHS[-1])
            self._reserve(prompt, prefix_length + asked + most, reused)
            assert self._choice is not None
            # Before the passes: copying from the host waits for what is launched already.
            self._choice.seen.zero_()
            if sampling.repetition_penalty != 1 and seen:
                self._choice.seen[torch.tensor(sorted(seen), device=self._device)] = True
            self._choice.penalty.fill_(sampling.repetition_penalty)
            self._read = TokenReading(sampling, self._device, total, prefix_length)
            if prefix_length and not reused:
                self._kept = None
                self._compute(prompt, 0, prefix_length)
                self.prefills += 1
            self._kept = (prefix_key, prefix_length) if prefix_length else None
            self.hits += reused > 0
            if self._fixed is not None:
                self._fixed.begin(total, prompt.answer_position)
            else:
                self._position = prompt.answer_position
            self._question(prompt, prefix_length)
            self._read.publish(self._choice)
        return reused

    @torch.inference_mode()
    def next(self, ahead: bool = True) -> int:
        """Return the answer's next token, when it is known.

        Args:
            ahead: whether the one after it is started before this one is waited for, so that the
                GPU does not wait for what is done with this one. Its logits are gone then.
        """
        read = self._read
        assert read is not None and self._choice is not None, "begin() comes first"
        ahead = ahead and self._stream.stream is not None
        with self.working():
            if read.started == read.taken:
                self._token(read)
            if ahead and read.started < read.sampling.max_new_tokens:
                self._token(read)
            return read.take()

    @torch.inference_mode()
    def logits(self) -> Tensor:
        """Logits [V] float32 that the newest token was chosen from, before the penalty.

        Only after ``next(ahead=False)``.
        """
        assert self._choice is not None
        with self.working():
            return self._choice.logits.clone()

    def end(self) -> None:
        """Take what the answer appended off the memory again; the prefix stays."""
        read, self._read = self._read, None
        if read is None or self.mode != "dynamic" or self._cache is None:
            return  # slots need no more than counting from the prefix again
        surplus = self._cache.get_seq_length() - read.prefix_length
        if not read.prefix_length:
            self._cache = None
        elif surplus > 0:
            self._cache.crop(-surplus)

    # The parts of an answer

    def _borrow(self, prompt: Prompt) -> None:
        """Keep a prompt's memory, which another stream may have made, until it was read here."""
        if self._stream.stream is not None:
            for tensor in (prompt.embeds, prompt.position_ids):
                if tensor is not None:
                    tensor.record_stream(self._stream.stream)

    def _known(self, key: Hashable, length: int) -> int:
        if not length or self._kept != (key, length) or self._cache is None:
            if self.mode == "dynamic":
                self._cache = None
            return 0
        return length

    def _reserve(self, prompt: Prompt, length: int, kept: int) -> None:
        """Have memory for ``length`` tokens, and passes that fit to it and to the prompt."""
        if self._choice is None:
            self._choice = Choice(self._vocabulary, self._device)
        if self.mode == "dynamic":
            if self._cache is None:
                from transformers import DynamicCache

                self._cache = DynamicCache()
            return
        if self._cache is None:
            self._cache = SlotCache(_text_config(self._model).num_hidden_layers)
        if length > self._cache.capacity:
            self._drop_passes()
            slots = length + RESERVE if self._cache.capacity else max(length, self._least)
            self._cache.grow(-(-slots // STEP) * STEP, kept)
        rows = tuple(prompt.positions.shape[:-1])
        if self._fixed is not None and self._fixed.rows != rows:
            self._drop_passes()
        if self._fixed is None and self.mode in ("graph", "direct"):
            self._make_passes(prompt, rows)

    def _drop_passes(self) -> None:
        if self._fixed is not None and self._stream.stream is not None:
            self._stream.stream.synchronize()
        self._fixed = None

    def _make_passes(self, prompt: Prompt, rows: tuple[int, ...]) -> None:
        assert self._choice is not None
        started = time.monotonic()
        try:
            self._fixed = FixedPasses(
                self._model, self._cache, self._choice, prompt.embeds, rows, self._stream,
                captured=self.mode == "graph",
            )  # fmt: skip
        except CaptureError as error:
            self._failures += 1
            self.reason = str(error)
            if self._failures >= _MOST_FAILURES:
                self.mode = "eager"
            log.warning("decoding: %s", self._words())
        else:
            if self.mode == "graph":
                self.reason = ""
        self._capture_seconds = time.monotonic() - started

    def _question(self, prompt: Prompt, start: int) -> None:
        """Compute the prompt from ``start`` on and choose the answer's first token."""
        count = len(prompt) - start
        size = FixedPasses.question_length(count)
        if self._fixed is not None and size is not None and start:
            self._fixed.question(
                size, prompt.embeds[:, start:], prompt.positions[..., start:], start
            )
            self.computed_tokens += count
            return
        assert self._choice is not None
        self._choice.conclude(self._compute(prompt, start, len(prompt)))

    def _compute(self, prompt: Prompt, start: int, end: int) -> Tensor:
        """Run a part of the prompt behind what is there; logits [V] of its last token."""
        arguments: dict[str, Any] = {"inputs_embeds": prompt.embeds[:, start:end]}
        if prompt.position_ids is not None:
            arguments["position_ids"] = prompt.position_ids[..., start:end]
        if self.mode != "dynamic":
            if start:
                arguments["attention_mask"] = causal_mask(start, end, prompt.embeds)
            self._cache.put(start, end - start)
        self.computed_tokens += end - start
        return self._run(arguments)

    def _token(self, read: TokenReading) -> None:
        """Compute the newest token and choose the next one."""
        assert self._choice is not None
        if self._fixed is not None:
            self._fixed.token()
        else:
            self._choice.mark()
            arguments: dict[str, Any] = {"input_ids": self._choice.token}
            if self._position is not None:
                arguments["position_ids"] = self._position
                self._position = self._position + 1
            if self.mode != "dynamic":
                self._cache.put(read.length, 1)
            self._choice.conclude(self._run(arguments))
        read.length += 1
        read.publish(self._choice)

    def _run(self, arguments: dict[str, Any]) -> Tensor:
        kept = cache_argument(self._model, self._cache)
        output = self._model(**arguments, **kept, use_cache=True, logits_to_keep=1)
        logits: Tensor = output.logits[0, -1]
        return logits


def _text_config(model: Any) -> Any:
    """Return the configuration of the language model, of a model that has other parts too."""
    return model.config.get_text_config(decoder=True)


def _unfit_for_slots(model: Any) -> str:
    """Say why a model cannot use slots of fixed memory, "" where it can."""
    config = _text_config(model)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        full = getattr(config, "sliding_window", None) is None
    else:
        full = set(kinds) == {"full_attention"}
    if not full:
        return "layers of the model look at a window of the prompt only"
    if model.config._attn_implementation not in ("sdpa", "eager"):
        return f"attention '{model.config._attn_implementation}' takes no mask of ours"
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return "the model takes no positions"
    return ""


def _uncapturable(model: Any) -> str:
    """Say what of a model is known to ask the device for values in every pass, "" for nothing."""
    for module in model.modules():
        if getattr(getattr(module, "state", None), "threshold", 0) > 0:
            return (
                "8-bit layers of bitsandbytes look for outliers on the host in every product, "
                "which a CUDA graph cannot hold"
            )
    return ""
