# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A planner behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama, LM Studio, OpenAI, ..."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from spatialgeo_ros.answer.planner.deadline import Deadline
from spatialgeo_ros.answer.planner.endpoint import Endpoint, HttpStatusError
from spatialgeo_ros.answer.planner.prompt import Message, reply_schema
from spatialgeo_ros.answer.planner.reply import plan_in_rounds
from spatialgeo_ros.errors import PlannerFailedError, escaped, quoted
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.program import Program

log = logging.getLogger(__name__)

#: Tokens of a reply; the longest program of a corpus of questions has some 400.
MOST_TOKENS = 1000
#: How a reply is kept to the form: by the schema, to JSON, or by the prompt alone.
_FORMATS = ("json_schema", "json_object", "")
_REFUSED = (400, 422)


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
        self._endpoint = Endpoint(address, key)
        self._model, self._timeout = model, timeout
        self._settings: dict[str, Any] = {"temperature": 0, "max_tokens": MOST_TOKENS}
        self._format = 0  # of _FORMATS, that the server is known to take

    @property
    def name(self) -> str:
        """The model, and where it is."""
        return f"{escaped(self._model, 100)} at {self._endpoint.address}"

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
            lambda asked: self._say(asked, deadline), question, nouns, dialogue, regions
        )

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def _say(self, asked: list[Message], deadline: Deadline) -> str:
        """Return a reply; what the server does not take is left out, and that is remembered."""
        settings, form = dict(self._settings), self._format
        while True:
            body: dict[str, Any] = {"model": self._model, "messages": asked, **settings}
            if _FORMATS[form]:
                body["response_format"] = _format(_FORMATS[form])
            try:
                answer = self._endpoint.post("/chat/completions", body, deadline)
            except HttpStatusError as error:
                # Each branch can be taken so often only: this ends.
                if error.status not in _REFUSED:
                    raise self._refusal(error) from None
                if "max_completion_tokens" in error.body and "max_tokens" in settings:
                    settings["max_completion_tokens"] = settings.pop("max_tokens")
                elif "temperature" in error.body and "temperature" in settings:
                    del settings["temperature"]
                elif form + 1 < len(_FORMATS):
                    form += 1
                else:
                    raise self._refusal(error) from None
                reason = str(error)
                continue
            if (settings, form) != (self._settings, self._format):
                how = _FORMATS[form] or "validation alone"
                log.info(
                    "planner %s: replies are kept to the form by %s, with %s, since it refused: %s",
                    self.name, how, ", ".join(settings), reason,
                )  # fmt: skip
                self._settings, self._format = settings, form
            return self._text_of(answer)

    def _refusal(self, error: HttpStatusError) -> PlannerFailedError:
        return PlannerFailedError(f"{self._endpoint.address} answered with {error}")

    def _text_of(self, answer: Any) -> str:
        """Return the words of a decoded answer."""
        try:
            choice = answer["choices"][0]
            text, ended = choice["message"].get("content"), choice.get("finish_reason")
            refusal = choice["message"].get("refusal")
        except (KeyError, IndexError, TypeError, AttributeError):
            raise PlannerFailedError(
                f"{self._endpoint.address} sent no choices[0].message: is it an OpenAI-compatible "
                "server?"
            ) from None
        if ended == "length":
            raise PlannerFailedError(f"the reply was cut off after {MOST_TOKENS} tokens")
        if not isinstance(text, str) or not text.strip():
            why = f": {quoted(refusal, 200)}" if isinstance(refusal, str) else ""
            raise PlannerFailedError(f"the reply is empty{why}")
        return text


def _format(kind: str) -> dict[str, Any]:
    """Return the response_format of a kind."""
    if kind != "json_schema":
        return {"type": kind}
    return {"type": kind, "json_schema": {"name": "program", "schema": reply_schema()}}
