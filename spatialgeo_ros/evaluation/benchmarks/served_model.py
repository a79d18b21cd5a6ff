# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model behind an OpenAI-compatible server, as evaluations ask it: patiently, and on record.

A server that is busy or away is asked again, each time after twice as long; of each reply the hash
of what was asked, the tokens and what they cost are kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from spatialgeo_ros.errors import BadRequestError, NoLanguageModelError
from spatialgeo_ros.models.profile_source import served_model
from spatialgeo_ros.runtime.chat import ChatModel
from spatialgeo_ros.runtime.deadline import Deadline
from spatialgeo_ros.runtime.endpoint import Endpoint

log = logging.getLogger(__name__)

_SETTING = "--timeout"
_LONGEST_PAUSE = 60.0  # seconds between two tries, where the server asks for no longer one
_MILLION = 1_000_000
Message = Mapping[str, Any]


@dataclass(frozen=True)
class Service:
    """Where a model is, and how it is asked.

    Attributes:
        model: its name there.
        address: up to and with "/v1".
        key_variable: environment variable with the key of its API, "" for none.
        timeout: seconds for one reply.
        tries: how often a question is asked at most.
        pause: seconds after the first try that failed.
        prices: per million tokens read and said, in any currency; None where they are not known.
        seed: of sampling; None for none.
    """

    model: str
    address: str
    key_variable: str = "OPENAI_API_KEY"
    timeout: float = 120.0
    tries: int = 6
    pause: float = 1.0
    prices: tuple[float, float] | None = None
    seed: int | None = 0


@dataclass(frozen=True)
class Said:
    """A reply.

    Attributes:
        text: as it came.
        facts: for the record: prompt_sha256, model, date, tries, tokens_in, tokens_out, cost.
    """

    text: str
    facts: dict[str, Any]


def parse_service(name: str, **how: Any) -> Service:
    """Read "openai:MODEL@ADDRESS".

    Args:
        name: what was given.
        how: other fields of :class:`Service`.

    Raises:
        BadRequestError: it is nothing of that form.
    """
    found = served_model(name)
    if found is None:
        raise BadRequestError(f"'{name}' names no served model: give openai:MODEL@http://HOST/v1")
    return Service(*found, **how)


class ServedModel:
    """Asks a model on a server.

    Args:
        service: where and how.
        most_tokens: of a reply.
        role: for the log.
        schema: name and JSON schema of a reply; None for free text.
        sleep: waits; another one for tests.

    Raises:
        BadRequestError: address or key cannot be used.
    """

    def __init__(
        self,
        service: Service,
        most_tokens: int,
        role: str,
        schema: tuple[str, Mapping[str, Any]] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        key = os.environ.get(service.key_variable, "") if service.key_variable else ""
        endpoint = Endpoint(service.address, key, NoLanguageModelError, _SETTING)
        self._chat = ChatModel(
            endpoint, service.model, most_tokens, schema, NoLanguageModelError, role,
            may_be_cut=schema is None, seed=service.seed,
        )  # fmt: skip
        self._service, self._sleep = service, sleep
        self._fixed = {
            "model": service.model, "max_tokens": most_tokens, "temperature": 0.0,
            "seed": service.seed, "schema": schema,
        }  # fmt: skip

    @property
    def name(self) -> str:
        """The model, and where it is."""
        return self._chat.name

    def prompt_hash(self, messages: Sequence[Message]) -> str:
        """SHA-256 of all that a reply depends on: messages with their images, model, settings."""
        asked = json.dumps({**self._fixed, "messages": list(messages)}, sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()

    def ask(self, messages: Sequence[Message]) -> Said:
        """Return a reply, at temperature 0.

        Raises:
            NoLanguageModelError: there is none, after all tries.
        """
        how = self._service
        for tried in range(1, how.tries + 1):
            deadline = Deadline(how.timeout, None, NoLanguageModelError, _SETTING)
            try:
                reply = self._chat.complete(messages, deadline)
            except NoLanguageModelError as error:
                if error.retry_after is None or tried == how.tries:
                    raise NoLanguageModelError(
                        f"{self.name} gives no answer, asked {tried} times: {error}"
                    ) from error
                pause = min(_LONGEST_PAUSE, how.pause * 2 ** (tried - 1))
                pause = max(error.retry_after, pause)
                log.warning("%s: asked again in %.0f s: %s", self.name, pause, error)
                self._sleep(pause)
                continue
            facts: dict[str, Any] = {
                "prompt_sha256": self.prompt_hash(messages),
                "model": reply.model or how.model,
                "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "tries": tried,
            }
            return Said(reply.text.strip(), facts | _spent(reply.usage, how.prices))
        raise AssertionError("a service is asked at least once")

    def describe(self) -> dict[str, object]:
        """Facts for the file of a run."""
        fixed = {name: value for name, value in self._fixed.items() if name != "schema"}
        how = self._service
        return {"address": how.address, "prices_per_million": how.prices, **fixed}


def _spent(usage: Mapping[str, Any], prices: tuple[float, float] | None) -> dict[str, Any]:
    """Tokens, and their cost where the server or the prices tell it."""
    tokens = {
        name: usage[key]
        for name, key in (("tokens_in", "prompt_tokens"), ("tokens_out", "completion_tokens"))
        if isinstance(usage.get(key), int)
    }
    cost = usage.get("cost")
    if not isinstance(cost, int | float) and prices is not None and len(tokens) == 2:
        cost = (tokens["tokens_in"] * prices[0] + tokens["tokens_out"] * prices[1]) / _MILLION
    return tokens if not isinstance(cost, int | float) else {**tokens, "cost": float(cost)}


def total_spent(facts: Sequence[Mapping[str, Any]]) -> str:
    """Say what all replies of a run took, "" where none says it."""
    sums = {
        name: sum(one[name] for one in facts if isinstance(one.get(name), int | float))
        for name in ("tokens_in", "tokens_out", "cost")
    }
    if not sums["tokens_in"]:
        return ""
    words = f"{sums['tokens_in']} tokens read, {sums['tokens_out']} said"
    priced = [one for one in facts if "cost" in one]
    if not priced:
        return f"{words}; no price was given"
    part = "" if len(priced) == len(facts) else f", of {len(priced)} of {len(facts)} replies"
    return f"{words}, cost {sums['cost']:.4f}{part}"
