# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prompt templates: the conversation formats of LLaVA checkpoints and that of the nano model.

The strings are what the checkpoints were trained with and must match byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.query.families import QUALITATIVE, QUANTITATIVE
from spatialgeo_ros.speech.marked_text import TextPart
from spatialgeo_ros.speech.tokenizer import IMAGE_PLACEHOLDER

_SYSTEM = (
    "A chat between a curious {who} and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the {who}'s questions."
)

# LLaVA's system text for LLaMA 2, which SpatialRGPT keeps in LLaMA 3's format.
_ASSISTANT = (
    "You are a helpful language and vision assistant. You are able to understand the visual "
    "content that the user provides, and assist the user with a variety of tasks using natural "
    "language."
)
_TURN_END = "<|eot_id|>"


def _header(role: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"


#: What VSI-Bench's questions end with, asked of a choice and of anything else.
CHOICE_REQUEST = "Answer with the option's letter from the given choices directly."
NUMBER_REQUEST = "Please answer the question using a single word or phrase."

DIRECTION_SUFFIX = (
    "The answer should be presented in this format {# o'clock}, "
    "for example, {3 o'clock} or {12 o'clock}."
)
QUANTITY_SUFFIX = (
    "The answer should be presented in this format {# meters or feets or inches}, "
    "for example, {1.23 meters} or {0.56 feets} or {0.65 inches}."
)
PREDICATE_SUFFIX = (
    "The answer should be presented in this format {# big or small or behind or front or left or "
    "right or tall or short or wide or thin or below or above}, for example,{A is bigger than B}."
)


@dataclass(frozen=True)
class PromptTemplate:
    """How a conversation is written for one kind of checkpoint.

    Attributes:
        name: as used in a model profile.
        system: text before the first turn.
        before_user: written before each question; the first one follows the system text.
        first_gap: written between the system text and the first question.
        after_user: written after each question; the model continues from here.
        before_reply: written before an earlier reply.
        after_reply: written after an earlier reply; also ends a reply in training. None when the
            end token of the tokenizer does that and the format has a single turn.
        stop: text that ends an answer besides the end token, or None.
    """

    name: str
    system: str = ""
    first_gap: str = ""
    before_user: str = ""
    after_user: str = ""
    before_reply: str = " "
    after_reply: str | None = None
    stop: str | None = None

    def build(
        self,
        question: str | Sequence[TextPart],
        history: Sequence[tuple[str, str]] = (),
        *,
        images: int = 1,
        suffix: str = "",
    ) -> str:
        """Return the prompt that ends where the model's answer begins, as one text.

        Arguments and errors as for :meth:`parts`.
        """
        parts = self.parts(question, history, images=images, suffix=suffix)
        return "".join(part.text for part in parts)

    def parts(
        self,
        question: str | Sequence[TextPart],
        history: Sequence[tuple[str, str]] = (),
        *,
        images: int = 1,
        suffix: str = "",
        marked: bool = False,
    ) -> tuple[TextPart, ...]:
        """Return the parts of the prompt that ends where the model's answer begins.

        What is asked and was answered is plain text: a token of the format in it is letters.

        Args:
            question: the newest question; or its parts, of which some are our own.
            history: earlier (question, reply) pairs.
            images: how many ``<image>`` placeholders precede the first question.
            suffix: text appended to the system text without a space (:func:`format_suffix`).
            marked: the newest question is our own wording, with placeholders in it.

        Raises:
            BadRequestError: the template has a single turn and ``history`` is not empty.
        """
        if history and self.after_reply is None:
            raise BadRequestError(f"the {self.name} prompt takes one question, without a history")
        marks = f"{IMAGE_PLACEHOLDER}\n" * images
        parts = [TextPart(f"{self.system}{suffix}{self.first_gap}{self.before_user}{marks}")]
        for asked, reply in history:
            parts += [
                TextPart(asked, plain=True),
                TextPart(f"{self.after_user}{self.before_reply}"),
            ]
            parts += [
                TextPart(reply, plain=True),
                TextPart(f"{self.after_reply}{self.before_user}"),
            ]
        asks = [TextPart(question, not marked)] if isinstance(question, str) else question
        return (*parts, *asks, TextPart(self.after_user))


def _chat(name: str, who: str) -> PromptTemplate:
    return PromptTemplate(
        name,
        system=_SYSTEM.format(who=who),
        first_gap=" ",
        before_user="USER: ",
        after_user=" ASSISTANT:",
        after_reply="</s>",
    )


TEMPLATES: dict[str, PromptTemplate] = {
    template.name: template
    for template in (
        _chat("llava_v1", "human"),
        _chat("vicuna_v1", "user"),
        PromptTemplate(
            "llava_v0",
            system=_SYSTEM.format(who="human"),
            first_gap="###",
            before_user="Human: ",
            after_user="###Assistant:",
            after_reply="###",
            stop="###",
        ),
        PromptTemplate(
            "llama_3",
            system=_header("system") + _ASSISTANT,
            first_gap=_TURN_END,
            before_user=_header("user"),
            after_user=_TURN_END + _header("assistant"),
            before_reply="",
            after_reply=_TURN_END,
            stop=_TURN_END,
        ),
        PromptTemplate("plain", after_user="\n", before_reply=""),
        PromptTemplate("nano", after_user=" answer :"),
    )
}


def template(name: str) -> PromptTemplate:
    """Return a template by name.

    Raises:
        BadRequestError: there is no template of that name.
    """
    if name not in TEMPLATES:
        raise BadRequestError(f"unknown prompt template {name!r}; one of {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def format_suffix(family: str) -> str:
    """Return the sentence on the form of the answer that the benchmark script of SpatialGeo adds.

    Empty for a family outside the benchmark ("open").
    """
    if family in QUALITATIVE:
        return PREDICATE_SUFFIX
    if family in QUANTITATIVE:
        return DIRECTION_SUFFIX if QUANTITATIVE[family].unit == "o'clock" else QUANTITY_SUFFIX
    return ""
