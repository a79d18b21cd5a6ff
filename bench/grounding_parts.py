# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one question asks of a detector or segmenter, cut as the exported graphs are.

Each kind has an image part (once a frame), a text part (once a phrase) and a part for phrases or
boxes (once a question); the values do not matter, the shapes are those of a robot's questions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from bench import grounding_networks as networks
from spatialgeo_ros.grounding.dino_graphs import DinoImageGraph, DinoPhraseGraph, read_prompt
from spatialgeo_ros.grounding.graphs import DetectorGraph
from spatialgeo_ros.grounding.owl import OwlImageGraph, OwlTextGraph
from spatialgeo_ros.grounding.sam2 import ImageEncoder, MaskDecoder
from spatialgeo_ros.grounding.sam3 import PhraseDecoder, TextEncoder, VisionEncoder

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

    def __init__(self, model: nn.Module, image: DetectorGraph, device: torch.device) -> None:
        """Hold a model and the graph of its image part."""
        self.model: Any = model
        self.image_graph = image
        self.device = device
        (self.pixels,) = image.example_inputs().values()
        self.layers: dict[str, Tensor] = {}
        self.texts: Any = None

    def to(self, precision: str) -> None:
        """Convert the weights, and compute what later parts read."""
        dtype = DTYPES[precision]
        self.model.to(dtype)
        for graph in (self.image_graph, *self.question_graphs()):
            graph.to(dtype)  # what a graph holds beside the model's weights
        with torch.inference_mode():
            self.layers = self.image()
            self.texts = self.text() if self.text is not None else None

    def question_graphs(self) -> tuple[DetectorGraph, ...]:
        """Graphs of the part for phrases or boxes."""
        return ()

    def image(self) -> dict[str, Tensor]:
        """The image part."""
        return self.image_graph.run({self.image_graph.input_names[0]: self.pixels})

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
        """What has to hold while a CUDA graph is recorded: values may not be read by the CPU."""
        graphs = self.question_graphs()
        return graphs[0].exporting() if graphs else nullcontext()

    def graphs(self) -> dict[str, tuple[DetectorGraph, dict[str, Tensor]]]:
        """The exported graphs with inputs."""
        return {"image": (self.image_graph, {self.image_graph.input_names[0]: self.pixels})}

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
        config = cast(Any, model).config
        super().__init__(model, OwlImageGraph(model, config.vision_config.image_size), device)
        self.reader = OwlTextGraph(model, 16)
        vocabulary = config.text_config.vocab_size
        self.tokens = torch.randint(1, vocabulary, (MANY, 16), device=device)
        self.mask = torch.ones_like(self.tokens)

    def text(self) -> Tensor:
        """The text tower."""
        return self._features(FEW)

    def _features(self, count: int) -> Tensor:
        feeds = {"input_ids": self.tokens[:count], "attention_mask": self.mask[:count]}
        return self.reader.run(feeds)["text_features"]

    def phrases(self) -> Tensor:
        """Only a product."""
        return self._logits(self.texts)

    def _logits(self, words: Tensor) -> Tensor:
        dtype = self.model.dtype
        features = self.layers["image_features"].to(dtype)
        logits: Tensor = self.model.class_predictor(features, words.to(dtype)[None])[0]
        return logits

    def many(self) -> Tensor:
        """Sixteen phrases."""
        return self._logits(self._features(MANY))

    def whole(self) -> dict[str, Tensor]:
        """The model's own forward pass."""
        pixels = self.pixels.to(self.model.dtype)
        found = self.model(
            input_ids=self.tokens[:FEW], pixel_values=pixels, attention_mask=self.mask[:FEW]
        )
        return {"logits": found.logits, "boxes": found.pred_boxes}

    def compared(self) -> dict[str, Tensor]:
        """The same from the parts."""
        return {"logits": self.phrases(), "boxes": self.layers["boxes"]}


class GroundingDinoParts(Parts):
    """Grounding DINO and its successors: one prompt of all phrases."""

    def __init__(self, model: nn.Module, size: tuple[int, int], device: torch.device) -> None:
        """Make inputs."""
        super().__init__(model, DinoImageGraph(model, size), device)
        vocabulary = self.model.config.text_config.vocab_size
        self.few, self.long = (self._prompt(count, vocabulary) for count in (FEW, MANY))
        self.graph = DinoPhraseGraph(model, size, self.few.shape[1])
        self.long_graph = DinoPhraseGraph(model, size, self.long.shape[1])
        self.pixel_mask = torch.ones((1, *size), dtype=torch.int64, device=device)

    def _prompt(self, count: int, vocabulary: int) -> Tensor:
        words = torch.randint(1, min(100, vocabulary), (count, PHRASE_TOKENS - 1))
        phrases = torch.cat([words, torch.full((count, 1), STOP)], 1).flatten()
        whole = torch.cat([torch.tensor([START]), phrases, torch.tensor([END])])
        return whole[None].to(self.device)

    def question_graphs(self) -> tuple[DetectorGraph, ...]:
        """Fusion, decoder and heads."""
        return self.graph, self.long_graph

    def text(self) -> Tensor:
        """The text tower."""
        return read_prompt(self.model, self.few)

    def _feeds(self, states: Tensor, ids: Tensor) -> dict[str, Tensor]:
        return {
            "text_states": states, "input_ids": ids, "attention_mask": torch.ones_like(ids),
            "pixel_mask": self.pixel_mask, **self.layers,
        }  # fmt: skip

    def phrases(self) -> dict[str, Tensor]:
        """Fusion, decoder and heads."""
        return self.graph.run(self._feeds(self.texts, self.few))

    def many(self) -> dict[str, Tensor]:
        """Sixteen phrases in one prompt."""
        return self.long_graph.run(self._feeds(read_prompt(self.model, self.long), self.long))

    def graphs(self) -> dict[str, tuple[DetectorGraph, dict[str, Tensor]]]:
        """Both graphs."""
        return {**super().graphs(), "phrases": (self.graph, self._feeds(self.texts, self.few))}

    def whole(self) -> dict[str, Tensor]:
        """The model's own forward pass."""
        pixels = self.pixels.to(self.model.dtype)
        found = self.model(pixel_values=pixels, input_ids=self.few)
        return {"logits": found.logits[..., : self.few.shape[1]], "boxes": found.pred_boxes}

    def compared(self) -> dict[str, Tensor]:
        """The same from the parts."""
        return self.phrases()


class Sam2Parts(Parts):
    """SAM 2: boxes instead of phrases."""

    def __init__(self, model: nn.Module, size: tuple[int, int], device: torch.device) -> None:
        """Make inputs."""
        super().__init__(model, ImageEncoder(model), device)
        self.graph = MaskDecoder(model, MANY)
        self.boxes = self.graph.example_inputs()["boxes"]

    def question_graphs(self) -> tuple[DetectorGraph, ...]:
        """Prompt encoder and mask decoder."""
        return (self.graph,)

    def phrases(self) -> dict[str, Tensor]:
        """Four boxes."""
        return self.graph.run({**self.layers, "boxes": self.boxes[:, :FEW]})

    def many(self) -> dict[str, Tensor]:
        """Sixteen boxes."""
        return self.graph.run({**self.layers, "boxes": self.boxes})

    def graphs(self) -> dict[str, tuple[DetectorGraph, dict[str, Tensor]]]:
        """Both graphs, for four boxes."""
        feeds = {**self.layers, "boxes": self.boxes[:, :FEW].contiguous()}
        return {**super().graphs(), "phrases": (MaskDecoder(self.model, FEW), feeds)}

    def whole(self) -> dict[str, Tensor]:
        """The model's own forward pass."""
        dtype = self.model.dtype
        found = self.model(
            pixel_values=self.pixels.to(dtype), input_boxes=self.boxes[:, :FEW].to(dtype),
            multimask_output=False,
        )  # fmt: skip
        return {"logits": found.pred_masks[0, :, 0], "quality": found.iou_scores[0, :, 0]}

    def compared(self) -> dict[str, Tensor]:
        """The same from the parts."""
        return self.phrases()


class Sam3Parts(Parts):
    """SAM 3: one phrase a row of the batch."""

    many_count = 2 * FEW

    def __init__(self, model: nn.Module, size: tuple[int, int], device: torch.device) -> None:
        """Make inputs."""
        super().__init__(model, VisionEncoder(model), device)
        self.graph, self.reader = PhraseDecoder(model), TextEncoder(model)
        config = self.model.config.text_config
        shape = (self.many_count, config.max_position_embeddings)
        self.ids = torch.randint(1, config.vocab_size - 2, shape, device=device)
        self.mask = torch.ones_like(self.ids)
        self.mask[:, PHRASE_TOKENS + 2 :] = 0

    def question_graphs(self) -> tuple[DetectorGraph, ...]:
        """Encoder, decoder and masks."""
        return (self.graph,)

    def _features(self, count: int) -> Tensor:
        features: Tensor = self.reader(self.ids[:count], self.mask[:count])
        return features

    def text(self) -> Tensor:
        """The text tower."""
        return self._features(FEW)

    def _feeds(self, features: Tensor) -> dict[str, Tensor]:
        return {**self.layers, "text": features, "words": self.mask[: len(features)]}

    def phrases(self) -> dict[str, Tensor]:
        """Four phrases, four rows."""
        return self.graph.run(self._feeds(self.texts))

    def many(self) -> dict[str, Tensor]:
        """Eight phrases."""
        return self.graph.run(self._feeds(self._features(self.many_count)))

    def graphs(self) -> dict[str, tuple[DetectorGraph, dict[str, Tensor]]]:
        """Both graphs, for one phrase."""
        return {**super().graphs(), "phrases": (self.graph, self._feeds(self.texts[:1]))}

    def whole(self) -> dict[str, Tensor]:
        """The model's own forward pass, for the first phrase."""
        found = self.model(
            pixel_values=self.pixels.to(self.model.dtype), input_ids=self.ids[:1],
            attention_mask=self.mask[:1],
        )  # fmt: skip
        return {
            "logits": found.pred_logits, "boxes": found.pred_boxes, "masks": found.pred_masks,
            "presence": found.presence_logits[:, 0],
        }  # fmt: skip

    def compared(self) -> dict[str, Tensor]:
        """The same from the parts."""
        return self.graph.run(self._feeds(self.texts[:1]))


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
