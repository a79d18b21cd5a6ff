# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM's trainings on tiny models in the published layouts, from command to result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from checkpoints.spatial_mllm import random_state, tiny_config, write_qwen_vl
from checkpoints.vggt import random_vggt
from launched import on_two_processes, run_python
from safetensors.torch import save_file

from spatialgeo_ros.models.files.shards import Shards
from spatialgeo_ros.models.spatial_mllm import PixelBudget, load_spatial_mllm
from spatialgeo_ros.training.command import main
from spatialgeo_ros.training.trainer import JOURNAL

pytest.importorskip("accelerate", reason="needs the extra 'train'")

FRAMES = ("frames.least=4", "frames.most=4", "frames.min_pixels=784", "frames.max_pixels=3136")
SMALL = ("batch=2", "accumulation=1", "workers=0", "precision=fp32", *FRAMES)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Qwen2.5-VL, VGGT, clips of two colours and a picture."""
    folder = tmp_path_factory.mktemp("start")
    write_qwen_vl(folder / "qwen")
    generation = json.loads((folder / "qwen/generation_config.json").read_text())
    plain = {"eos_token_id": generation["eos_token_id"]}
    (folder / "qwen/generation_config.json").write_text(json.dumps(plain))
    vggt = {name: tensor.contiguous() for name, tensor in random_vggt(seed=0).items()}
    save_file(vggt, folder / "vggt.safetensors")
    files = folder / "files"
    rng = np.random.default_rng(0)
    lines = []
    for number in range(8):
        near = number % 2
        clip = files / f"clip{number}"
        clip.mkdir(parents=True)
        for frame in range(5):
            colour = (30, 30, 200) if near else (200, 60, 30)
            picture = np.full((28, 56, 3), colour, np.uint8)
            picture[:, frame * 10 : frame * 10 + 9] += rng.integers(0, 50, 3).astype(np.uint8)
            cv2.imwrite(str(clip / f"{frame}.png"), picture)
        lines.append({"video": clip.name} | talk("<video>\nWhich?", "BA"[near]))
    picture = np.full((28, 56, 3), (20, 220, 20), np.uint8)
    cv2.imwrite(str(files / "green.png"), picture)
    lines.append({"image": ["green.png"]} | talk("<image>Which?", "C"))
    (folder / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def talk(question: str, reply: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": reply}]
    return {"conversations": turns}


def command(start: Path, kind: str, output: Path, *settings: str, **paths: Path) -> list[str]:
    named = {"data": start / "data.jsonl", "files": start / "files", **paths}
    words = ["spatial_mllm", kind, "--output", output, "--device", "cpu"]
    for name, path in named.items():
        words += [f"--{name}", path]
    for one in (*SMALL, *settings):
        words += ["--set", one]
    return [str(one) for one in words]


def journal(output: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (output / JOURNAL).read_text().splitlines()]
    return [line for line in lines if "step" in line]


def losses(output: Path) -> list[float]:
    return [line["loss"] for line in journal(output)]


@pytest.fixture(scope="module")
def trained(start: Path) -> Path:
    output = start / "trained"
    where = {"base": start / "qwen", "vggt": start / "vggt.safetensors"}
    assert (
        main(
            command(
                start,
                "sft",
                output,
                "epochs=24",
                "rate=3e-3",
                "save_every=60",
                "weight_decay=0",
                **where,
            )
        )
        == 0
    )
    return output


def test_supervised_training_learns_and_its_checkpoint_answers(start: Path, trained: Path) -> None:
    found = losses(trained)
    assert np.mean(found[-5:]) < 0.1 < 4 < found[0]
    model = load_spatial_mllm(trained, dtype=torch.float32)
    assert model.version == "1.1"
    budget = PixelBudget(784, 3136)
    for number, said in ((1, "A"), (2, "B")):
        pictures = [
            cv2.cvtColor(cv2.imread(str(start / "files" / f"clip{number}" / f"{k}.png")),
                         cv2.COLOR_BGR2RGB)
            for k in (0, 1, 2, 4)
        ]  # fmt: skip
        seen = model.encode_video(pictures, second_per_grid=0.5, budget=budget)
        # Training writes the question on a line of its own, behind the clip.
        assert model.answer(seen, "\nWhich?").text == said


def test_the_checkpoint_has_all_official_tensors_and_what_is_frozen_is_as_it_was(
    start: Path, trained: Path
) -> None:
    expected = random_state(tiny_config("1.1"))
    with Shards.from_folder(trained) as shards:
        assert set(shards) == set(expected)
        moved = {name for name in shards if not torch.equal(shards[name], expected[name])}
    config = json.loads((trained / "config.json").read_text())
    assert config["model_type"] == "spatial-mllm"
    assert config["spatial_config"]["embed_dim"] == 32
    frozen = {name for name in expected if name.startswith(("visual.", "spatial_encoder."))}
    assert {name for name in frozen & moved if "merger" not in name} == set()
    assert any("merger" in name for name in moved) and "model.embed_tokens.weight" in moved


def test_a_resumed_run_has_the_losses_of_an_unbroken_one(
    start: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spatialgeo_ros.training.spatial_mllm_trainee import SpatialMllmTrainee

    where = {"base": trained}  # of the result itself: a Spatial-MLLM is a start, too
    settings = ("steps=8", "rate=3e-4", "save_every=3")
    assert main(command(start, "sft", start / "whole", *settings, **where)) == 0
    forward, taken = SpatialMllmTrainee.forward, 0

    def breaking(self: SpatialMllmTrainee, batch: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == 6:
            raise KeyboardInterrupt
        return forward(self, batch)

    monkeypatch.setattr(SpatialMllmTrainee, "forward", breaking)
    with pytest.raises(KeyboardInterrupt):
        main(command(start, "sft", start / "part", *settings, **where))
    monkeypatch.undo()
    assert len(journal(start / "part")) == 5
    assert main(command(start, "sft", start / "part", *settings, **where)) == 0
    assert losses(start / "part") == losses(start / "whole")


def test_a_pass_in_pieces_equals_one_in_one_piece(start: Path) -> None:
    """FSDP2 as accelerate applies it: each layer, then the rest."""
    script = str(Path(__file__).with_name("sharded_pass.py"))
    said = on_two_processes(script, "spatial_mllm", str(start))
    whole, pieces, apart = json.loads(said.splitlines()[-1])
    assert pieces == pytest.approx(whole, rel=1e-5)
    assert apart < 1e-3


def test_another_run_is_not_gone_on_with(
    start: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = {"base": start / "qwen", "vggt": start / "vggt.safetensors"}
    assert main(command(start, "sft", trained, "epochs=11", **where)) == 1
    assert "another output folder" in capsys.readouterr().err


def test_shares_of_files_and_what_is_broken(start: Path, trained: Path) -> None:
    lines = (start / "data.jsonl").read_text().splitlines()[:4]
    wrong = [
        {"video": "nowhere.mp4"} | talk("<video>\nWhich?", "A"),
        {"video": "clip0"} | talk("Which?", "A"),
        {"video": "clip0", "conversations": []},
        {"video": "clip0", "conversations": ["A"]},
        {"video": None} | talk("<video>\nWhich?", "A"),
    ]
    (start / "wrong.json").write_text(json.dumps([*map(json.loads, lines), *wrong]))
    data = f"{start / 'wrong.json'},{start / 'data.jsonl'}%50"
    words = command(start, "sft", start / "mixed", "epochs=1", "batch=1", base=trained)
    words[words.index("--data") + 1] = data
    assert main(words) == 0
    log = journal(start / "mixed")
    assert len(log) == 9 + 9 // 2
    assert sum(line["dropped"] for line in log) == len(wrong)
    assert sum(line["loss"] == 0 for line in log) == len(wrong)


def test_the_simulator_s_rooms_are_learnt(start: Path, trained: Path, tmp_path: Path) -> None:
    from spatialgeo_ros.sim.renderer import RendererUnavailableError
    from spatialgeo_ros.training import conversation_export

    words = ["--format", "qwen", "--out", tmp_path, "--rooms", 2, "--frames", 6, "--questions", 4,
             "--size", 160, 120]  # fmt: skip
    try:
        assert conversation_export.main([str(one) for one in words]) == 0
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    where = {"base": trained, "data": tmp_path / "qwen.jsonl", "files": tmp_path / "clips"}
    settings = ("epochs=6", "rate=3e-3", "workers=2")
    assert main(command(start, "sft", tmp_path / "out", *settings, **where)) == 0
    found = losses(tmp_path / "out")
    assert np.mean(found[-4:]) < 0.8 * np.mean(found[:4])
    assert sum(line["dropped"] for line in journal(tmp_path / "out")) == 0
    # The same lines are problems for policy optimisation.
    settings = ("steps=1", "group=2", "completion_length=4", "batch=2")
    assert main(command(start, "grpo", tmp_path / "policy", *settings, **where)) == 0
    assert journal(tmp_path / "policy")[0]["dropped"] == 0


@pytest.fixture(scope="module")
def thinker(start: Path) -> Path:
    """A model that thinks and then says A or B, whatever it sees."""
    lines = [{"video": "clip0"} | talk(f"<video>{asked()}", reply(letter)) for letter in "AB"]
    (start / "thoughts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    problem = {"solution": "<answer>A</answer>", "path": "clip0", **PROBLEM}
    (start / "problems.jsonl").write_text(2 * (json.dumps(problem) + "\n"))
    where = {"base": start / "qwen", "vggt": start / "vggt.safetensors"}
    settings = ("steps=180", "rate=5e-3", "weight_decay=0", "save_every=180", *SHORT)
    words = command(start, "cold_start", start / "thinker", *settings,
                    data=start / "thoughts.jsonl", **where)  # fmt: skip
    assert main(words) == 0
    return start / "thinker"


SHORT = ("frames.least=2", "frames.most=2", "frames.max_pixels=1568")
PROBLEM = {"problem": "Which?", "problem_type": "multiple choice", "options": ["A. a", "B. b"]}


def asked() -> str:
    from spatialgeo_ros.training.problem_data import problem_text

    return problem_text(PROBLEM, "Think.")


def reply(letter: str) -> str:
    return f"<think></think><answer>{letter}</answer>"


POLICY = ("group=8", "batch=2", "completion_length=36", "rate=6e-4", "instruction=Think.",
          "checkpointing=false", "weight_decay=0", *SHORT)  # fmt: skip


def likely(folder: Path, start: Path) -> float:
    """How much likelier than B a model finds the answer A, after an empty thought."""
    model = load_spatial_mllm(folder, dtype=torch.float32)
    pictures = [cv2.imread(str(start / "files" / "clip0" / f"{k}.png"))[..., ::-1] for k in (0, 4)]
    seen = model.encode_video([np.ascontiguousarray(one) for one in pictures], second_per_grid=0.5,
                              budget=PixelBudget(784, 1568))  # fmt: skip
    before, _ = reply("*").split("*")
    inputs = model.prompt_inputs(seen, asked())
    said = model.tokenizer.tokenizer(before).input_ids
    with torch.inference_mode():
        embeds = torch.cat([inputs.inputs_embeds, model.embed_tokens(torch.tensor([said]))], 1)
        after = torch.arange(len(said)) + inputs.position_ids.amax() + 1
        positions = torch.cat([inputs.position_ids, after.expand(3, 1, -1)], -1)
        logits = model.qwen(inputs_embeds=embeds, position_ids=positions).logits[0, -1]
    a, b = (int(model.tokenizer.tokenizer(letter).input_ids[0]) for letter in "AB")
    return float(logits[a] - logits[b])


def test_policy_optimisation_raises_the_reward(start: Path, thinker: Path) -> None:
    where = {"base": thinker, "data": start / "problems.jsonl"}
    output = start / "policy"
    assert main(command(start, "grpo", output, *POLICY, "steps=12", "save_every=20", **where)) == 0
    rewards = [line["reward"] for line in journal(output)]
    assert np.mean(rewards[6:]) > np.mean(rewards[:6])
    # The supervised data has both equally often.
    assert abs(likely(thinker, start)) < 1
    assert likely(output, start) > likely(thinker, start) + 0.3


def test_policy_optimisation_resumes_with_the_same_completions(
    start: Path, thinker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spatialgeo_ros.training.policy_trainee import PolicyTrainee

    where = {"base": thinker, "data": start / "problems.jsonl"}
    settings = (*POLICY, "group=3", "batch=1", "steps=4", "save_every=2")
    assert main(command(start, "grpo", start / "once", *settings, **where)) == 0
    roll_out = PolicyTrainee.roll_out

    def breaking(self: PolicyTrainee, batch: Any, number: int) -> Any:
        if number == 3:
            raise KeyboardInterrupt
        return roll_out(self, batch, number)

    words = command(start, "grpo", start / "again", *settings, **where)
    monkeypatch.setattr(PolicyTrainee, "roll_out", breaking)
    with pytest.raises(KeyboardInterrupt):
        main(words)
    monkeypatch.undo()
    assert main(words) == 0
    for name in ("loss", "reward", "completion", "norm"):
        once, again = ([line[name] for line in journal(start / kind)] for kind in ("once", "again"))
        assert once == again, name


def test_packed_completions_have_the_probabilities_of_single_ones(
    start: Path, thinker: Path
) -> None:
    from spatialgeo_ros.training.policy_trainee import Rollouts, completion_logps

    model = load_spatial_mllm(thinker, dtype=torch.float32)
    seen = model.encode_video(np.zeros((2, 28, 28, 3), np.uint8), budget=PixelBudget(784, 1568))
    inputs = model.prompt_inputs(seen, asked())
    said = ((70, 71, 72), (80,), (90, 91))
    none = torch.zeros(0)
    rollouts = Rollouts(
        torch.tensor(inputs.ids), seen.embeds, inputs.position_ids, said, none, none
    )
    language, head = model.qwen.model.language_model, model.qwen.lm_head.weight
    with torch.inference_mode():
        logps, mask = completion_logps(language, head, rollouts, model.chat.video_id)
        assert mask.sum(1).tolist() == [3, 1, 2]
        for row, completion in enumerate(said):
            own = model.embed_tokens(torch.tensor([completion]))
            after = torch.arange(len(completion)) + inputs.position_ids.amax() + 1
            positions = torch.cat([inputs.position_ids, after.expand(3, 1, -1)], -1)
            embeds = torch.cat([inputs.inputs_embeds, own], 1)
            logits = model.qwen(inputs_embeds=embeds, position_ids=positions).logits[0]
            scores = logits[-len(completion) - 1 : -1].log_softmax(-1)
            expected = scores.gather(1, torch.tensor(completion)[:, None])[:, 0]
            found = logps[row, : len(completion)]
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_shipped_precision_answers_and_learns_too(start: Path, thinker: Path) -> None:
    """bfloat16 with activations computed twice, in a process of its own: accelerate allows one."""
    where = {"base": thinker, "data": start / "problems.jsonl"}
    settings = (*POLICY, "steps=2", "group=4", "precision=bf16", "checkpointing=true")
    words = command(start, "grpo", start / "rounded", *settings, **where)
    run_python("-m", "spatialgeo_ros.training.command", *words)
    log = journal(start / "rounded")
    assert max(line["format"] for line in log) > 0.4
    assert all(0 < line["norm"] < 1000 for line in log)
