# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The kinds ``mm_grounding_dino`` (LLMDet too) and ``grounding_dino`` of the transformers library.

Phrases go through the network together with the image, as one prompt; each has its own tokens in
it, and its score is read there. What the towers make of an image and of a prompt is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.grounding.detections import ScoredBoxes, corners
from spatialgeo_ros.grounding.detector_text import Prompt, PromptWriter, span_scores
from spatialgeo_ros.grounding.dino_graphs import DinoImageGraph, DinoPhraseGraph, read_prompt
from spatialgeo_ros.grounding.gate_rules import (
    KNOWN_PHRASES,
    GateRule,
    detections,
    features_of_pictures,
    on_cpu,
)
from spatialgeo_ros.grounding.graphs import DetectorGraph
from spatialgeo_ros.grounding.network_detector import Check, NetworkDetector, as_numpy
from spatialgeo_ros.grounding.pixels import PreparedImage, dino_rules, prepare
from spatialgeo_ros.grounding.pretrained import load_hub_tokenizer, load_pretrained, model_type
from spatialgeo_ros.models.grounding_profile import DetectorPart
from spatialgeo_ros.runtime.detection_parity import DetectionMetric, Detections

#: Kind -> ``model_type`` -> class of transformers.
CLASSES = {
    "mm_grounding_dino": {"mm-grounding-dino": "MMGroundingDinoForObjectDetection"},
    "grounding_dino": {"grounding-dino": "GroundingDinoForObjectDetection"},
}
#: Prompts whose features are kept: some 100 kB each.
_KEPT_PROMPTS = 64


class GroundingDinoDetector(NetworkDetector):
    """LLMDet, MM-Grounding-DINO or Grounding DINO behind ``grounding.detector.Detector``.

    The image tower's features are kept per image, and what a prompt gave.

    Args:
        part: of the profile.
        name: of the profile.
        model: ``MMGroundingDinoForObjectDetection`` or ``GroundingDinoForObjectDetection``.
        tokenizer: of the checkpoint.
        folder: of the checkpoint, for what it says of its pixels.
        device: where the model is.
        dtype: of its weights.
    """

    def __init__(
        self,
        part: DetectorPart,
        name: str,
        model: Any,
        tokenizer: Any,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(part, name, device, dtype)
        self._model = model
        self._rules = dino_rules(folder, part.image)
        self._longest: int = model.config.max_text_len
        self._fixed_tokens = min(part.settings.get("text_tokens", self._longest), self._longest)
        self._writer = PromptWriter(tokenizer, self._longest)
        self._tokenizer = tokenizer
        # Prompts of one length share what is captured.
        self._padded_to = self._fixed_tokens if self._captured.capturing else 0
        self._prompts: OrderedDict[tuple[int, ...], dict[str, Tensor]] = OrderedDict()
        #: Images that the image tower has seen.
        self.images_seen = 0
        #: Prompts that went through the network.
        self.prompts_read = 0

    def graphs(self, image_size: tuple[int, int]) -> dict[str, DetectorGraph]:
        """Image tower and what joins it with the text, for images of one size.

        Prompts are padded to ``text_tokens`` of the profile.
        """
        rules = self._rules.fixed_for(*image_size)
        size = (rules.rows, rules.columns)
        return {
            "phrases": DinoPhraseGraph(self._model, size, self._fixed_tokens),
            "image": DinoImageGraph(self._model, size),
        }

    def gate_rule(self, name: str, graphs: Mapping[str, DetectorGraph]) -> GateRule:
        """Features are compared value by value, what they lead to by its boxes."""
        if name == "image":
            return GateRule()
        graph = graphs["phrases"]
        assert isinstance(graph, DinoPhraseGraph)
        prompt = PromptWriter(self._tokenizer, graph.tokens).write(KNOWN_PHRASES)[0]

        def known(count: int) -> list[dict[str, Tensor]]:
            text = on_cpu(self._encoded(prompt, graph.tokens))
            text["pixel_mask"] = torch.ones((1, *graph.size), dtype=torch.int64)
            return [{**text, **layers} for layers in features_of_pictures(graphs["image"], count)]

        def read(outputs: Mapping[str, Tensor]) -> Detections:
            logits = as_numpy(outputs["logits"])[0, :, : len(prompt.input_ids)]
            scores = span_scores(logits, prompt, len(KNOWN_PHRASES))[:, list(prompt.texts)]
            return detections(torch.from_numpy(scores.T), outputs["boxes"][0])

        return GateRule(known, DetectionMetric(read))

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        rules = self._rules
        sides = (
            f"{rules.short_side} to {rules.long_side}"
            if rules.fit == "aspect"
            else f"{rules.columns}x{rules.rows}"
        )
        return {**super().describe(), "input": sides, "longest prompt": self._longest}

    def close(self) -> None:
        """Free memory; a later call to :meth:`ground` fails."""
        super().close()
        self._prompts.clear()
        del self._model

    def _find(
        self,
        image: npt.NDArray[np.uint8],
        texts: Sequence[str],
        cache: MutableMapping[str, Any],
        check: Check,
    ) -> ScoredBoxes:
        scores, boxes = [], []
        for prompt in self._writer.write(texts):
            key = f"{self._key}.{prompt.input_ids}"
            if key not in cache:
                cache[key] = self._run(image, prompt, cache, check)
            logits, places = cache[key]
            scores.append(span_scores(logits, prompt, len(texts)))
            boxes.append(places)
            check()
        return ScoredBoxes(np.concatenate(scores), np.concatenate(boxes))

    def _run(
        self,
        image: npt.NDArray[np.uint8],
        prompt: Prompt,
        cache: MutableMapping[str, Any],
        check: Check,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Logits [queries, tokens] of the prompt, and boxes as corners in the image."""
        prepared = self._prepared(image, cache, check)
        rows, columns = prepared.pixel_values.shape[2:]
        size = (rows, columns)
        key = f"{self._key}.image"
        if key not in cache:
            image_network = self._network("image", lambda: DinoImageGraph(self._model, size))
            pixels = {"pixel_values": prepared.pixel_values.to(self._device)}
            cache[key] = image_network(pixels)
            self.images_seen += 1
        check()
        text = self._text(prompt)
        phrases = self._network(
            "phrases", lambda: DinoPhraseGraph(self._model, size, self._fixed_tokens)
        )
        # Backends take features in the type of the export's inputs, whatever the tower's is.
        layers = {name: layer.float() for name, layer in cache[key].items()}
        found = phrases({**text, "pixel_mask": prepared.pixel_mask.to(self._device), **layers})
        self.prompts_read += 1
        logits = as_numpy(found["logits"])[0, :, : len(prompt.input_ids)]
        return logits, corners(as_numpy(found["boxes"])[0], prepared.extent)

    def _prepared(
        self, image: npt.NDArray[np.uint8], cache: MutableMapping[str, Any], check: Check
    ) -> PreparedImage:
        key = f"{self._key}.pixels"
        if key not in cache:
            cache[key] = prepare(image, self._rules)
            check()
        prepared: PreparedImage = cache[key]
        return prepared

    def _text(self, prompt: Prompt) -> dict[str, Tensor]:
        """Tokens of a prompt and what the text tower makes of them."""
        if prompt.input_ids not in self._prompts:
            self._prompts[prompt.input_ids] = self._encoded(prompt, self._padded_to)
        self._prompts.move_to_end(prompt.input_ids)
        while len(self._prompts) > _KEPT_PROMPTS:
            self._prompts.popitem(last=False)
        return self._prompts[prompt.input_ids]

    def _encoded(self, prompt: Prompt, least: int) -> dict[str, Tensor]:
        """Run the text tower on a prompt, padded to so many tokens at least."""
        count = max(len(prompt.input_ids), least)
        ids = torch.full((1, count), self._writer.pad_id, dtype=torch.long)
        ids[0, : len(prompt.input_ids)] = torch.tensor(prompt.input_ids)
        mask = torch.zeros_like(ids)
        mask[0, : len(prompt.input_ids)] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        states = read_prompt(self._model, ids).float()
        return {"text_states": states, "input_ids": ids, "attention_mask": mask}

    def _adopt(self, graph: DetectorGraph) -> None:
        """Make every input of the graph's shape."""
        assert isinstance(graph, DinoImageGraph | DinoPhraseGraph)
        rows, columns = graph.size
        self._rules = replace(self._rules, fit="fixed", rows=rows, columns=columns)
        if isinstance(graph, DinoPhraseGraph):
            self._padded_to = graph.tokens
            self._writer = PromptWriter(self._tokenizer, graph.tokens)
            self._prompts.clear()


def load_grounding_dino(
    part: DetectorPart, name: str, device: torch.device, dtype: torch.dtype
) -> GroundingDinoDetector:
    """Load a detector of these kinds.

    Raises:
        ModelLoadError: names the file, tensor or setting that is wrong.
    """
    assert part.checkpoint is not None
    if dtype == torch.bfloat16:
        raise ModelLoadError(
            f"a detector of kind {part.kind} cannot compute in bfloat16, which tells 256 places "
            "along a side of the image apart: choose float16 or float32"
        )
    folder = part.checkpoint.folder()
    classes = CLASSES[part.kind]
    model = load_pretrained(folder, classes[model_type(folder, classes, part.kind)], device, dtype)
    if not hasattr(model.model, "special_tokens"):
        # Before, the library counts the places of words otherwise than the networks learnt.
        raise ModelLoadError(
            f"a detector of kind {part.kind} needs transformers 5.23 or later, and so Python 3.11 "
            "or later (Humble has 3.10): choose another grounding, such as nano_owl or owlvit_base"
        )
    tokenizer = load_hub_tokenizer(folder, model.config.text_config.vocab_size)
    return GroundingDinoDetector(part, name, model, tokenizer, folder, device, dtype)
