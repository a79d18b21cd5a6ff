# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of the nano detector: phrases, labels, matching, loss, exact resuming, its files."""

from __future__ import annotations

import itertools
import json
import time

import numpy as np
import pytest
import torch
from transformers import OwlViTForObjectDetection, OwlViTProcessor

from spatialgeo_ros.query.colours import colour_mask
from spatialgeo_ros.sim.room import make_room
from spatialgeo_ros.training.detector import command, network
from spatialgeo_ros.training.detector import views as views_module
from spatialgeo_ros.training.detector.command import DetectorPlan, DetectorTraining
from spatialgeo_ros.training.detector.loss import (
    concept_table,
    corners,
    detection_loss,
    match,
    overlaps,
)
from spatialgeo_ros.training.detector.phrases import (
    CONCEPTS,
    NAMES,
    PHRASE_TOKENS,
    PhraseBook,
    build_tokenizer,
    concept_numbers,
    encode,
    foreign_nouns,
    foreign_phrase,
    wordings,
)
from spatialgeo_ros.training.detector.scores import PhraseScores
from spatialgeo_ros.training.detector.store import ViewBatch, ViewStore, capacity_of
from spatialgeo_ros.training.detector.views import (
    CELLS,
    MOST_OBJECTS,
    NOTHING,
    SIDE,
    TRAINING_SEEDS,
    WATCHED_SEEDS,
    Shard,
    ViewPlan,
    labels,
    render_shard,
)
from spatialgeo_ros.training.nano import main as train_command

GRID = SIDE // network.PATCH
CPU = torch.device("cpu")
TINY = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture
def tiny(monkeypatch):
    """Let the command build a network of a size that a test can train."""
    build = network.build_detector
    monkeypatch.setattr(command, "build_detector", lambda tokenizer: build(tokenizer, **TINY))


def write_shard(folder, name, count, seed):
    """Write views of one coloured rectangle each: "red chair" and "blue sofa"."""
    rng = np.random.default_rng(seed)
    image = np.full((count, SIDE, SIDE, 3), 128, np.uint8)
    box = np.zeros((count, MOST_OBJECTS, 4), np.float32)
    named = np.full((count, MOST_OBJECTS), -1, np.int16)
    share = np.zeros((count, MOST_OBJECTS), np.float32)
    cells = np.full((count, CELLS, CELLS), NOTHING, np.uint8)
    for k in range(count):
        low, size = rng.integers(0, 16, 2), rng.integers(8, 20, 2)
        high = np.minimum(low + size, CELLS)
        pixels = 8 * np.concatenate([low, high])
        colour, word = [((200, 30, 30), "red chair"), ((30, 70, 190), "blue sofa")][k % 2]
        image[k, pixels[1] : pixels[3], pixels[0] : pixels[2]] = colour
        box[k, 0] = pixels / SIDE
        named[k, 0] = NAMES.index(word)
        share[k, 0] = np.prod(high - low) / CELLS**2
        cells[k, low[1] : high[1], low[0] : high[0]] = 0
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{name}.npy", image)
    np.savez(folder / f"{name}.npz", box=box, name=named, share=share, cells=cells)


@pytest.fixture
def views(tmp_path):
    folder = tmp_path / "views"
    write_shard(folder, "training_00000", 8, 1)
    write_shard(folder, "watched_00000", 4, 2)
    return folder


def stores(views):
    kept = []
    for part in ("training", "watched"):
        store = ViewStore(capacity_of(views, part), CPU)
        store.read(views, part)
        kept.append(store)
    return kept


# Phrases


def test_words_of_the_rooms_are_one_token_and_others_are_spelled(tokenizer):
    known = {word for concept in CONCEPTS for text in wordings(concept) for word in text.split()}
    for word in known:
        assert len(tokenizer(word).input_ids) == 3, word
    assert len(tokenizer("refrigerator").input_ids) > 6
    assert tokenizer.unk_token_id not in tokenizer("日本 flügel 7").input_ids[:-1]


def test_special_tokens_are_what_owl_reads_them_as(tokenizer):
    ids = encode(tokenizer, ["red chair", "a purple refrigerator of my dear grandmother"])
    assert ids.shape == (2, PHRASE_TOKENS)
    assert (ids[:, 0] > 0).all()  # a query that begins with 0 is masked
    assert tokenizer.pad_token_id == 0
    # The text tower takes the place of the highest id for the end of the text.
    assert ids[0].argmax() == 3
    assert ids[1].argmax() == PHRASE_TOKENS - 1
    assert (ids.max(1) == tokenizer.eos_token_id).all()


def test_concepts_are_names_with_and_kinds_without_colour():
    assert concept_numbers(NAMES.index("plant")) == (NAMES.index("plant"),)
    name = NAMES.index("red chair")
    assert [CONCEPTS[k] for k in concept_numbers(name)] == ["red chair", "chair"]
    assert wordings("blue sofa")[:2] == ("blue sofa", "blue couch")


def test_foreign_phrases_mean_nothing_in_any_room():
    rng = np.random.default_rng(0)
    meant = {text for concept in CONCEPTS for text in wordings(concept)}
    drawn = {foreign_phrase(rng) for _ in range(2000)}
    assert not drawn & meant
    assert {"black chair", "grey table"} <= drawn
    assert "mug" in foreign_nouns()
    # Narrower kinds may be what is there, and nobody can say so.
    assert not {"office chair", "dining table"} & (drawn | set(foreign_nouns()))


def test_a_step_asks_for_every_concept_and_some_foreign_phrases(tokenizer):
    book = PhraseBook(tokenizer, foreign=50)
    drawn = book.draw(7, np.random.default_rng(1))
    assert drawn.shape == (len(CONCEPTS) + 7, PHRASE_TOKENS)
    usual = book.usual()
    same = (drawn[: len(CONCEPTS)] == usual).all(1)
    assert 0 < same.sum() < len(CONCEPTS)  # some by another word
    assert same[CONCEPTS.index("door")]  # which has no other


# Labels


def test_labels_are_boxes_of_the_visible_pixels():
    room = make_room(5)
    furniture = [k for k, thing in enumerate(room.objects) if thing.name in NAMES]
    small, large = furniture[:2]
    index = np.full((480, 640), -1, np.int16)
    index[100:200, 50:350] = large
    index[150:160, 300:330] = small
    found = labels(room, index)
    assert found["box"][0] == pytest.approx([50 / 640, 100 / 480, 350 / 640, 200 / 480])
    assert found["box"][1] == pytest.approx([300 / 640, 150 / 480, 330 / 640, 160 / 480])
    assert [NAMES[k] for k in found["name"][:2]] == [
        room.objects[large].name,
        room.objects[small].name,
    ]
    assert found["share"][:3] == pytest.approx([29700 / 307200, 300 / 307200, 0])
    middle = found["cells"][150 * CELLS // 480, 100 * CELLS // 640]
    assert middle == 0
    assert found["cells"][0, 0] == NOTHING


def test_rooms_of_training_are_never_watched_nor_evaluated():
    plan = ViewPlan(views=5_000_000, watched=50_000)
    shards = plan.shards()
    assert all(one.watched for one in shards[: len(shards) - 5_000_000 // 144 - 1])
    last_trained = max(one.seeds().stop for one in shards if not one.watched)
    last_watched = max(one.seeds().stop for one in shards if one.watched)
    assert TRAINING_SEEDS < last_trained <= WATCHED_SEEDS < last_watched <= 900_000
    a, b = Shard(0, False, 3).seeds(), Shard(1, False, 3).seeds()
    assert not set(a) & set(b)


# Matching and loss


def test_matching_takes_each_prediction_and_each_thing_once():
    generator = torch.Generator().manual_seed(3)
    cost = torch.rand((5, 12, 4), generator=generator)
    cost[0, :, 2:] = torch.inf  # a view of two things
    cost[1] = torch.inf  # and one of none
    found = match(cost)
    assert (found[1] == -1).all()
    assert (found[0, 2:] == -1).all()
    for row, costs in zip(found, cost, strict=True):
        taken = [int(k) for k in row if k >= 0]
        assert len(set(taken)) == len(taken)
        if len(taken) == 4:  # the cheapest pair of all is always among them
            flat = int(costs.flatten().argmin())
            assert row[flat % 4] == flat // 4


def test_matching_is_the_exact_one_where_things_are_apart():
    # Each thing has its own neighbourhood of cheap predictions, as boxes at their patches have.
    generator = torch.Generator().manual_seed(4)
    cost = 5 + torch.rand((1, 9, 3), generator=generator)
    for thing in range(3):
        cost[0, 3 * thing : 3 * thing + 3, thing] -= 5
    best = min(
        itertools.permutations(range(9), 3),
        key=lambda picked: sum(float(cost[0, p, m]) for m, p in enumerate(picked)),
    )
    assert tuple(match(cost)[0].tolist()) == best


def test_overlaps_are_iou_and_generalised_iou():
    a = torch.tensor([0.0, 0.0, 0.5, 0.5])
    b = torch.tensor([0.25, 0.0, 0.75, 0.5])
    iou, giou = overlaps(a, b)
    assert float(iou) == pytest.approx(1 / 3)
    assert float(giou) == pytest.approx(1 / 3)  # the hull has no other area
    apart = torch.tensor([0.75, 0.0, 1.0, 0.5])
    iou, giou = overlaps(a, apart)
    assert float(iou) == 0
    assert float(giou) == pytest.approx(-0.25)
    assert torch.equal(
        corners(torch.tensor([0.5, 0.5, 0.2, 0.4])), torch.tensor([0.4, 0.3, 0.6, 0.7])
    )


def _truth(share=(0.1, 0.05)):
    """Two things in one view, and predictions that say exactly that."""
    box = torch.zeros((1, MOST_OBJECTS, 4))
    box[0, 0] = torch.tensor([0.10, 0.10, 0.40, 0.50])
    box[0, 1] = torch.tensor([0.60, 0.50, 0.90, 0.95])
    name = torch.full((1, MOST_OBJECTS), -1)
    name[0, :2] = torch.tensor([NAMES.index("red chair"), NAMES.index("plant")])
    shares = torch.zeros((1, MOST_OBJECTS))
    shares[0, :2] = torch.tensor(share)
    cells = torch.full((1, CELLS, CELLS), NOTHING)
    cells[0, 4:18, 4:14] = 0
    batch = ViewBatch(torch.zeros(1, 3, SIDE, SIDE), box, name, shares, cells)
    logits = torch.full((1, GRID * GRID, len(CONCEPTS) + 5), -12.0)
    size = box[0, :2, 2:] - box[0, :2, :2]
    centred = torch.cat([(box[0, :2, 2:] + box[0, :2, :2]) / 2, size], 1)
    boxes = torch.full((1, GRID * GRID, 4), 0.5)
    for thing in range(2):
        column, row = (centred[thing, :2] * GRID).long()
        for near in ((0, 0), (0, 1), (1, 0), (1, 1)):
            boxes[0, (row + near[0]) * GRID + column + near[1]] = centred[thing]
        logits[0, row * GRID + column, list(concept_numbers(int(name[0, thing])))] = 12.0
    shown = torch.full((1, CELLS, CELLS, len(NAMES) + 1), -12.0)
    shown[..., -1] = 12.0
    shown[0, 4:18, 4:14] = -12.0
    shown[0, 4:18, 4:14, NAMES.index("red chair")] = 12.0
    return logits, boxes, shown, batch


def test_loss_is_zero_at_the_truth_and_grows_with_each_error():
    table = concept_table(CPU)
    logits, boxes, shown, batch = _truth()
    _, parts = detection_loss(logits, boxes, shown, batch, table)
    assert all(float(value) < 1e-3 for value in parts.values()), parts
    silent = torch.full_like(logits, -12.0)
    assert float(detection_loss(silent, boxes, shown, batch, table)[1]["score"]) > 1
    invented = logits.clone()
    invented[0, 0, len(CONCEPTS) + 2] = 5.0  # a phrase that means nothing
    assert float(detection_loss(invented, boxes, shown, batch, table)[1]["score"]) > 1
    other = logits.clone()
    other[0, 0, NAMES.index("blue chair")] = 5.0
    assert float(detection_loss(other, boxes, shown, batch, table)[1]["score"]) > 1
    twice = logits.clone()
    twice[0, 0, NAMES.index("red chair")] = 5.0  # a second patch for one thing, boxed wrongly
    assert float(detection_loss(twice, boxes, shown, batch, table)[1]["score"]) > 1
    boxed = boxes.clone()
    boxed[0, 0] = torch.tensor([0.25, 0.30, 0.30, 0.40])
    assert float(detection_loss(twice, boxed, shown, batch, table)[1]["score"]) < 1e-3
    twice[0, 0, NAMES.index("blue chair")] = 5.0  # its box does not make it another thing
    assert float(detection_loss(twice, boxed, shown, batch, table)[1]["score"]) > 1
    moved = boxes + torch.tensor([0.1, 0.0, 0.0, 0.0])
    _, parts = detection_loss(logits, moved, shown, batch, table)
    assert float(parts["l1"]) > 0.05
    assert float(parts["giou"]) > 0.2


def test_what_hardly_shows_is_neither_asked_for_nor_rejected():
    table = concept_table(CPU)
    logits, boxes, shown, batch = _truth(share=(0.1, 0.0005))
    logits.requires_grad_()
    loss, _ = detection_loss(logits, boxes, shown, batch, table)
    loss.backward()
    gradient = logits.grad[0].abs().sum(0)
    assert gradient[NAMES.index("plant")] == 0
    assert gradient[NAMES.index("blue chair")] > 0


def test_mirrored_views_keep_boxes_on_their_things(views):
    store, _ = stores(views)
    batch = store.batch(torch.arange(8), torch.Generator().manual_seed(0))
    plain = store.batch(torch.arange(8))
    mirrored = ~torch.isclose(batch.box[:, 0], plain.box[:, 0]).all(-1)
    assert 0 < mirrored.sum() < 8
    for k in range(8):
        x0, y0, x1, y1 = (round(float(v) * CELLS) for v in batch.box[k, 0])
        assert (batch.cells[k, y0:y1, x0:x1] == 0).all()
        assert (batch.cells[k] == 0).sum() == (x1 - x0) * (y1 - y0)
        # and the pixels are where the cells say: the rectangle is no grey
        inside = batch.pixels[k, :, 8 * y0 + 4, 8 * x0 + 4]
        assert float(inside.std()) > 0.5


# The run


def test_training_lowers_the_loss_and_finds_rectangles(tiny, tmp_path, views):
    store, watched = stores(views)
    plan = DetectorPlan(steps=60, batch=4, rate=3e-3, evaluate_every=20)
    training = DetectorTraining(tmp_path / "run", plan, CPU)
    training.run(store, watched)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40, 60]
    assert lines[-1]["score"] < 0.6 * lines[0]["score"]
    assert lines[-1]["giou"] < 0.7 * lines[0]["giou"]


def test_a_resumed_run_equals_an_unbroken_one(tiny, tmp_path, views):
    store, watched = stores(views)
    plan = DetectorPlan(steps=6, batch=2, rate=1e-3, evaluate_every=3)
    whole = DetectorTraining(tmp_path / "whole", plan, CPU)
    whole.run(store, watched)
    broken = DetectorTraining(tmp_path / "broken", plan, CPU)
    while broken.step < 3:
        broken.update(store, plan.rate_at(broken.step / plan.steps))
    broken.save()
    broken.update(store, 1.0)  # lost: the state on disk counts
    resumed = DetectorTraining(tmp_path / "broken", plan, CPU)
    assert resumed.step == 3
    resumed.run(store, watched)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, msg=name)
    for name, value in whole.average.state_dict().items():
        torch.testing.assert_close(resumed.average.state_dict()[name], value, msg=name)


def test_a_run_takes_in_views_that_come_while_it_trains(tiny, tmp_path, views, monkeypatch):
    """Another process renders a second shard after the training has begun."""
    sizes = []
    update = DetectorTraining.update

    def watching(self, store, rate):
        if self.step == 0:
            write_shard(views, "training_00001", 8, 3)
            (views / "training_00002.part.npz").write_bytes(b"half a file")
        sizes.append(len(store))
        time.sleep(0.1)
        return update(self, store, rate)

    monkeypatch.setattr(DetectorTraining, "update", watching)
    monkeypatch.setattr(command, "_LOOK", 0.05)
    arguments = ["--only", "train", "--views", str(views), "--folder", str(tmp_path / "run")]
    assert command.main([*arguments, "--steps", "20", "--batch", "2", "--most-views", "14"]) == 0
    assert (sizes[0], sizes[-1]) == (8, 14)


def test_a_run_by_the_clock_ends_with_it(tiny, tmp_path, views):
    store, watched = stores(views)
    plan = DetectorPlan(seconds=0.5, batch=2, evaluate_every=0.2)
    training = DetectorTraining(tmp_path / "run", plan, CPU)
    training.run(store, watched)
    assert 0.5 <= training.spent < 20
    assert DetectorTraining(tmp_path / "run", plan, CPU).spent == training.spent
    assert plan.rate_at(1.0) < 0.02 * plan.rate
    assert plan.rate_at(0.03) == pytest.approx(plan.rate, rel=0.02)


def test_training_without_views_says_how_to_get_them(tmp_path):
    arguments = ["--only", "train", "--views", str(tmp_path), "--steps", "1"]
    with pytest.raises(FileNotFoundError, match="--only render"):
        command.main(arguments)
    with pytest.raises(SystemExit):
        command.main(["--views", str(tmp_path)])  # neither steps nor seconds


def test_the_command_writes_the_official_layout(tiny, tmp_path, views, capsys):
    folder = tmp_path / "run"
    arguments = ["--only", "train", "--views", str(views), "--folder", str(folder)]
    assert command.main([*arguments, "--steps", "2", "--batch", "2", "--seed", "3"]) == 0
    assert "model.safetensors" in capsys.readouterr().out
    scores = json.loads((folder / "scores.json").read_text())
    assert 0 <= scores["watched_found"] <= 1
    model = OwlViTForObjectDetection.from_pretrained(folder / "weights").float().eval()
    processor = OwlViTProcessor.from_pretrained(folder / "weights", backend="pil")
    training = DetectorTraining(folder, DetectorPlan(steps=2), CPU)
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    inputs = processor(text=[["red chair", "mug"]], images=image, return_tensors="pt")
    assert inputs.pixel_values.shape == (1, 3, SIDE, SIDE)
    ids = torch.from_numpy(encode(training.tokenizer, ["red chair", "mug"]))
    assert torch.equal(inputs.input_ids, ids)
    with torch.inference_mode():
        official = model(**inputs)
        average = training.average.eval()
        logits, boxes, _ = average(inputs.pixel_values, average.phrases(ids))
    torch.testing.assert_close(official.logits, logits, atol=0.05, rtol=0.01)  # float16 on disk
    torch.testing.assert_close(official.pred_boxes, boxes, atol=2e-3, rtol=0.01)


# Scores


def test_the_threshold_bounds_what_is_invented():
    rng = np.random.default_rng(0)
    scores = PhraseScores(
        present=np.array([0.9, 0.8, 0.7, 0.1], np.float32),
        iou=np.array([0.9, 0.8, 0.2, 0.9], np.float32),
        share=np.array([0.02, 0.2, 0.2, 0.2], np.float32),
        absent=rng.uniform(0, 0.3, 1000).astype(np.float32),
        near_miss=np.arange(1000) < 500,
        foreign=rng.uniform(0, 0.6, 1000).astype(np.float32),
    )
    summary = scores.summary()
    assert 0.55 < summary["threshold"] < 0.6  # the worse of the two decides
    assert summary["foreign_answered"] <= 0.016
    assert summary["absent_answered"] == 0
    assert summary["found"] == 0.5
    assert summary["found_small"] == 1.0
    assert summary["answered_wrong"] == 0.25
    assert summary["iou_median"] == pytest.approx(0.9)


# Rendering


@pytest.mark.slow
def test_the_one_command_renders_trains_and_writes(tiny, tmp_path, capsys):
    pytest.importorskip("mujoco", reason="MuJoCo is not installed")
    views, folder = tmp_path / "views", tmp_path / "run"
    arguments = ["--views", str(views), "--folder", str(folder), "--rooms-per-shard", "1"]
    sizes = ["--count", "6", "--watched", "6", "--workers", "1", "--steps", "2", "--batch", "2"]
    assert train_command(["nano_detector", *arguments, *sizes]) == 0
    with np.load(views / "training_00000.npz") as stored:
        box, name, share = stored["box"], stored["name"], stored["share"]
    images = np.load(views / "training_00000.npy")
    assert images.shape[1:] == (SIDE, SIDE, 3)
    assert len(images) == len(box) > 3
    seen = share > 0
    assert seen.any()
    assert (name[seen] >= 0).all()
    assert ((box[seen, 2:] - box[seen, :2]) > 0).all()
    # A box holds at least what shows, and what shows has the colour that its name says.
    area = (box[..., 2:] - box[..., :2]).prod(-1)
    assert (area[seen] >= share[seen] - 1e-6).all()
    before = images[0].copy()
    assert train_command(["nano_detector", "--only", "render", *arguments, *sizes[:6]]) == 0
    assert np.array_equal(np.load(views / "training_00000.npy")[0], before)
    assert (folder / "weights" / "model.safetensors").stat().st_size < 8_000_000


@pytest.mark.slow
def test_rendered_shards_show_what_their_labels_say():
    pytest.importorskip("mujoco", reason="MuJoCo is not installed")
    renderers = {}
    rendered = render_shard(Shard(2, False, 2), renderers)
    columns = rendered.columns
    assert not rendered.failed
    room_names = {thing.name for seed in Shard(2, False, 2).seeds() for thing in _things(seed)}
    matched = []
    for image, box, name, share in zip(
        columns["image"], columns["box"], columns["name"], columns["share"], strict=True
    ):
        for one, number, part in zip(box, name, share, strict=True):
            if part < 0.01:
                continue
            assert NAMES[number] in room_names
            colour = NAMES[number].split()[0]
            if colour not in ("red", "blue", "green"):
                continue
            x0, y0, x1, y1 = (one * SIDE).round().astype(int)
            matched.append(colour_mask(image[y0:y1, x0:x1], colour).mean() > 0.02)
    assert np.mean(matched) > 0.9
    for renderer in renderers.values():
        renderer.close()
    foreign = render_shard(Shard(3, True, 1), {}).columns
    assert (foreign["share"] == 0).all()
    assert (foreign["cells"] == NOTHING).all()
    assert foreign["image"].std() > 10
    assert set(np.unique(foreign["name"])) == {-1}


@pytest.mark.slow
def test_a_room_that_fails_is_left_out_and_the_others_are_not(monkeypatch):
    pytest.importorskip("mujoco", reason="MuJoCo is not installed")
    first, second = Shard(2, False, 2).seeds()
    make = views_module.make_room

    def failing(seed, *sizes):
        if seed == first:
            raise IndexError("index 1086 is out of bounds")
        return make(seed, *sizes)

    monkeypatch.setattr(views_module, "make_room", failing)
    renderers = {}
    rendered = render_shard(Shard(2, False, 2), renderers)
    for renderer in renderers.values():
        renderer.close()
    assert rendered.failed == [f"room {first}: IndexError: index 1086 is out of bounds"]
    assert 0 < len(rendered.columns["image"]) <= 12
    names = {NAMES[k] for k in rendered.columns["name"][rendered.columns["share"] > 0]}
    assert names <= {thing.name for thing in _things(second)}


def _things(seed):
    return (make_room(seed, 7, 13) if seed % 3 == 0 else make_room(seed)).objects
