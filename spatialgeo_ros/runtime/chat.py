# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama, LM Studio, OpenAI, ..."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spatialgeo_ros.errors import SpatialGeoError, escaped, quoted
from spatialgeo_ros.runtime.deadline import Deadline
from spatialgeo_ros.runtime.endpoint import Endpoint, HttpStatusError

log = logging.getLogger(__name__)

#: How a reply is kept to the form: by the schema, to JSON, or by the prompt alone.
_FORMATS = ("json_schema", "json_object", "")
_REFUSED = (400, 422)


@dataclass(frozen=True)
class Reply:
    """What a model said.

    Attributes:
        text: its words.
        model: what the server calls itself, "" where it does not say.
        usage: numbers of tokens, and what else the server counts, by its names.
    """

    text: str
    model: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)


class ChatModel:
    """Asks ``POST <address>/chat/completions``, and learns what its server does not take.

    Args:
        endpoint: of the server, up to and with "/v1".
        model: its name there.
        most_tokens: of a reply.
        schema: of a reply, with its name; None leaves the form to the prompt.
        failure: what is raised where there is no reply.
        role: that it plays here, for the log ("planner").
        temperature: of sampling.
        may_be_cut: whether a reply of ``most_tokens`` that goes on is one.
        seed: of sampling, for servers that take one; None for none.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        most_tokens: int,
        schema: tuple[str, Mapping[str, Any]] | None,
        failure: type[SpatialGeoError],
        role: str,
        *,
        temperature: float = 0.0,
        may_be_cut: bool = False,
        seed: int | None = None,
    ) -> None:
        self._endpoint, self._model, self._schema = endpoint, model, schema
        self._most, self._failure, self._role = most_tokens, failure, role
        self._may_be_cut = may_be_cut
        self._settings: dict[str, Any] = {"temperature": temperature, "max_tokens": most_tokens}
        if seed is not None:
            self._settings["seed"] = seed
        # Of _FORMATS, that the server is known to take.
        self._format = 0 if schema is not None else len(_FORMATS) - 1

    @property
    def name(self) -> str:
        """The model, and where it is."""
        return f"{escaped(self._model, 100)} at {self._endpoint.address}"

    def say(
        self,
        asked: Sequence[Mapping[str, Any]],
        deadline: Deadline,
        on_text: Callable[[str], None] | None = None,
    ) -> str:
        """Return the words of a reply; see :meth:`complete`."""
        return self.complete(asked, deadline, on_text).text

    def complete(
        self,
        asked: Sequence[Mapping[str, Any]],
        deadline: Deadline,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """Return a reply; what the server does not take is left out, and that is remembered.

        Args:
            asked: the messages.
            deadline: of the reply.
            on_text: gets each piece of it as it comes.

        Raises:
            SpatialGeoError: there is none in time, or none that can be read; of the type that was
                asked for.
            CancelledError: the question was given up.
        """
        settings, form = dict(self._settings), self._format
        while True:
            body: dict[str, Any] = {"model": self._model, "messages": list(asked), **settings}
            if _FORMATS[form]:
                body["response_format"] = self._response_format(_FORMATS[form])
            try:
                if on_text is not None:
                    answer = self._streamed(body, deadline, on_text)
                else:
                    answer = self._endpoint.post("/chat/completions", body, deadline)
            except HttpStatusError as error:
                # Each branch can be taken so often only: this ends.
                if error.status not in _REFUSED:
                    raise self._refusal(error) from None
                if "max_completion_tokens" in error.body and "max_tokens" in settings:
                    settings["max_completion_tokens"] = settings.pop("max_tokens")
                elif "temperature" in error.body and "temperature" in settings:
                    del settings["temperature"]
                elif "seed" in error.body and "seed" in settings:
                    del settings["seed"]
                elif form + 1 < len(_FORMATS):
                    form += 1
                else:
                    raise self._refusal(error) from None
                reason = str(error)
                continue
            if (settings, form) != (self._settings, self._format):
                how = _FORMATS[form] or "validation alone"
                log.info(
                    "%s %s: replies are kept to the form by %s, with %s, since it refused: %s",
                    self._role, self.name, how, ", ".join(settings), reason,
                )  # fmt: skip
                self._settings, self._format = settings, form
            text = self._text_of(answer)
            usage, model = answer.get("usage"), answer.get("model")
            return Reply(
                text,
                model if isinstance(model, str) else "",
                usage if isinstance(usage, dict) else {},
            )

    def _streamed(
        self, body: dict[str, Any], deadline: Deadline, on_text: Callable[[str], None]
    ) -> Any:
        """Let a reply come in pieces; returns it in the form of one that comes at once."""
        pieces: list[str] = []
        ended: list[Any] = [None]

        def take(event: Any) -> None:
            try:
                choices = event.get("choices") or [{}]
                piece = (choices[0].get("delta") or {}).get("content")
                ended[0] = choices[0].get("finish_reason") or ended[0]
            except (AttributeError, IndexError, TypeError):
                raise self._failure(
                    f"{self._endpoint.address} sent an event without choices[0].delta: is it an "
                    "OpenAI-compatible server?"
                ) from None
            if isinstance(piece, str) and piece:
                pieces.append(piece)
                on_text(piece)

        path = "/chat/completions"
        whole = self._endpoint.stream(path, {**body, "stream": True}, deadline, take)
        if whole is not None:  # the server does not stream
            on_text(self._text_of(whole))
            return whole
        said = {"content": "".join(pieces)}
        return {"choices": [{"message": said, "finish_reason": ended[0]}]}

    def _refusal(self, error: HttpStatusError) -> SpatialGeoError:
        failure = self._failure(f"{self._endpoint.address} answered with {error}")
        failure.retry_after = error.retry_after
        return failure

    def _text_of(self, answer: Any) -> str:
        """Return the words of a decoded answer."""
        try:
            choice = answer["choices"][0]
            text, ended = choice["message"].get("content"), choice.get("finish_reason")
            refusal = choice["message"].get("refusal")
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._failure(
                f"{self._endpoint.address} sent no choices[0].message: is it an OpenAI-compatible "
                "server?"
            ) from None
        if ended == "length" and not self._may_be_cut:
            raise self._failure(f"the reply was cut off after {self._most} tokens")
        if not isinstance(text, str) or not text.strip():
            why = f": {quoted(refusal, 200)}" if isinstance(refusal, str) else ""
            raise self._failure(f"the reply is empty{why}")
        return text

    def _response_format(self, kind: str) -> dict[str, Any]:
        if kind != "json_schema" or self._schema is None:
            return {"type": kind}
        name, schema = self._schema
        return {"type": kind, "json_schema": {"name": name, "schema": dict(schema)}}
