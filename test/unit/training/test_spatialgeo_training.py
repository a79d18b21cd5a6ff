# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo's stages on tiny models in the published layouts, from command to loaded result."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from checkpoints.llava import write_clip, write_llava_base, write_tower
from launched import on_two_processes, run_python

from spatialgeo_ros.models.llava.llava_checkpoint import load_llava
from spatialgeo_ros.training.command import main
from spatialgeo_ros.training.journal import JOURNAL

pytest.importorskip("accelerate", reason="needs the extra 'train'")
pytest.importorskip("peft", reason="needs the extra 'train'")
pytest.importorskip("sentencepiece", reason="needs the extra 'llava'")

SMALL = ("batch=2", "workers=0", "precision=fp32", "checkpointing=false", "save_every=100")

SECOND = ("epochs=4", "rate=5e-3", "projector_rate=5e-3", "lora.rank=8", "lora.alpha=16",
          "save_every=8")  # fmt: skip


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with LLaVA, CLIP, MoGe's tower, and pictures of two colours to be told apart."""
    folder = tmp_path_factory.mktemp("start")
    write_llava_base(folder / "llava")
    write_clip(folder / "clip")
    write_tower(folder / "vit_model.pt")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    captions, questions = [], []
    for number in range(16):
        near = number % 2
        colour = (30, 30, 220) if near else (220, 60, 30)
        picture = np.full((60, 90, 3), colour, np.uint8) + rng.integers(0, 20, 3).astype(np.uint8)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
        said = "1.25 meters" if near else "3.5 meters"
        image = {"id": str(number), "image": f"{number}.png"}
        captions.append(image | talk("<image>\nWhat is it?", said))
        questions.append(image | talk("<image>\nHow far is it?", said))
        questions.append({"id": f"text {number}"} | talk("How far is it?", "It is left."))
    (folder / "captions.json").write_text(json.dumps(captions))
    (folder / "questions.json").write_text(json.dumps(questions))
    return folder


def talk(question: str, reply: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": reply}]
    return {"conversations": turns}


def train(start: Path, stage: str, output: Path, *settings: str, data: str = "") -> list[dict]:
    """Run the command; returns the log."""
    assert main(command(start, stage, output, settings, data)) == 0
    return journal(output)


def command(
    start: Path, stage: str, output: Path, settings: Sequence[str], data: str = ""
) -> list[str]:
    data = data or {"stage1": "captions.json"}.get(stage, "questions.json")
    words = ["spatialgeo", stage, "--base", start / "llava", "--clip", start / "clip",
             "--tower", start / "vit_model.pt", "--data", start / data,
             "--files", start / "images", "--output", output, "--device", "cpu"]  # fmt: skip
    if stage == "stage2":
        words += ["--adapter", start / "first"]
    for one in (*SMALL, *settings):
        words += ["--set", one]
    return [str(one) for one in words]


def journal(output: Path) -> list[dict]:
    lines = [json.loads(line) for line in (output / JOURNAL).read_text().splitlines()]
    return [line for line in lines if "step" in line]


def losses(log: list[dict]) -> list[float]:
    return [line["loss"] for line in log]


@pytest.fixture(scope="module")
def first(start: Path) -> list[dict]:
    """The first stage's log; its result lies in start/first."""
    return train(start, "stage1", start / "first", "epochs=6", "rate=1e-2")


def test_the_first_stage_learns_and_writes_its_list(start: Path, first: list[dict]) -> None:
    assert np.mean(losses(first)[-4:]) < 0.7 * np.mean(losses(first)[:4])
    state = torch.load(start / "first" / "moge_mm_projector_list.bin", weights_only=True)
    names = {f"model.moge_mm_projector_list.{i}.{j}.{kind}"
             for i in range(4) for j in (0, 2) for kind in ("weight", "bias")}  # fmt: skip
    assert set(state) == names
    loaded = load_llava(start / "llava", start / "first", start / "clip", start / "vit_model.pt",
                        dtype=torch.float32)  # fmt: skip
    own = loaded.adapter.state_dict()
    assert all(torch.equal(own[name.removeprefix("model.")], state[name]) for name in names)


@pytest.fixture(scope="module")
def second(start: Path, first: list[dict]) -> list[dict]:
    """The second stage's log; its result lies in start/second."""
    return train(start, "stage2", start / "second", *SECOND)


def test_the_second_stage_starts_from_the_first_and_answers(
    start: Path, second: list[dict]
) -> None:
    assert np.mean(losses(second)[-4:]) < 0.5 * losses(second)[0]
    folder = start / "second"
    assert json.loads((folder / "adapter_config.json").read_text())["target_modules"] == [
        "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj",
    ]  # fmt: skip
    extra = torch.load(folder / "non_lora_trainables.bin", weights_only=True)
    assert {name.split(".")[3] for name in extra} == {"mm_projector", "moge_mm_projector_list"}
    plain, tuned = (
        load_llava(start / "llava", start / name, start / "clip", start / "vit_model.pt",
                   dtype=torch.float32)
        for name in ("first", "second")
    )  # fmt: skip
    moved = [
        name
        for name, tensor in plain.language_model.state_dict().items()
        if not torch.equal(tensor, tuned.language_model.state_dict()[name])
    ]
    assert len(moved) == 14  # seven linear layers in each of two blocks
    near = [answer_loss(tuned, start, k, said) for k, said in ((1, "1.25"), (0, "3.5"))]
    far = [answer_loss(tuned, start, k, said) for k, said in ((0, "1.25"), (1, "3.5"))]
    assert sum(near) < sum(far)


def answer_loss(model: Any, start: Path, number: int, said: str) -> float:
    """How unlikely a loaded model finds an answer about a picture."""
    from spatialgeo_ros.models.letterbox import spatialgeo_pixels
    from spatialgeo_ros.recordings.image_codec import read_colour_file
    from spatialgeo_ros.speech.prompts import template
    from spatialgeo_ros.speech.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(start / "llava")
    picture = read_colour_file(start / "images" / f"{number}.png")
    with torch.inference_mode():
        seen = model.encode_images(spatialgeo_pixels(picture, 84)[None], normalised=True)
        visual, _ = model.visual_embeds(seen.clip_features, seen.moge_features)
        prompt = tokenizer.encode(template("vicuna_v1").build("How far is it?"))
        reply = tokenizer.encode(f" {said} meters", add_bos=False)
        ids = torch.tensor([prompt + reply])
        prepared = model.prepare_inputs(ids, list(visual))
        logits = model.language_model(inputs_embeds=prepared.inputs_embeds).logits[0]
        scores = logits[-len(reply) - 1 : -1].log_softmax(-1)
        return -float(scores.gather(1, torch.tensor(reply)[:, None]).mean())


def test_a_resumed_run_has_the_losses_of_an_unbroken_one(start: Path, second: list[dict]) -> None:
    """Feature dropping, dropout, order, schedule and optimiser go on to the bit."""
    whole, part = start / "second", start / "resumed"
    steps = len(second)
    checkpoint = next(one.name for one in whole.iterdir() if one.name.startswith("checkpoint-"))
    assert checkpoint == f"checkpoint-{steps}"
    log = interrupted(start, part, steps)
    assert losses(log) == losses(second)
    assert [line["rate"] for line in log] == [line["rate"] for line in second]


def interrupted(start: Path, output: Path, steps: int) -> list[dict]:
    """Break off after the twelfth step, and go on from the checkpoint of the eighth."""
    from spatialgeo_ros.training.spatialgeo_trainee import SpatialGeoTrainee

    taken = 0
    forward = SpatialGeoTrainee.forward

    def breaking(self: Any, batch: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken > 12:
            raise KeyboardInterrupt
        return forward(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpatialGeoTrainee, "forward", breaking)
        with pytest.raises(KeyboardInterrupt):
            main(command(start, "stage2", output, SECOND))
    assert len(journal(output)) == 12 < steps
    # TensorBoard's files are finished: nothing writes into the folder any more.
    assert not [one for one in threading.enumerate() if "Writer" in type(one).__name__]
    assert main(command(start, "stage2", output, SECOND)) == 0
    return journal(output)


def test_a_pass_in_pieces_equals_one_in_one_piece(start: Path, first: list[dict]) -> None:
    """FSDP2 as accelerate applies it: each layer, then the rest."""
    said = on_two_processes(
        str(Path(__file__).with_name("sharded_pass.py")), "spatialgeo", str(start)
    )
    whole, pieces, apart = json.loads(said.splitlines()[-1])
    assert pieces == pytest.approx(whole, rel=1e-5)
    assert apart < 1e-3


def test_two_processes_equal_one_that_accumulates(start: Path) -> None:
    settings = ("steps=4", "rate=1e-2")
    one = train(start, "stage1", start / "one", *settings, "accumulation=2")
    words = command(start, "stage1", start / "two", settings)
    on_two_processes("-m", "spatialgeo_ros.training.command", *words)
    both = journal(start / "two")
    np.testing.assert_allclose(losses(both), losses(one), rtol=1e-5)
    name = "moge_mm_projector_list.bin"
    alike, two = (torch.load(start / k / name, weights_only=True) for k in ("one", "two"))
    for key, tensor in alike.items():
        torch.testing.assert_close(two[key], tensor, rtol=1e-4, atol=1e-6)


def test_the_simulator_s_rooms_are_learnt(start: Path, first: list[dict], tmp_path: Path) -> None:
    from spatialgeo_ros.sim.renderer import RendererUnavailableError
    from spatialgeo_ros.training import conversation_export

    words = ["--format", "llava", "--out", tmp_path, "--rooms", 2, "--views", 3, "--questions", 2,
             "--size", 160, 120]  # fmt: skip
    try:
        assert conversation_export.main([str(one) for one in words]) == 0
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    settings = ("epochs=8", "rate=1e-2", "lora.rank=8", "workers=2", "drop_probability=0")
    arguments = command(start, "stage2", tmp_path / "out", settings)
    arguments[arguments.index("--data") + 1] = str(tmp_path / "llava.json")
    arguments[arguments.index("--files") + 1] = str(tmp_path / "images")
    assert main(arguments) == 0
    log = journal(tmp_path / "out")
    assert np.mean(losses(log)[-4:]) < 0.8 * np.mean(losses(log)[:4])
    assert sum(line["dropped"] for line in log) == 0


def test_broken_conversations_are_dropped_and_counted(start: Path) -> None:
    good = json.loads((start / "questions.json").read_text())[:6]
    broken = [
        {"image": "0.png"} | talk("<image>\nHow far?", ""),
        {"image": "missing.png"} | talk("<image>\nHow far?", "3.5 meters"),
        {"image": "0.png"} | talk("How far?", "3.5 meters"),
        {"id": "nothing"},
        {"conversations": [{"from": "human", "value": 3}]},
    ]
    (start / "broken.json").write_text(json.dumps([*good, *broken]))
    (start / "good.json").write_text(json.dumps(good))
    log = train(start, "stage2", start / "dropping", "epochs=2", "lora.rank=2", "batch=11",
                "grouped=false", data="broken.json")  # fmt: skip
    assert sum(line["dropped"] for line in log) == 2 * len(broken)
    only = [broken[0], broken[1]]
    (start / "only.json").write_text(json.dumps(only))
    log = train(start, "stage2", start / "nothing", "steps=1", "lora.rank=2", data="only.json")
    assert (log[0]["dropped"], log[0]["loss"]) == (2, 0)


def test_own_rooms_are_learnt_on_a_merged_model(start: Path, second: list[dict]) -> None:
    merged = start / "merged"
    words = ["--base", start / "llava", "--adapter", start / "second", "--clip", start / "clip",
             "--tower", start / "vit_model.pt", "--output", merged]  # fmt: skip
    assert main(["spatialgeo", "merge", *map(str, words)]) == 0
    kept = start / "llava"
    kept.rename(start / "plain")
    try:
        shutil.copytree(merged, kept)
        log = train(start, "task_lora", start / "own", "steps=3", "accumulation=1", "lora.rank=2",
                    "lora.quantisation=none")  # fmt: skip
        assert losses(log)[0] < 3
        load_llava(kept, start / "own", start / "clip", start / "vit_model.pt")
    finally:
        shutil.rmtree(kept)
        (start / "plain").rename(kept)


def test_low_rank_updates_learn_on_packed_weights(start: Path, first: list[dict]) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra 'nf4'")
    log = train(start, "stage2", start / "packed", "steps=12", "rate=1e-2", "lora.rank=8",
                "lora.quantisation=nf4", "grouped=false", "drop_probability=0")  # fmt: skip
    assert np.mean(losses(log)[-3:]) < np.mean(losses(log)[:3])


def test_the_shipped_precision_learns_too(start: Path, first: list[dict]) -> None:
    """bfloat16 with activations computed twice, in a process of its own: accelerate allows one."""
    settings = ("steps=16", "rate=5e-3", "projector_rate=5e-3", "lora.rank=8", "grouped=false",
                "precision=bf16", "checkpointing=true", "drop_probability=0")  # fmt: skip
    words = command(start, "stage2", start / "rounded", settings)
    run_python("-m", "spatialgeo_ros.training.command", *words)
    found = losses(journal(start / "rounded"))
    assert np.mean(found[-3:]) < 0.8 * np.mean(found[:3])
    extra = torch.load(start / "rounded" / "non_lora_trainables.bin", weights_only=True)
    assert {tensor.dtype for tensor in extra.values()} == {torch.bfloat16}
    load_llava(start / "llava", start / "rounded", start / "clip", start / "vit_model.pt")


def test_what_is_not_installed_is_named(
    start: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert main(command(start, "stage1", start / "no", ())) == 1
    assert "pip install 'spatialgeo_ros[train]'" in capsys.readouterr().err


def test_misuse_says_what_to_do(start: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["spatialgeo", "stage3"], "say which"),
        (["spatial"], "nothing is called"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err
    words = command(start, "stage1", start / "no", ("rates=1",))
    assert main(words) == 1
    assert "'rates' is no setting" in capsys.readouterr().err
    words = [one for one in command(start, "stage2", start / "no", ()) if "first" not in one]
    words.remove("--adapter")
    assert main(words) == 1
    assert "--adapter" in capsys.readouterr().err
