# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A planner behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama, LM Studio, OpenAI, ..."""

from __future__ import annotations

from collections.abc import Callable, Collection

from spatialgeo_ros.answer.planner.prompt import reply_schema
from spatialgeo_ros.answer.planner.reply import plan_in_rounds
from spatialgeo_ros.errors import PlannerFailedError
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.runtime.chat import ChatModel
from spatialgeo_ros.runtime.deadline import Deadline
from spatialgeo_ros.runtime.endpoint import Endpoint

#: Tokens of a reply; the longest program of a corpus of questions has some 400.
MOST_TOKENS = 1000


class OpenAIPlanner:
    """Asks ``POST <address>/chat/completions``.

    Args:
        address: of the server, up to and with "/v1".
        model: its name there.
        key: of the API; "" for none.
        timeout: seconds for one question, all rounds together.

    Raises:
        BadRequestError: address or key cannot be used.
    """

    def __init__(self, address: str, model: str, key: str = "", timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._chat = ChatModel(
            Endpoint(address, key),
            model,
            MOST_TOKENS,
            ("program", reply_schema()),
            PlannerFailedError,
            "planner",
        )

    @property
    def name(self) -> str:
        """The model, and where it is."""
        return self._chat.name

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
        return plan_in_rounds(
            lambda asked: self._chat.say(asked, deadline), question, nouns, dialogue, regions
        )

    def close(self) -> None:
        """Do nothing: no connection is kept."""
