# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmark answers of a model behind a server, and answers that were made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation.benchmarks.answerers import GREY, IN_WORDS, images_of, told
from spatialgeo_ros.evaluation.benchmarks.item import Item, Record
from spatialgeo_ros.evaluation.benchmarks.json_lines import read_lines
from spatialgeo_ros.evaluation.benchmarks.served_model import ServedModel, Service
from spatialgeo_ros.runtime.image_message import image_part, size_within, text_part

#: Names that files of answers have for the item and for what was said, the likeliest first.
_ID_NAMES = ("question_id", "id")
_SAID_NAMES = ("pred", "output", "text", "prediction", "response")


class ServedAnswerer:
    """A model on a server: all images of an item in order, then the question.

    Args:
        service: where and how.
        most_tokens: of a reply.
        regions: how things pointed at are told: ``answerers.IN_WORDS`` or ``answerers.DRAWN``.
        blind: send grey images of the same sizes instead.
        most_pixels: of an image that is sent.

    Raises:
        BadRequestError: address or key cannot be used.
    """

    def __init__(
        self,
        service: Service,
        most_tokens: int,
        regions: str = IN_WORDS,
        *,
        blind: bool = False,
        most_pixels: int = 1_000_000,
    ) -> None:
        self._model = ServedModel(service, most_tokens, "evaluated model")
        self._regions, self._blind, self._most_pixels = regions, blind, most_pixels
        self.name = f"{self._model.name}{', blind' if blind else ''}"

    def answer(self, item: Item) -> Record:
        """Answer one question; see :class:`.runner.Answerer`."""
        text, images = told(item, images_of(item), self._regions)
        if self._blind:
            images = [np.full_like(image, GREY) for image in images]
        content = [image_part(one, size_within(one, self._most_pixels)) for one in images]
        messages: list[dict[str, Any]] = []
        if item.instruction:  # as the benchmark's own script: before the user's turn
            messages.append({"role": "assistant", "content": item.instruction})
        messages.append({"role": "user", "content": [*content, text_part(text)]})
        said = self._model.ask(messages)
        return Record(item.id, text, said.text, facts={"images": len(images), **said.facts})

    def describe(self) -> dict[str, object]:
        """Facts for the file of the run."""
        return {**self._model.describe(), "model": self.name, "regions": self._regions,
                "most_pixels": self._most_pixels}  # fmt: skip

    def close(self) -> None:
        """Do nothing: no connection is kept."""


class FileAnswerer:
    """Answers that another program wrote, such as SpatialRGPT's own.

    Args:
        path: JSON lines with "question_id" (or "id"), and "pred" (or "output", "text",
            "prediction", "response").

    Raises:
        BadRequestError: there is no such file, or a line of it has no such names.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise BadRequestError(f"there is no file of answers {path}")
        self._said: dict[str, Record] = {}
        model = path.name
        for number, line in read_lines(path):
            names = set(line) if isinstance(line, dict) else set()
            key = next((name for name in _ID_NAMES if name in names), None)
            value = next((name for name in _SAID_NAMES if name in names), None)
            if key is None or value is None:
                raise BadRequestError(
                    f"{path}, line {number} is no answer: it needs {' or '.join(_ID_NAMES)}, and "
                    f"{' or '.join(_SAID_NAMES)}"
                )
            asked = str(line.get("question", line.get("prompt", "")))
            record = Record(str(line[key]), asked, str(line[value]))
            self._said[record.id] = record
            model = str(line.get("model_id") or model)
        self.name, self._path = model, path

    def answer(self, item: Item) -> Record:
        """Look one answer up; see :class:`.runner.Answerer`."""
        if item.id not in self._said:
            raise BadRequestError(f"{self._path} has no answer to it")
        return self._said[item.id]

    def describe(self) -> dict[str, object]:
        """Facts for the file of the run."""
        return {"model": self.name, "answers": str(self._path)}

    def close(self) -> None:
        """Do nothing."""
