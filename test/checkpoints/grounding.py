# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny detectors with random weights in the official layout, and grounding profiles for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

#: Words that the tiny tokenizers know; others are spelt in letters by CLIP's and unknown to BERT's.
WORDS = (
    "red", "green", "blue", "white", "chair", "table", "door", "lamp", "plant", "sofa", "couch",
    "mug", "box", "cabinet", "the", "a", "an", "photo", "of", "and", "near", "lion",
)  # fmt: skip
#: Pieces that continue a word of BERT's: "chairs", "doors", "plantpot".
PIECES = ("##s", "##pot", "##es")
BERT_VOCABULARY = 1100
_FILES = {"config.json", "model.safetensors", "tokenizer_config.json"}


def write_grounding_dino(folder: Path, kind: str = "mm_grounding_dino", seed: int = 0) -> Path:
    """Write a folder as published (331,000 parameters, 1.5 MB); returns it.

    Args:
        folder: To be made.
        kind: "mm_grounding_dino" or "grounding_dino".
        seed: Of the weights.
    """
    import transformers as t

    prefix = {"mm_grounding_dino": "MMGroundingDino", "grounding_dino": "GroundingDino"}[kind]
    # The published ones of this kind have heads of their own for every layer of the decoder.
    own_heads = {"decoder_bbox_embed_share": False, "decoder_cls_embed_share": False}
    config = getattr(t, f"{prefix}Config")(
        backbone_config=t.SwinConfig(
            embed_dim=12, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=t.BertConfig(
            vocab_size=BERT_VOCABULARY, hidden_size=32, num_hidden_layers=2,
            num_attention_heads=2, intermediate_size=64, max_position_embeddings=128,
        ),
        d_model=32, num_queries=10, max_text_len=24,
        encoder_layers=1, decoder_layers=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
        encoder_attention_heads=2, decoder_attention_heads=2,
        **(own_heads if kind == "mm_grounding_dino" else {}),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = getattr(t, f"{prefix}ForObjectDetection")(config).eval()
    _spread(model, seed)
    with torch.no_grad():  # boxes of half the image and more, and scores around a half
        for head in model.bbox_embed:
            head.layers[-1].bias[2:] = 2.0
        for name, parameter in model.named_parameters():
            if "class_embed" in name and name.endswith("bias"):
                parameter.zero_()
    processor = t.GroundingDinoProcessor(dino_pixels(), bert_tokenizer())
    return _save(folder, model, processor)


def write_owl(folder: Path, kind: str = "owlvit", seed: int = 0, side: int = 64) -> Path:
    """Write a folder as published (71,000 parameters, 0.3 MB); returns it.

    Args:
        folder: To be made.
        kind: "owlvit" or "owlv2".
        seed: Of the weights.
        side: Of the input, pixels; patches have 16.
    """
    import transformers as t

    prefix = {"owlvit": "OwlViT", "owlv2": "Owlv2"}[kind]
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 2}  # fmt: skip
    tokenizer = clip_tokenizer()
    config = getattr(t, f"{prefix}Config")(
        text_config={**sizes, "vocab_size": len(tokenizer), "max_position_embeddings": 16},
        vision_config={**sizes, "image_size": side, "patch_size": 16},
        projection_dim=32,
    )
    torch.manual_seed(seed)
    model = getattr(t, f"{prefix}ForObjectDetection")(config).eval()
    _spread(model, seed)
    processor = getattr(t, f"{prefix}Processor")(owl_pixels(kind, side), tokenizer)
    return _save(folder, model, processor)


def in_older_layout(folder: Path) -> None:
    """Rewrite a folder as versions 4 of transformers wrote it, and as most are published.

    The vocabulary is in files of its own, the image processor in ``preprocessor_config.json``; the
    configuration has keys that nothing reads any more, and the weights lack what is never used and
    hold tables of numbers that are no weights.
    """
    tokenizer = json.loads((folder / "tokenizer.json").read_text())["model"]
    vocabulary = tokenizer["vocab"]
    if "merges" in tokenizer:
        (folder / "vocab.json").write_text(json.dumps(vocabulary))
        pairs = "\n".join(" ".join(pair) for pair in tokenizer["merges"])
        (folder / "merges.txt").write_text(f"#version: 0.2\n{pairs}\n")
    else:
        words = sorted(vocabulary, key=vocabulary.__getitem__)
        (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer.json").unlink()
    named = _rewritten(folder / "tokenizer_config.json", lambda c: c.pop("backend"))
    special = {key: named[key] for key in named if key.endswith("_token")}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    processor = folder / "processor_config.json"
    pixels = json.loads(processor.read_text())["image_processor"]
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))
    processor.unlink()
    _rewritten(folder / "config.json", _with_older_settings)
    tensors = load_file(folder / "model.safetensors")
    kept = {name: t for name, t in tensors.items() if "swin.layernorm" not in name}
    kind = next(iter(kept)).split(".")[0]
    kept[f"{kind}.text_model.embeddings.position_ids"] = torch.arange(16)[None]
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def _rewritten(path: Path, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return content


def _with_older_settings(config: dict[str, Any]) -> None:
    """Add what published configurations say beside what counts."""
    config.pop("dtype", None)
    config |= {"torch_dtype": "float32", "transformers_version": "4.40.0.dev0"}
    if "backbone_config" in config:
        config |= {"backbone": None, "backbone_kwargs": None, "use_timm_backbone": False,
                   "use_pretrained_backbone": False}  # fmt: skip
    else:
        config |= {"text_config_dict": None, "vision_config_dict": None}
        for part in ("text_config", "vision_config"):
            config[part] |= {"add_cross_attention": False, "bad_words_ids": None, "num_beams": 1,
                             "max_length": 16, "top_k": 50, "pruned_heads": {},
                             "tie_encoder_decoder": False, "typical_p": 1.0}  # fmt: skip


def bert_tokenizer() -> Any:
    """A tokenizer of BERT's whose special tokens have BERT's ids, which the networks know."""
    from transformers import BertTokenizer

    vocabulary = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103,
                  ".": 1012, "?": 1029}  # fmt: skip
    free = (k for k in range(1, BERT_VOCABULARY) if k not in vocabulary.values())
    for word in (*WORDS, *PIECES):
        vocabulary[word] = next(free) + 0
    vocabulary |= {f"[unused{k}]": k for k in free}
    ordered = dict(sorted(vocabulary.items(), key=lambda entry: entry[1]))
    return BertTokenizer(vocab=ordered)


def clip_tokenizer() -> Any:
    """A tokenizer of CLIP's that has whole words; the end of a text has the highest id."""
    from transformers import CLIPTokenizer

    letters = [chr(k) for k in range(ord("a"), ord("z") + 1)]
    merges: list[tuple[str, str]] = []
    known = [*letters, *(f"{letter}</w>" for letter in letters)]
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merged = parts[0] + parts[1]
            if (parts[0], parts[1]) not in merges:
                merges.append((parts[0], parts[1]))
            if merged not in known:
                known.append(merged)
            parts = [merged, *parts[2:]]
    tokens = ["<|pad|>", "<|startoftext|>", *known, "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: k for k, token in enumerate(tokens)}, merges=merges, model_max_length=16,
        pad_token="<|pad|>", unk_token="<|endoftext|>",
    )  # fmt: skip


def dino_pixels() -> Any:
    """The image processor of a tiny Grounding DINO, that of the library without torchvision."""
    from transformers import GroundingDinoImageProcessorPil

    return GroundingDinoImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 160})


def owl_pixels(kind: str, side: int) -> Any:
    """The image processor of a tiny OWL, that of the library without torchvision."""
    import transformers as t

    name = {"owlvit": "OwlViTImageProcessorPil", "owlv2": "Owlv2ImageProcessorPil"}[kind]
    return getattr(t, name)(size={"height": side, "width": side})


#: Kind of checkpoint -> its writer and the kind of detector that loads it.
WRITERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "mm_grounding_dino": (write_grounding_dino, "mm_grounding_dino"),
    "grounding_dino": (lambda f: write_grounding_dino(f, "grounding_dino"), "grounding_dino"),
    "owlvit": (write_owl, "owl"),
    "owlv2": (lambda f: write_owl(f, "owlv2"), "owl"),
}


def write_grounding_profile(checkpoint: str, folder: Path, /, **detector: Any) -> Path:
    """Write a tiny checkpoint and a grounding profile for it; returns the YAML file.

    Args:
        checkpoint: A key of :data:`WRITERS`.
        folder: For everything.
        detector: Settings of the profile's detector that replace the usual ones.
    """
    write, kind = WRITERS[checkpoint]
    weights = folder / checkpoint
    if not weights.is_dir():
        write(weights)
    content = {
        "name": f"tiny_{checkpoint}",
        "description": "random weights, for tests",
        "licence": "Apache-2.0",
        "origin": "here",
        "detector": {
            "kind": kind,
            "checkpoint": {"path": str(weights), "files": sorted(_FILES)},
            "threshold": 0.01,
            "nms": 1.0,
            **detector,
        },
    }
    path = folder / f"tiny_{checkpoint}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _spread(model: nn.Module, seed: int) -> None:
    """Give every matrix weights that make outputs differ, which a network's own start does not."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(noise * parameter[0].numel() ** -0.5)


def _save(folder: Path, model: Any, processor: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    assert {path.name for path in folder.iterdir()} >= _FILES
    return folder
