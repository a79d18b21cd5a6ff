# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one question asks of a detector or segmenter, cut as the exported graphs are.

Each kind has an image part (once a frame), a text part (once a phrase) and a part for phrases or
boxes (once a question); the values do not matter, the shapes are those of a robot's questions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from bench import grounding_networks as networks
from spatialgeo_ros.grounding.export_patches import grounding_dino_patches, text_blocks
from spatialgeo_ros.grounding.graphs import (
    GroundingDinoImageGraph,
    GroundingDinoPhraseGraph,
    NetworkGraph,
    OwlImageGraph,
    Sam2BoxGraph,
    Sam2ImageGraph,
    Sam3ImageGraph,
    Sam3PhraseGraph,
    owl_logits,
)

DTYPES = {"fp16": torch.float16, "fp32": torch.float32}
#: Phrases of a usual question, and of a list of the map's.
FEW, MANY = 4, 16
#: Tokens of one phrase with the full stop behind it ("red chair .").
PHRASE_TOKENS = 3
START, STOP, END = 101, 1012, 102


class Parts:
    """A network with inputs for all that is timed; subclasses say what they are.

    Attributes:
        count: Phrases or boxes of a usual question.
        many_count: Of a long one.
        text: Call of the text tower for the usual phrases; None where there is none.
        many: Call of text and phrase part for the long question.
    """

    count, many_count = FEW, MANY
    text: Callable[[], Any] | None = None

    def __init__(self, model: nn.Module, image: NetworkGraph, device: torch.device) -> None:
        """Hold a model and the graph of its image part."""
        self.model: Any = model
        self.image_graph = image
        self.device = device
        self.pixels = torch.rand((1, *image.input_shapes["pixel_values"]), device=device)
        self.layers: dict[str, Tensor] = {}
        self.texts: Any = None

    def to(self, precision: str) -> None:
        """Convert the weights, and compute what later parts read."""
        dtype = DTYPES[precision]
        self.model.to(dtype)
        for graph in (self.image_graph, self.phrase_graph()):
            if graph is not None:  # what a graph holds beside the model's weights
                graph.to(dtype)
        with torch.inference_mode():
            self.layers = self.image()
            self.texts = self.text() if self.text is not None else None

    def phrase_graph(self) -> NetworkGraph | None:
        """Graph of the phrase part, if it is one."""
        return None

    def image(self) -> dict[str, Tensor]:
        """The image part."""
        found = self.image_graph(pixel_values=self.pixels)
        return dict(zip(self.image_graph.output_names, found, strict=True))

    def phrases(self) -> Any:
        """The part for phrases or boxes, text and image known."""
        raise NotImplementedError

    def many(self) -> Any:
        """Text and phrase part for a long question about a known image."""
        raise NotImplementedError

    def whole(self) -> dict[str, Tensor]:
        """The model's own forward pass on the same inputs."""
        raise NotImplementedError

    def compared(self) -> dict[str, Tensor]:
        """What ``whole`` gives, from the parts."""
        raise NotImplementedError

    def first(self) -> Any:
        """A first question: image, text and phrases."""
        layers, self.layers = self.layers, self.image()
        self.texts = self.text() if self.text is not None else None
        found = self.phrases()
        del layers
        return found

    def same_image(self) -> Any:
        """Other phrases about the same image."""
        if self.text is not None:
            self.texts = self.text()
        return self.phrases()

    def same_phrases(self) -> Any:
        """The same phrases about another image."""
        self.layers = self.image()
        return self.phrases()

    def recording(self) -> AbstractContextManager[None]:
        """What has to hold while a CUDA graph is recorded."""
        return nullcontext()

    def graphs(self) -> dict[str, tuple[NetworkGraph, dict[str, Tensor]]]:
        """The exported graphs with inputs."""
        return {"image": (self.image_graph, {"pixel_values": self.pixels})}

    def weights_bytes(self) -> int:
        """Of all weights."""
        return sum(p.numel() * p.element_size() for p in self.model.parameters())

    def finite(self) -> bool:
        """Whether nothing comes out as NaN or infinite, but logits of padding."""
        return all(
            not tensor.isnan().any() and not (tensor == torch.inf).any()
            for tensor in self.compared().values()
        )

    def difference(self) -> dict[str, float]:
        """Largest difference between the parts and the model's own forward pass."""
        found, wanted = self.compared(), self.whole()
        return {
            name: float((found[name].float() - wanted[name].float()).nan_to_num(0.0).abs().max())
            for name in wanted
        }


class OwlParts(Parts):
    """OWL-ViT and OWLv2: every phrase padded to 16 tokens."""

    def __init__(self, model: nn.Module, size: tuple[int, int], device: torch.device) -> None:
        """Make inputs."""
        super().__init__(model, OwlImageGraph(model), device)
        vocabulary = self.model.config.text_config.vocab_size
        self.tokens = torch.randint(1, vocabulary, (MANY, 16), device=device)
        self.base = self.model.owlvit if hasattr(self.model, "owlvit") else self.model.owlv2

    def text(self) -> Tensor:
        """The text tower."""
        return self._features(FEW)

    def _features(self, count: int) -> Tensor:
        found = self.base.get_text_features(input_ids=self.tokens[:count])
        return found if isinstance(found, Tensor) else found.pooler_output

    def phrases(self) -> Tensor:
        """Only a product."""
        return owl_logits(self.layers, self.texts)

    def many(self) -> Tensor:
        """Sixteen phrases."""
        return owl_logits(self.layers, self._features(MANY))

    def whole(self) -> dict[str, Tensor]:
        """The model's own forward pass."""
        ids = self.tokens[:FEW]
        pixels = self.pixels.to(self.model.dtype)
        found = self.model(
            input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids)
        )
        return {"logits": found.logits, "pred_boxes": found.pred_boxes}

    def compared(self) -> dict[str, Tensor]:
        """The same from the parts."""
        return {"logits": self.phrases(), "pred_boxes": self.layers["pred_boxes"]}


class GroundingDinoParts(Parts):
    """Grounding DINO and its successors: one prompt of all phrases."""

    def __init__(self, model: nn.Module, size: tuple[int, int], device: torch.device) -> None:
        """Make inputs."""
        super().__init__(model, GroundingDinoImageGraph(model, size), device)
        vocabulary = self.model.config.text_config.vocab_size
        self.few, self.long = (self._prompt(count, vocabulary) for count in (FEW, MANY))
        self.graph = GroundingDinoPhraseGraph(model, size, self.few.shape[1])
        self.long_graph = GroundingDinoPhraseGraph(model, size, self.long.shape[1])

    def _prompt(self, count: int, vocabulary: int) -> Tensor:
        words = torch.randint(1, min(100, vocabulary), (count, PHRASE_TOKENS - 1))
        phrases = torch.cat([words, torch.full((count, 1), STOP)], 1).flatten()
        ends = torch.tensor([START]), torch.tensor([END])
        return torch.cat([ends[0], phrases, ends[1]])[None].to(self.device)

    def phrase_graph(self) -> NetworkGraph:
        """Fusion, decoder and heads."""
        return self.graph

    def _states(self, ids: Tensor) -> Tensor:
        network = self.model.model
        mask, places = text_blocks(ids, network.special_tokens)
        found = network.text_backbone(ids, mask[:, None], torch.zeros_like(ids), places)
        return found.last_hidden_state

    def text(self) -> Tensor:
        """The text tower."""
        return self._states(self.few)

    def _feeds(self, states: Tensor, ids: Tensor) -> dict[str, Tensor]:
        return {
            "text_states": states, "input_ids": ids, "attention_mask": torch.ones_like(ids),
            **self.layers,
        }  # fmt: skip

    def phrases(self) -> Any:
        """Fusion, decoder and heads."""
        return self.graph(**self._feeds(self.texts, self.few))

    def many(self) -> Any:
        """Sixteen phrases in one prompt."""
        return self.long_graph(**self._feeds(self._states(self.long), self.long))

    def recording(self) -> AbstractContextManager[None]:
        """Its checks read values on the CPU."""
        return grounding_dino_patches()

    def graphs(self) -> dict[str, tuple[NetworkGraph, dict[str, Tensor]]]:
        """Both graphs."""
        return {**super().graphs(), "phrases": (self.graph, self._feeds(self.texts, self.few))}

    def whole(self) -> dict[str, Tensor]:
        """The model's own forward pass."""
        pixels = self.pixels.to(self.model.dtype)
        found = self.model(pixel_values=pixels, input_ids=self.few)
        return {"logits": found.logits, "pred_boxes": found.pred_boxes}

    def compared(self) -> dict[str, Tensor]:
        """The same from the parts."""
        return dict(zip(self.graph.output_names, self.phrases(), strict=True))


class Sam2Parts(Parts):
    """SAM 2: boxes instead of phrases."""

    def __init__(self, model: nn.Module, size: tuple[int, int], device: torch.device) -> None:
        """Make inputs."""
        super().__init__(model, Sam2ImageGraph(model), device)
        self.graph, self.long_graph = Sam2BoxGraph(model, FEW), Sam2BoxGraph(model, MANY)
        self.boxes = self.long_graph.example_inputs()["input_boxes"]

    def phrase_graph(self) -> NetworkGraph:
        """Prompt encoder and mask decoder."""
        return self.graph

    def phrases(self) -> Any:
        """Four boxes."""
        return self.graph(**self.layers, input_boxes=self.boxes[:, :FEW])

    def many(self) -> Any:
        """Sixteen boxes."""
        return self.long_graph(**self.layers, input_boxes=self.boxes)

    def graphs(self) -> dict[str, tuple[NetworkGraph, dict[str, Tensor]]]:
        """Both graphs."""
        feeds = {**self.layers, "input_boxes": self.boxes[:, :FEW].contiguous()}
        return {**super().graphs(), "phrases": (self.graph, feeds)}

    def whole(self) -> dict[str, Tensor]:
        """The model's own forward pass."""
        dtype = self.model.dtype
        found = self.model(
            pixel_values=self.pixels.to(dtype), input_boxes=self.boxes[:, :FEW].to(dtype),
            multimask_output=False,
        )  # fmt: skip
        return {"pred_masks": found.pred_masks, "iou_scores": found.iou_scores}

    def compared(self) -> dict[str, Tensor]:
        """The same from the parts."""
        return dict(zip(self.graph.output_names, self.phrases(), strict=True))


class Sam3Parts(Parts):
    """SAM 3: one phrase a row of the batch."""

    many_count = 2 * FEW

    def __init__(self, model: nn.Module, size: tuple[int, int], device: torch.device) -> None:
        """Make inputs."""
        super().__init__(model, Sam3ImageGraph(model), device)
        self.graph = Sam3PhraseGraph(model)
        config = self.model.config.text_config
        shape = (self.many_count, config.max_position_embeddings)
        self.ids = torch.randint(1, config.vocab_size - 2, shape, device=device)
        self.mask = torch.ones_like(self.ids)
        self.mask[:, PHRASE_TOKENS + 2 :] = 0

    def phrase_graph(self) -> NetworkGraph:
        """Encoder, decoder and masks."""
        return self.graph

    def _features(self, count: int) -> Tensor:
        found = self.model.get_text_features(
            input_ids=self.ids[:count], attention_mask=self.mask[:count]
        )
        return found.pooler_output

    def text(self) -> Tensor:
        """The text tower."""
        return self._features(FEW)

    def _feeds(self, features: Tensor) -> dict[str, Tensor]:
        count = len(features)
        layers = {name: one.expand(count, -1, -1) for name, one in self.layers.items()}
        return {**layers, "text_features": features, "attention_mask": self.mask[:count]}

    def phrases(self) -> Any:
        """Four phrases, four rows."""
        return self.graph(**self._feeds(self.texts))

    def many(self) -> Any:
        """Eight phrases."""
        return self.graph(**self._feeds(self._features(self.many_count)))

    def graphs(self) -> dict[str, tuple[NetworkGraph, dict[str, Tensor]]]:
        """Both graphs, for one phrase."""
        return {**super().graphs(), "phrases": (self.graph, self._feeds(self.texts[:1]))}

    def whole(self) -> dict[str, Tensor]:
        """The model's own forward pass, for the first phrase."""
        found = self.model(
            pixel_values=self.pixels.to(self.model.dtype), input_ids=self.ids[:1],
            attention_mask=self.mask[:1],
        )  # fmt: skip
        return {name: getattr(found, name) for name in self.graph.output_names}

    def compared(self) -> dict[str, Tensor]:
        """The same from the parts."""
        found = self.graph(**self._feeds(self.texts[:1]))
        return dict(zip(self.graph.output_names, found, strict=True))


#: Name -> how to make the network (tiny or not) and its parts.
NETWORKS: dict[str, tuple[Callable[[bool], nn.Module], type[Any]]] = {
    "llmdet_tiny": (lambda tiny: networks.mm_grounding_dino(tiny=tiny), GroundingDinoParts),
    "llmdet_base": (
        lambda tiny: networks.mm_grounding_dino(networks.SWIN_B, tiny), GroundingDinoParts,
    ),
    "grounding_dino_tiny": (lambda tiny: networks.grounding_dino(tiny=tiny), GroundingDinoParts),
    "owlvit_b32": (lambda tiny: networks.owlvit(tiny), OwlParts),
    "owlv2_b16": (lambda tiny: networks.owlv2(tiny), OwlParts),
    "sam2_tiny": (lambda tiny: networks.sam2([1, 2, 7, 2], [5, 7, 9], tiny), Sam2Parts),
    "sam2_small": (lambda tiny: networks.sam2([1, 2, 11, 2], [7, 10, 13], tiny), Sam2Parts),
    "sam3": (lambda tiny: networks.sam3(tiny), Sam3Parts),
}  # fmt: skip


def make_parts(
    network: str, image_size: tuple[int, int], device: torch.device, *, tiny: bool
) -> Parts:
    """Build a network with random weights where it runs."""
    make, parts = NETWORKS[network]
    torch.manual_seed(0)
    size = (96, 130) if tiny else image_size
    model = networks.build(lambda: make(tiny), device)
    made: Parts = parts(model, size, device)
    return made
