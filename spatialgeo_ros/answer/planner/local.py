# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A planner in this process: any instruction-tuned causal language model of transformers."""

from __future__ import annotations

import gc
import logging
import re
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from spatialgeo_ros.answer.planner.prompt import Message, messages
from spatialgeo_ros.answer.planner.reply import plan_in_rounds
from spatialgeo_ros.errors import ModelLoadError, PlannerFailedError, SpatialGeoError, escaped
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.runtime.deadline import Deadline

log = logging.getLogger(__name__)

#: Tokens of a reply; the longest program of a corpus of questions has some 400.
MOST_TOKENS = 700
#: Tokens of a question with what was asked before it and the nouns that are known.
_QUESTION = 512
#: What every reply begins with: put into the model's mouth, so that it neither talks nor thinks.
_OPENING = '{"program":'


class LocalPlanner:
    """Generates with the likeliest tokens. The prompt's constant part is computed when loading.

    Args:
        folder: of a checkpoint: config.json, *.safetensors, a tokenizer with a chat template.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        timeout: seconds for one question, all rounds together.

    Raises:
        ModelLoadError: it cannot be loaded, or has no chat template.
    """

    def __init__(self, folder: Path, device: str = "auto", timeout: float = 5.0) -> None:
        # Here, because PyTorch and transformers take seconds that most users never need.
        from spatialgeo_ros.speech.decoder import Decoder
        from spatialgeo_ros.speech.tokenizer import LanguageTokenizer

        self._folder, self._timeout = folder, timeout
        started = time.monotonic()
        self._model, tokenizer = _load(folder, device)
        self._tokenizer: LanguageTokenizer | None = LanguageTokenizer(tokenizer)
        self._control = _control_tokens(tokenizer)
        self._lock = threading.Lock()  # one question at a time, one that was left behind included
        self._closed = threading.Event()
        try:
            one, other = (
                self._ids(messages("how?", nouns, Dialogue(), 0)) for nouns in ((), ("chair",))
            )
            same = [a == b for a, b in zip(one, other, strict=False)]
            # Memory for a question and the longest reply from the beginning.
            least = len(one) + _QUESTION + MOST_TOKENS
            self._decoder: Decoder | None = Decoder(self._model, least=least)
            # What every prompt begins with; at least one token is left to compute.
            self._start = tuple(one[: same.index(False) if False in same else len(same) - 1])
            self._generate(one, Deadline(float("inf")), most=1)
        except Exception as error:  # whatever a checkpoint can be wrong in
            raise ModelLoadError(f"{folder} cannot plan: {_said(error)}") from error
        took = time.monotonic() - started
        log.info("planner %s: loaded and its prompt computed in %.1f s", folder, took)

    @property
    def name(self) -> str:
        """The folder's name."""
        return escaped(self._folder.name, 100)

    def plan(
        self,
        question: str,
        nouns: Collection[str],
        dialogue: Dialogue,
        cancelled: Callable[[], bool] | None = None,
        regions: int = 0,
    ) -> Program:
        """Return the program of a question; see :class:`.interface.Planner`."""
        deadline = Deadline(self._timeout, cancelled)

        def say(asked: list[Message]) -> str:
            return deadline.run(lambda: self._say(asked, deadline))

        return plan_in_rounds(say, question, nouns, dialogue, regions)

    def close(self) -> None:
        """Free the model; a question that is still worked on ends at its next token."""
        import torch

        self._closed.set()
        with self._lock:
            if self._decoder is not None:
                self._decoder.clear()
            self._model = self._tokenizer = self._decoder = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _say(self, asked: list[Message], deadline: Deadline) -> str:
        """Return a reply; on a thread of its own."""
        if not self._lock.acquire(blocking=False):
            raise PlannerFailedError("still at a question that took too long: ask again later")
        try:
            if self._model is None:
                raise PlannerFailedError("the planner is closed")
            return _OPENING + self._generate(self._ids(asked), deadline, MOST_TOKENS)
        except SpatialGeoError:
            raise
        except Exception as error:  # a GPU without memory, a template that takes no such turn
            log.warning("planner %s failed", self.name, exc_info=True)
            raise PlannerFailedError(f"the model failed: {_said(error)}") from error
        finally:
            self._lock.release()

    def _generate(self, ids: list[int], deadline: Deadline, most: int) -> str:
        import torch

        from spatialgeo_ros.speech.sampling import Sampling
        from spatialgeo_ros.speech.stream import generate

        model, tokenizer, decoder = self._model, self._tokenizer, self._decoder
        assert model is not None and tokenizer is not None and decoder is not None
        longest = getattr(model.config, "max_position_embeddings", None)
        if longest is not None and len(ids) + most > longest:
            raise PlannerFailedError(
                f"the prompt has {len(ids)} tokens and the reply up to {most}; the model reads "
                f"{longest}: take one with a longer context"
            )
        with torch.inference_mode():
            embeds = model.get_input_embeddings()(torch.tensor([ids], device=model.device))
        reply = _Braces(_OPENING)
        shared = len(self._start) if tuple(ids[: len(self._start)]) == self._start else 0
        made = generate(
            decoder,
            tokenizer,
            embeds,
            Sampling(max_new_tokens=most),
            on_token=reply.add,
            cancelled=lambda: reply.closed or deadline.over() or self._closed.is_set(),
            prefix_key="instructions",
            prefix_length=shared,
            end_ids=_end_ids(model),
        )
        if made.stopped == "length" and most > 1:
            raise PlannerFailedError(f"the reply was cut off after {most} tokens")
        return made.text

    def _ids(self, asked: list[Message]) -> list[int]:
        """Return the tokens of a conversation; what a person typed holds no control tokens."""
        assert self._tokenizer is not None
        tokenizer = self._tokenizer.tokenizer
        turns = [
            turn
            if turn["role"] == "system"
            else {**turn, "content": self._control.sub(" ", turn["content"])}
            for turn in asked
        ]
        try:
            ids = _templated(tokenizer, turns)
        except Exception:  # a template without system turns: its instructions go first
            first, second, *rest = turns
            both = {"role": "user", "content": f"{first['content']}\n\n{second['content']}"}
            ids = _templated(tokenizer, [both, *rest])
        return ids


class _Braces:
    """Notices where a JSON object that is written piece by piece is complete."""

    def __init__(self, opening: str) -> None:
        self._depth, self._quoted, self._escaped = 0, False, False
        self.closed = False
        self.add(opening)

    def add(self, text: str) -> None:
        for letter in text:
            if self._quoted:
                self._quoted = letter != '"' or self._escaped
                self._escaped = letter == "\\" and not self._escaped
            elif letter == '"':
                self._quoted = True
            elif letter in "{}":
                self._depth += 1 if letter == "{" else -1
                self.closed = self.closed or self._depth == 0


def _templated(tokenizer: Any, turns: list[Message]) -> list[int]:
    text = tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    ids: list[int] = tokenizer(text + _OPENING, add_special_tokens=False).input_ids
    return ids


def _load(folder: Path, device: str) -> tuple[Any, Any]:
    """Load model and tokenizer; nothing is fetched, no code of the checkpoint is run."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from spatialgeo_ros.models.construction import choose_device

    target = choose_device(device)
    if not (folder / "config.json").is_file():
        raise ModelLoadError(f"{folder} is no checkpoint: it has no config.json")
    own: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(str(folder), **own)
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **own)
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), config=config, dtype=_dtype(config, target), use_safetensors=True, **own
        )
        model.requires_grad_(False).eval()
        torch.nn.Module.to(model, device=target)
    except Exception as error:  # whatever can be wrong in the files of a checkpoint
        raise ModelLoadError(f"{folder} cannot be loaded: {_said(error)}") from error
    if not getattr(tokenizer, "chat_template", None):
        raise ModelLoadError(
            f"{folder} has no chat template: take an instruction-tuned model ('-Instruct', '-it')"
        )
    return model, tokenizer


def _dtype(config: Any, device: Any) -> Any:
    """Return the checkpoint's precision; bfloat16 for float16 on a CPU, which is slow in it."""
    import torch

    stated = getattr(config, "dtype", None) or torch.float32
    return torch.bfloat16 if device.type == "cpu" and stated == torch.float16 else stated


def _end_ids(model: Any) -> set[int]:
    """Return the tokens that end a turn of the model."""
    ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if ends is None:
        return set()
    return {ends} if isinstance(ends, int) else set(ends)


def _control_tokens(tokenizer: Any) -> re.Pattern[str]:
    """Match the tokens by which a conversation is marked."""
    known = {*getattr(tokenizer, "all_special_tokens", ()), *tokenizer.get_added_vocab()}
    words = sorted((word for word in known if word.strip()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, words)) or "(?!)")


def _said(error: Exception) -> str:
    named = "" if isinstance(error, SpatialGeoError) else f"{type(error).__name__}: "
    return escaped(f"{named}{error}", 400)
