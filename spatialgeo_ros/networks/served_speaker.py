# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A language model behind an OpenAI-compatible server speaks; geometry measures here.

Images go to the address in the profile and nowhere else, and only with a question.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from torch import nn

from spatialgeo_ros.errors import BadRequestError, ModelLoadError, NoLanguageModelError
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.profile_parts import ServedPart
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.remote_decoding import RemoteDecoding
from spatialgeo_ros.runtime.chat import ChatModel
from spatialgeo_ros.runtime.deadline import Deadline
from spatialgeo_ros.runtime.endpoint import Endpoint
from spatialgeo_ros.runtime.image_message import image_part, size_within, text_part

#: What a message about time names.
_SETTING = "language.timeout of the profile"


class ServedSpeaker:
    """A language model of another process or machine.

    Args:
        part: of the profile.
        name: of the profile, for messages.

    Raises:
        ModelLoadError: address or key cannot be used.
    """

    canonical_only = False
    takes_regions = False

    def __init__(self, part: ServedPart, name: str) -> None:
        self._part = part
        self.context_views = part.frames - 1
        key = os.environ.get(part.key_variable, "") if part.key_variable else ""
        try:
            endpoint = Endpoint(part.address, key, NoLanguageModelError, _SETTING)
        except BadRequestError as error:
            raise ModelLoadError(f"profile '{name}': {error}") from error
        self._chat = ChatModel(
            endpoint, part.model, part.max_new_tokens, None, NoLanguageModelError,
            "language model", temperature=part.temperature, may_be_cut=True,
        )  # fmt: skip
        sent = f"of the variable {part.key_variable}" if key else "none"
        self.decoder = RemoteDecoding(part.model, endpoint.address, sent)

    def modules(self) -> tuple[nn.Module, ...]:
        """None: they are elsewhere."""
        return ()

    def encode(self, view: View) -> None:
        """Do nothing: nothing is sent before a question is asked."""

    def answer(self, view: View, question: Question) -> str:
        """Ask the server; see ``interface.Networks``.

        Raises:
            NoLanguageModelError: there is no answer; the message names the server and why.
            CancelledError: ``question.cancelled`` became true.
        """
        shown, most = [*question.earlier, view], self._part.most_pixels
        content = [image_part(one.image, size_within(one.image, most)) for one in shown]
        content.append(text_part(question.text))
        messages = [{"role": "user", "content": content}]
        deadline = Deadline(self._part.timeout, question.cancelled, NoLanguageModelError, _SETTING)
        on_text: Callable[[str], None] = question.on_token or (lambda piece: None)
        self.decoder.questions += 1
        try:
            return self._chat.say(messages, deadline, on_text).strip()
        except NoLanguageModelError as error:
            self.decoder.failures += 1
            raise NoLanguageModelError(f"{self._chat.name} gives no answer: {error}") from None
