# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detectors of the transformers library: equal to its own processor, network and post-processing.

On tiny random checkpoints in the official layout; random weights prove plumbing, not pointing.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.grounding import (
    WORDS,
    WRITERS,
    dino_pixels,
    in_older_layout,
    owl_pixels,
    write_grounding_profile,
)
from torch import Tensor

from spatialgeo_ros.errors import BadRequestError, CancelledError, InternalError, ModelLoadError
from spatialgeo_ros.grounding import grounding_dino
from spatialgeo_ros.grounding.detector import Box, PhraseResult
from spatialgeo_ros.grounding.factory import LoadedGrounding, load_grounding
from spatialgeo_ros.runtime.torch_backend import TorchBackend

pytestmark = pytest.mark.transformers

SIZES = [(67, 101), (120, 75), (64, 64), (80, 150)]
PHRASES = ["red chair", "door", "plantpot", "white lamp"]
OWLS, DINOS = ("owlvit", "owlv2"), ("mm_grounding_dino", "grounding_dino")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("detectors")


@pytest.fixture(scope="module")
def load(folder: Path) -> Callable[..., LoadedGrounding]:
    def loaded(written: str, precision: str = "profile", **detector: Any) -> LoadedGrounding:
        path = write_grounding_profile(written, folder, **detector)
        grounding = load_grounding(path, "cpu", precision)
        assert grounding is not None
        return grounding

    return loaded


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def library(folder: Path, checkpoint: str) -> tuple[Any, Any]:
    """The library's own processor and network."""
    import transformers as t

    weights = folder / checkpoint
    names = {
        "owlvit": ("OwlViT", "OwlViT"),
        "owlv2": ("Owlv2", "Owlv2"),
        "grounding_dino": ("GroundingDino", "GroundingDino"),
        "mm_grounding_dino": ("MMGroundingDino", "GroundingDino"),
    }[checkpoint]
    model = getattr(t, f"{names[0]}ForObjectDetection").from_pretrained(weights).eval()
    pixels = owl_pixels(checkpoint, 64) if checkpoint in OWLS else dino_pixels()
    tokenizer = t.AutoTokenizer.from_pretrained(weights)
    return getattr(t, f"{names[1]}Processor")(pixels, tokenizer), model


def clipped(box: list[float], size: tuple[int, int]) -> Box | None:
    """The part of a box in the image; None where that is less than half of it or of a pixel."""
    x0, y0, x1, y1 = box
    inside = (max(x0, 0), max(y0, 0), min(x1, size[1]), min(y1, size[0]))
    w, h = inside[2] - inside[0], inside[3] - inside[1]
    return inside if w >= 1 and h >= 1 and w * h >= 0.5 * (x1 - x0) * (y1 - y0) else None


def assert_same(result: PhraseResult, wanted: list[tuple[float, Box]]) -> None:
    wanted = sorted(wanted, key=lambda pair: -pair[0])
    assert [i.score for i in result.instances] == pytest.approx([s for s, _ in wanted], abs=2e-5)
    for instance, (_, box) in zip(result.instances, wanted, strict=True):
        assert instance.box == pytest.approx(box, abs=5e-3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("checkpoint", OWLS)
def test_owl_finds_what_the_library_finds(
    checkpoint: str, size: tuple[int, int], load: Callable[..., LoadedGrounding], folder: Path
) -> None:
    image = picture(*size)
    results = load(checkpoint, threshold=0.1).detector.ground(image, PHRASES)
    processor, model = library(folder, checkpoint)
    inputs = processor(
        images=image, text=[PHRASES], return_tensors="pt", input_data_format="channels_last"
    )
    inputs["pixel_values"] = inputs["pixel_values"].float()
    with torch.no_grad():
        outputs = model(**inputs)
    (found,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.1, target_sizes=[size], text_labels=[PHRASES]
    )
    wanted: dict[str, list[tuple[float, Box]]] = {phrase: [] for phrase in PHRASES}
    for score, box, label in zip(
        found["scores"], found["boxes"].tolist(), found["text_labels"], strict=True
    ):
        if (inside := clipped(box, size)) is not None:
            wanted[label].append((float(score), inside))
    assert sum(map(len, wanted.values())) > 1
    for result in results:
        assert_same(result, wanted[result.phrase])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("checkpoint", DINOS)
def test_grounding_dino_finds_what_the_library_finds(
    checkpoint: str, size: tuple[int, int], load: Callable[..., LoadedGrounding], folder: Path
) -> None:
    image = picture(*size)
    results = load(checkpoint, threshold=0.0).detector.ground(image, PHRASES)
    processor, model = library(folder, checkpoint)
    inputs = processor(
        images=image, text=[PHRASES], return_tensors="pt", input_data_format="channels_last"
    )
    with torch.no_grad():
        outputs = model(**inputs)
    (found,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, text_threshold=0.0, target_sizes=[size]
    )
    assert len(found["boxes"]) == model.config.num_queries
    # The library's tokens by the letters of the prompt that they come from.
    prompt = ". ".join(PHRASES) + "."
    offsets = processor.tokenizer(prompt, return_offsets_mapping=True)["offset_mapping"]
    probability = outputs.logits.sigmoid()[0]
    scores = []
    for phrase in PHRASES:
        start = prompt.index(phrase)
        own = [k for k, (a, b) in enumerate(offsets) if start <= a < b <= start + len(phrase)]
        assert own
        scores.append(probability[:, own].mean(dim=1))
    best = torch.stack(scores, dim=1).argmax(dim=1)
    total = 0
    for index, result in enumerate(results):
        wanted = [
            (float(scores[index][query]), inside)
            for query in torch.nonzero(best == index).flatten().tolist()
            if (inside := clipped(found["boxes"][query].tolist(), size)) is not None
        ]
        total += len(wanted)
        assert_same(result, wanted)
    assert total > 1


@pytest.mark.parametrize("checkpoint", DINOS)
def test_where_the_rules_agree_the_boxes_are_the_library_s(
    checkpoint: str, load: Callable[..., LoadedGrounding], folder: Path
) -> None:
    """One phrase of one token: the library's score is its own, where no special token's is more."""
    image, size = picture(67, 101), (67, 101)
    processor, model = library(folder, checkpoint)
    inputs = processor(
        images=image, text=[["door"]], return_tensors="pt", input_data_format="channels_last"
    )
    with torch.no_grad():
        outputs = model(**inputs)
    words = outputs.logits.clone()
    words[:, :, [0, 2, 3]] = -float("inf")  # [CLS], the dot and [SEP]
    threshold = float(words.sigmoid()[0, :, 1].median())
    outputs.logits = words
    (found,) = processor.post_process_grounded_object_detection(
        outputs, threshold=threshold, text_threshold=threshold, target_sizes=[size]
    )
    assert set(found["text_labels"]) == {"door"}
    wanted = [
        (float(score), inside)
        for score, box in zip(found["scores"], found["boxes"].tolist(), strict=True)
        if (inside := clipped(box, size)) is not None
    ]
    assert 0 < len(wanted) < model.config.num_queries
    (result,) = load(checkpoint, threshold=threshold).detector.ground(image, ["the door"])
    assert_same(result, wanted)


@pytest.mark.parametrize("checkpoint", DINOS)
def test_a_fixed_input_is_what_the_library_pads_to(
    checkpoint: str, load: Callable[..., LoadedGrounding], folder: Path
) -> None:
    image, size = picture(67, 101), (67, 101)
    detector = load(checkpoint, threshold=0.0, image={"rows": 96, "columns": 160}).detector
    (result,) = detector.ground(image, ["door"])
    processor, model = library(folder, checkpoint)
    inputs = processor(
        images=image, text=[["door"]], return_tensors="pt", input_data_format="channels_last",
        size={"height": 96, "width": 145}, pad_size={"height": 96, "width": 160},
    )  # fmt: skip
    assert inputs["pixel_values"].shape == (1, 3, 96, 160) and inputs["pixel_mask"].min() == 0
    with torch.no_grad():
        outputs = model(**inputs)
    (found,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, text_threshold=0.0, target_sizes=[size]
    )
    score = outputs.logits.sigmoid()[0, :, 1].tolist()
    wanted = [
        (score[query], inside)
        for query, box in enumerate(found["boxes"].tolist())
        if (inside := clipped(box, size)) is not None
    ]
    assert_same(result, wanted)


@pytest.mark.parametrize("checkpoint", WRITERS)
def test_a_second_question_about_an_image_does_not_look_again(
    checkpoint: str, load: Callable[..., LoadedGrounding]
) -> None:
    detector: Any = load(checkpoint).detector
    image, cache = picture(67, 101), {}
    first = detector.ground(image, ["red chair", "door"], cache=cache)
    assert detector.images_seen == 1
    detector.ground(image, ["door", "lamp"], cache=cache)
    assert detector.images_seen == 1
    again = detector.ground(image, ["red chair", "door"], cache=cache)
    assert [r.instances for r in again] != [] and detector.images_seen == 1
    for one, other in zip(first, again, strict=True):
        assert [(i.box, i.score) for i in one.instances] == [
            (i.box, i.score) for i in other.instances
        ]
    detector.ground(picture(67, 101, seed=1), ["door"], cache={})
    assert detector.images_seen == 2


@pytest.mark.parametrize("checkpoint", WRITERS)
def test_features_that_are_kept_give_the_same_as_none(
    checkpoint: str, load: Callable[..., LoadedGrounding]
) -> None:
    detector: Any = load(checkpoint).detector
    image, cache = picture(120, 75), {}
    detector.ground(image, ["lamp"], cache=cache)
    kept = detector.ground(image, ["red chair", "door"], cache=cache)
    alone = load(checkpoint).detector.ground(image, ["red chair", "door"])
    for one, other in zip(kept, alone, strict=True):
        assert_same(one, [(i.score, i.box) for i in other.instances])


def test_a_phrase_is_read_once(load: Callable[..., LoadedGrounding]) -> None:
    detector: Any = load("owlvit").detector
    detector.ground(picture(64, 64), ["red chair", "door", "the red chair"])
    assert detector.phrases_read == 2
    detector.ground(picture(64, 64, seed=1), ["Door", "lamp"])
    assert detector.phrases_read == 3


def test_kept_phrases_are_bounded(
    load: Callable[..., LoadedGrounding], monkeypatch: pytest.MonkeyPatch
) -> None:
    from spatialgeo_ros.grounding import owl

    monkeypatch.setattr(owl, "_KEPT_PHRASES", 2)
    detector: Any = load("owlvit").detector
    image = picture(64, 64)
    everything = detector.ground(image, ["red chair", "door", "lamp", "mug"])  # more than are kept
    assert len(everything) == 4 and detector.describe()["phrases kept"] == 2
    detector.ground(image, ["mug", "lamp"])
    assert detector.phrases_read == 4
    detector.ground(image, ["door"])
    assert detector.phrases_read == 5
    detector.ground(image, ["mug"])  # "lamp" was dropped, which was asked for longer ago
    assert detector.phrases_read == 5 or detector.phrases_read == 6


class Question:
    """Is it cancelled? Yes, when asked for the n-th time; never for 0."""

    def __init__(self, when: int) -> None:
        self.when, self.asked = when, 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked == self.when


@pytest.mark.parametrize("checkpoint", WRITERS)
def test_a_search_can_be_cancelled_between_all_stages(
    checkpoint: str, load: Callable[..., LoadedGrounding]
) -> None:
    detector = load(checkpoint).detector
    image = picture(67, 101)
    free = Question(0)
    detector.ground(image, ["door"], cancelled=free)
    assert free.asked >= 4
    for stage, phrase in zip(range(1, free.asked + 1), WORDS, strict=False):  # a new one is read
        question = Question(stage)
        with pytest.raises(CancelledError):
            detector.ground(image, [phrase], cancelled=question)
        assert question.asked == stage


def test_no_phrases_no_work(load: Callable[..., LoadedGrounding]) -> None:
    detector: Any = load("owlvit").detector
    assert detector.ground(picture(9, 9), []) == []
    assert detector.images_seen == 0


@pytest.mark.parametrize("checkpoint", ["owlv2", "grounding_dino"])
def test_synonyms_are_one_thing(checkpoint: str, load: Callable[..., LoadedGrounding]) -> None:
    image = picture(67, 101)
    apart = load(checkpoint).detector.ground(image, ["sofa", "couch"])
    both = load(checkpoint, synonyms={"sofa": ["couch"]}).detector.ground(image, ["sofa"])
    assert [r.phrase for r in both] == ["sofa"]
    # Each box once, with the better of its two scores.
    best: dict[Box, float] = {}
    for result in apart:
        for instance in result.instances:
            best[instance.box] = max(best.get(instance.box, 0.0), instance.score)
    assert len(best) > 1
    assert_same(both[0], [(score, box) for box, score in best.items()])


@pytest.mark.parametrize("checkpoint", WRITERS)
def test_a_phrase_that_is_too_long_is_named(
    checkpoint: str, load: Callable[..., LoadedGrounding]
) -> None:
    with pytest.raises(BadRequestError, match="'red red red"):
        load(checkpoint).detector.ground(picture(9, 9), [" ".join(["red"] * 30 + ["chair"])])


def test_more_phrases_than_a_prompt_holds_are_asked_in_several(
    load: Callable[..., LoadedGrounding],
) -> None:
    detector: Any = load("mm_grounding_dino", threshold=0.0).detector
    phrases = [f"{c} {n}" for c in ("red", "green", "blue") for n in ("chair", "door", "lamp")]
    results = detector.ground(picture(67, 101), phrases)
    assert [r.phrase for r in results] == phrases
    assert detector.prompts_read == 2 and detector.images_seen == 1


@pytest.mark.parametrize("checkpoint", OWLS)
def test_the_template_surrounds_the_phrase(
    checkpoint: str, load: Callable[..., LoadedGrounding]
) -> None:
    image = picture(64, 64)
    asked = load(checkpoint, template="a photo of a {}").detector.ground(image, ["red chair"])
    said = load(checkpoint).detector
    (wanted,) = said.ground(image, ["photo of a red chair"])
    (plain,) = said.ground(image, ["red chair"])
    scores = [i.score for i in asked[0].instances]
    assert scores != pytest.approx([i.score for i in plain.instances])
    with pytest.raises(BadRequestError, match="with the words around it, 'a photo of a {}'"):
        load(checkpoint, template="a photo of a {}").detector.ground(
            image, [" ".join(["red"] * 11)]
        )
    assert wanted.phrase == "photo of a red chair"


@pytest.mark.parametrize("checkpoint", OWLS)
def test_an_owl_sees_at_another_size_than_it_was_trained_with(
    checkpoint: str, load: Callable[..., LoadedGrounding]
) -> None:
    detector = load(checkpoint, image={"rows": 96, "columns": 96}).detector
    assert detector.describe()["input"] == "96x96"
    (result,) = detector.ground(picture(67, 101), ["door"])
    own = load(checkpoint).detector.ground(picture(67, 101), ["door"])[0]
    assert len(result.instances) > len(own.instances)  # 36 patches instead of 16


@pytest.mark.parametrize("checkpoint", OWLS)
def test_an_owl_that_looks_twice_sees_a_mirrored_image_mirrored(
    checkpoint: str, load: Callable[..., LoadedGrounding]
) -> None:
    image = picture(67, 101)
    detector: Any = load(checkpoint, threshold=0.05, nms=1.0, mirror=True).detector
    cache: dict[str, Any] = {}
    results = detector.ground(image, ["red chair", "door"], cache=cache)
    assert detector.images_seen == 1
    assert detector.describe()["looks at an image"] == "twice, once mirrored"
    there = detector.ground(np.ascontiguousarray(image[:, ::-1]), ["red chair", "door"])
    for one, other in zip(results, there, strict=True):
        assert len(one.instances) > 1
        found = sorted((i.box, i.score) for i in one.instances)
        wanted = sorted(
            ((101 - i.box[2], i.box[1], 101 - i.box[0], i.box[3]), i.score) for i in other.instances
        )
        for (box, score), (true_box, true_score) in zip(found, wanted, strict=True):
            assert box == pytest.approx(true_box, abs=5e-3)
            assert score == pytest.approx(true_score, abs=2e-5)
    once = load(checkpoint, threshold=0.05, nms=1.0).detector.ground(image, ["red chair", "door"])
    assert [i.score for r in results for i in r.instances] != pytest.approx(
        [i.score for r in once for i in r.instances]
    )
    detector.ground(image, ["lamp"], cache=cache)
    assert detector.images_seen == 2, "both looks are kept with the image"


def test_an_owl_that_looks_twice_runs_its_backend_twice(
    load: Callable[..., LoadedGrounding],
) -> None:
    detector: Any = load("owlvit", mirror=True).detector
    (graph,) = detector.graphs((67, 101)).values()
    network = TorchBackend(copy.deepcopy(graph))
    backend = FakeBackend(lambda feeds: dict(network.run(feeds)))
    detector.use("image", graph, backend)
    detector.ground(picture(67, 101), ["door"])
    first, second = (feeds["pixel_values"] for feeds in backend.feeds)
    assert torch.allclose(first.flip(-1), second, atol=0.02) and not torch.equal(first, second)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
@pytest.mark.parametrize("checkpoint", OWLS)
def test_owl_in_halves_keeps_exact_places(
    checkpoint: str, precision: str, load: Callable[..., LoadedGrounding]
) -> None:
    image = picture(67, 101)
    whole = load(checkpoint).detector.ground(image, ["door"])[0]
    grounding = load(checkpoint, precision)
    halves = grounding.detector.ground(image, ["door"])[0]
    assert grounding.detector.describe()["precision"] == precision
    near = [min(np.abs(np.subtract(i.box, j.box)).max() for j in whole.instances)
            for i in halves.instances]  # fmt: skip
    assert np.median(near) < 1.0
    places = {round(value * 4096 / 101) for i in halves.instances for value in i.box}
    assert len(places) > len(halves.instances)


@pytest.mark.parametrize("checkpoint", DINOS)
def test_grounding_dino_in_halves(checkpoint: str, load: Callable[..., LoadedGrounding]) -> None:
    image = picture(67, 101)
    whole = load(checkpoint, threshold=0.0).detector.ground(image, ["door"])[0]
    halves = load(checkpoint, "float16", threshold=0.0).detector.ground(image, ["door"])[0]
    assert [i.score for i in halves.instances] == pytest.approx(
        [i.score for i in whole.instances], abs=0.02
    )
    with pytest.raises(ModelLoadError, match="bfloat16"):
        load(checkpoint, "bfloat16")


class FakeBackend:
    """A network with known outputs; implements what a detector needs of a backend."""

    name = "fake"

    def __init__(self, answer: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]) -> None:
        self.answer, self.feeds, self.closed = answer, [], False

    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.feeds.append(feeds)
        return self.answer(feeds)

    def close(self) -> None:
        self.closed = True


def with_known_scores(
    grounding: LoadedGrounding, words: Mapping[str, float], boxes: list[tuple[float, ...]]
) -> tuple[Any, FakeBackend]:
    """A Grounding DINO whose every query sees the same words with known logits."""
    detector: Any = grounding.detector
    ids = {detector._tokenizer.convert_tokens_to_ids(word): value for word, value in words.items()}

    def answer(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        row = [ids.get(token, -9.0) for token in feeds["input_ids"][0].tolist()]
        return {"logits": torch.tensor([[row] * len(boxes)]), "boxes": torch.tensor([boxes])}

    backend = FakeBackend(answer)
    detector.use("phrases", detector.graphs((67, 101))["phrases"], backend)
    return detector, backend


def test_known_scores_through_the_whole_detector(load: Callable[..., LoadedGrounding]) -> None:
    boxes = [(0.25, 0.5, 0.3, 0.4), (0.75, 0.5, 0.3, 0.4)]
    detector, backend = with_known_scores(
        load("mm_grounding_dino", threshold=0.3), {"red": 2.0, "chair": 1.0}, boxes
    )
    phrases = ["the red chair,", "a door", "Lamp"]
    red, door, lamp = detector.ground(picture(100, 200), phrases)
    assert [r.phrase for r in (red, door, lamp)] == phrases
    assert door.absent and lamp.absent
    assert [i.score for i in red.instances] == pytest.approx([0.806] * 2, abs=1e-3)
    assert [i.box for i in red.instances] == [
        pytest.approx((20, 30, 80, 70)), pytest.approx((120, 30, 180, 70)),
    ]  # fmt: skip
    # Every input has the compiled shape: images of another aspect are padded, prompts too.
    assert backend.feeds[0]["pixel_mask"].shape == (1, 96, 144)
    assert backend.feeds[0]["pixel_mask"][0, 72:].max() == 0
    assert backend.feeds[0]["layer_0"].shape == (1, 12 * 18, 32)
    assert backend.feeds[0]["text_states"].shape == (1, 24, 32)
    assert detector.describe()["backends"] == {"phrases": "fake"}
    detector.close()
    assert backend.closed


def test_plural_and_singular_are_told_apart(load: Callable[..., LoadedGrounding]) -> None:
    detector, _ = with_known_scores(
        load("grounding_dino", threshold=0.3), {"chair": 2.0}, [(0.5, 0.5, 0.5, 0.5)]
    )
    chair, chairs = detector.ground(picture(67, 101), ["chair", "chairs"])
    assert chair.instances[0].score == pytest.approx(0.881, abs=1e-3)
    assert chairs.instances[0].score == pytest.approx(0.881 / 2, abs=1e-3)  # "chair", "##s"


def test_nan_scores_are_an_error_or_are_said(load: Callable[..., LoadedGrounding]) -> None:
    detector, backend = with_known_scores(
        load("mm_grounding_dino"), {"door": float("nan")}, [(0.5, 0.5, 0.5, 0.5)]
    )
    with pytest.raises(InternalError, match="finite"):
        detector.ground(picture(67, 101), ["door"])
    known = backend.answer

    def half(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        outputs = known(feeds)
        good = torch.full_like(outputs["logits"], 1.0)
        return {key: torch.cat([outputs[key], good if key == "logits" else outputs[key]], dim=1)
                for key in outputs}  # fmt: skip

    backend.answer = half
    (door,) = detector.ground(picture(67, 101), ["door"])
    assert len(door.instances) == 1 and door.degraded.startswith("1 of 2 boxes were dropped")


def test_a_full_gpu_is_an_error_with_its_cure(load: Callable[..., LoadedGrounding]) -> None:
    detector, backend = with_known_scores(load("mm_grounding_dino"), {}, [(0.5, 0.5, 0.5, 0.5)])

    def full(_: Mapping[str, Tensor]) -> dict[str, Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    backend.answer = full
    with pytest.raises(InternalError, match="a smaller grounding profile"):
        detector.ground(picture(67, 101), ["door"])


@pytest.mark.parametrize("checkpoint", WRITERS)
def test_graphs_run_as_other_backends_run_them(
    checkpoint: str, load: Callable[..., LoadedGrounding]
) -> None:
    """With images of the compiled size the detector finds the same as without a backend."""
    image = picture(96, 160)
    wanted = load(checkpoint).detector.ground(image, ["red chair", "door"])
    grounding = load(checkpoint)
    detector: Any = grounding.detector
    for name, graph in detector.graphs(image.shape[:2]).items():
        backend = TorchBackend(copy.deepcopy(graph))  # the detector lets its own weights go
        assert [spec.name for spec in backend.inputs] == list(graph.input_names)
        assert [spec.name for spec in backend.outputs] == list(graph.output_names)
        detector.use(name, graph, backend)
    results = detector.ground(image, ["red chair", "door"])
    for one, other in zip(results, wanted, strict=True):
        assert [i.score for i in one.instances] == pytest.approx(
            [i.score for i in other.instances], abs=1e-4
        )
        for mine, theirs in zip(one.instances, other.instances, strict=True):
            assert mine.box == pytest.approx(theirs.box, abs=0.05)


def test_missing_weights_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPATIALGEO_MODELS", str(tmp_path))
    with pytest.raises(ModelLoadError, match="run: spatialgeo models download llmdet_base$"):
        load_grounding("mm_grounding_dino", "cpu")


@pytest.mark.parametrize(("checkpoint", "other"), [("owlvit", "grounding_dino"),
                                                   ("grounding_dino", "mm_grounding_dino"),
                                                   ("mm_grounding_dino", "owlv2")])  # fmt: skip
def test_another_network_than_the_profile_says_is_named(
    checkpoint: str, other: str, load: Callable[..., LoadedGrounding]
) -> None:
    stated = {"owlvit": "owlvit", "grounding_dino": "grounding-dino",
              "mm_grounding_dino": "mm-grounding-dino"}[checkpoint]  # fmt: skip
    with pytest.raises(ModelLoadError, match=f"holds a '{stated}', and a detector of kind"):
        load(checkpoint, kind=WRITERS[other][1])


def test_damaged_checkpoints_are_errors_that_name_them(
    load: Callable[..., LoadedGrounding], folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    def broken(name: str, change: Callable[[Path], None]) -> str:
        weights = tmp_path / name
        shutil.copytree(folder / "owlvit", weights)
        change(weights)
        checkpoint = {"path": str(weights), "files": ["config.json", "model.safetensors"]}
        with pytest.raises(ModelLoadError) as raised:
            load("owlvit", checkpoint=checkpoint)
        assert str(weights) in str(raised.value)
        return str(raised.value)

    def with_head(weights: Path, head: Tensor | None) -> None:
        tensors = load_file(weights / "model.safetensors")
        del tensors["class_head.dense0.weight"]
        if head is not None:
            tensors["class_head.dense0.weight"] = head
        save_file(tensors, weights / "model.safetensors", {"format": "pt"})

    def write(file: str, text: str) -> Callable[[Path], None]:
        return lambda weights: (weights / file).write_text(text) and None

    load("owlvit")
    assert "lacks 1 tensors" in broken("lacks", lambda weights: with_head(weights, None))
    broken("shape", lambda weights: with_head(weights, torch.zeros(3, 3)))
    broken("cut", write("model.safetensors", "no tensors here"))
    broken("config", write("config.json", "{"))
    broken("types", write("config.json", '{"model_type": "owlvit", "text_config": 3}'))
    broken("tokenizer", write("tokenizer.json", "{"))


@pytest.mark.parametrize("checkpoint", WRITERS)
def test_the_older_layout_is_the_same_network(
    checkpoint: str, load: Callable[..., LoadedGrounding], folder: Path, tmp_path: Path
) -> None:
    image = picture(67, 101)
    wanted = load(checkpoint).detector.ground(image, ["red chair", "chairs"])
    weights = tmp_path / "older"
    shutil.copytree(folder / checkpoint, weights)
    in_older_layout(weights)
    files = {"path": str(weights), "files": ["config.json", "tokenizer_config.json", "vocab.*"]}
    older = load(checkpoint, checkpoint=files).detector.ground(image, ["red chair", "chairs"])
    for one, other in zip(older, wanted, strict=True):
        assert_same(one, [(i.score, i.box) for i in other.instances])


@pytest.mark.parametrize("checkpoint", WRITERS)
def test_a_missing_vocabulary_is_an_error(
    checkpoint: str, load: Callable[..., LoadedGrounding], folder: Path, tmp_path: Path
) -> None:
    """The library loads a tokenizer without a word, and everything would be found everywhere."""
    load(checkpoint)
    weights = tmp_path / "wordless"
    shutil.copytree(folder / checkpoint, weights)
    (weights / "tokenizer.json").unlink()
    files = {"path": str(weights), "files": ["config.json"]}
    with pytest.raises(ModelLoadError, match=r"the tokenizer in .*wordless has \d tokens"):
        load(checkpoint, checkpoint=files)


def test_the_profile_is_described(load: Callable[..., LoadedGrounding]) -> None:
    facts = load("owlv2", threshold=0.2).describe()
    assert facts["detector"]["kind"] == "owl" and facts["detector"]["threshold"] == 0.2
    assert facts["detector"]["precision"] == "float32" and "segmenter" not in facts


@pytest.mark.parametrize("name", ["none", "clip_patches"])
def test_some_names_load_nothing(name: str) -> None:
    assert load_grounding(name) is None


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(ModelLoadError, match="no precision 'int4'"):
        load_grounding("owl", precision="int4")


def test_a_cpu_gains_nothing_from_halves(load: Callable[..., LoadedGrounding]) -> None:
    assert load("owlvit", "half").detector.describe()["precision"] == "float32"


@pytest.mark.parametrize("kind", ["grounding_dino", "mm_grounding_dino"])
def test_a_library_that_reads_prompts_otherwise_is_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers before 5.23, the last that Humble's Python takes, places words differently."""
    part = SimpleNamespace(kind=kind, checkpoint=SimpleNamespace(folder=lambda: Path("checkpoint")))
    older = SimpleNamespace(model=SimpleNamespace())  # no special_tokens
    known = next(iter(grounding_dino.CLASSES[kind]))
    monkeypatch.setattr(grounding_dino, "model_type", lambda *_: known)
    monkeypatch.setattr(grounding_dino, "load_pretrained", lambda *_: older)
    with pytest.raises(ModelLoadError, match=r"transformers 5\.23 .*Python 3\.11 .*nano_owl"):
        grounding_dino.load_grounding_dino(part, "test", torch.device("cpu"), torch.float32)
