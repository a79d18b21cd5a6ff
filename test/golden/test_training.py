# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens, labels, orders, rates and rewards of training against the papers' own code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.models.spatial_mllm.chat import interleaved_positions
from spatialgeo_ros.models.spatial_mllm.video_input import PixelBudget, resized_size
from spatialgeo_ros.speech.cleaned_answer import clean_answer
from spatialgeo_ros.speech.llama_tokenizer import LlamaTokenizer
from spatialgeo_ros.speech.prompts import template
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer
from spatialgeo_ros.training.dataset_registry import ordered_items
from spatialgeo_ros.training.group_policy import divergence, group_advantages, policy_loss
from spatialgeo_ros.training.llava_samples import (
    VERSIONS,
    BrokenConversationError,
    Sample,
    collate,
    encode_caption,
    encode_conversation,
    image_first,
)
from spatialgeo_ros.training.modality_sampler import (
    ModalitySampler,
    grouped_by_length,
    grouped_by_modality,
    modality_length,
)
from spatialgeo_ros.training.parameter_groups import (
    decaying_names,
    parameter_groups,
    schedule,
    warmup_steps,
)
from spatialgeo_ros.training.qwen_samples import collate_qwen, encode_qwen_conversation
from spatialgeo_ros.training.rewards import (
    VIDEO_R1,
    answer_reward,
    format_reward,
    group_rewards,
    length_bonus,
    similarity,
)
from spatialgeo_ros.training.video_frames import training_frames
from spatialgeo_ros.training.video_r1_rewards import (
    FREE_FORM,
    KINDS,
    NUMERICAL,
    OCR,
    rouge,
    video_r1_reward,
    word_error_rate,
)


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def llama(folder: Path, name: str, legacy: bool) -> LanguageTokenizer:
    special = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<unk>",
    }
    return LanguageTokenizer(LlamaTokenizer(folder / name, special, legacy=legacy))


def test_conversations_of_the_second_stage(golden_eval: Path) -> None:
    data = read(golden_eval, "llava_preprocess.json")
    refused = 0
    for case in data["cases"]:
        tokenizer = llama(golden_eval, data["tokenizer"], case["legacy"])
        turns = case["conversation"]
        if case["has_image"]:
            turns = image_first(turns)
            assert turns == case["after_multimodal"], case["name"]
        how: dict[str, Any] = {"has_image": case["has_image"], "max_length": 256}
        prompt = template(VERSIONS[case["version"]])
        if case["warned"]:
            # The published code trains nothing on these and says so in passing.
            assert set(case["labels"]) == {-100}
            refused += 1
            with pytest.raises(BrokenConversationError, match="tokens are accounted for"):
                encode_conversation(turns, tokenizer, prompt, **how)
            continue
        sample = encode_conversation(turns, tokenizer, prompt, **how)
        assert list(sample.ids) == case["input_ids"], case["name"]
        assert list(sample.labels) == case["labels"], case["name"]
    assert 0 < refused < len(data["cases"]) / 2


def test_captions_of_the_first_stage(golden_eval: Path) -> None:
    data = read(golden_eval, "llava_preprocess.json")
    for case in data["plain"]:
        tokenizer = llama(golden_eval, data["tokenizer"], case["legacy"])
        sample = encode_caption(case["conversation"], tokenizer)
        assert list(sample.ids) == case["input_ids"]
        assert list(sample.labels) == case["labels"]


def test_samples_side_by_side(golden_eval: Path) -> None:
    case = read(golden_eval, "llava_preprocess.json")["collate"]
    samples = [Sample(tuple(one["input_ids"]), tuple(one["labels"])) for one in case["instances"]]
    batch = collate(samples, case["model_max_length"])
    assert batch.input_ids.tolist() == case["input_ids"]
    assert batch.labels.tolist() == case["labels"]
    assert batch.attention_mask.int().tolist() == case["attention_mask"]


def test_roles_that_do_not_take_turns_are_refused(golden_eval: Path) -> None:
    tokenizer = llama(golden_eval, "llava_tiny_tokenizer.model", True)
    turns = [{"from": "human", "value": "a"}, {"from": "human", "value": "b"}]
    with pytest.raises(BrokenConversationError, match="turn 1 is from 'human'"):
        encode_conversation(turns, tokenizer, template("vicuna_v1"), has_image=False)


def test_order_by_length_and_modality(golden_eval: Path) -> None:
    data = read(golden_eval, "modality_sampler.json")
    samples = [
        {
            "conversations": [{"value": one["human"]}, {"value": one["gpt"]}],
            **({"image": "a.jpg"} if one["image"] else {}),
        }
        for one in data["samples"]
    ]
    lengths = [modality_length(sample) for sample in samples]
    assert lengths == data["modality_lengths"]
    for order in data["orders"]:
        draws = iter(order["randperm_draws"])

        def draw(count: int, draws: Any = draws) -> Sequence[int]:
            drawn: list[int] = next(draws)
            assert len(drawn) == count
            return drawn

        chosen = {
            "mixed": lengths,
            "images only": [n for n in lengths if n > 0],
            "text only": [n for n in lengths if n < 0],
        }[order["which"]]
        found = grouped_by_modality(chosen, order["batch_size"], order["world_size"], draw)
        assert found == order["indices"], order["which"]
        torch.manual_seed(order["seed"])
        sampler = ModalitySampler(chosen, order["batch_size"], order["world_size"])
        assert list(sampler) == order["indices"]
        assert len(sampler) == len(chosen)


def test_every_sample_is_in_the_order_once() -> None:
    lengths = [3, 9, 1, 4, 4, 8, 2]
    torch.manual_seed(0)
    assert sorted(grouped_by_length(lengths, 2, 2)) == list(range(7))
    with pytest.raises(ValueError, match="without words"):
        grouped_by_modality([3, 0, -2], 1, 1)


def test_parameter_groups(golden_eval: Path) -> None:
    data = read(golden_eval, "spatialgeo_optimizer_groups.json")
    model = nn.Module()
    for name in data["trainable"]:
        *path, leaf = name.split(".")
        owner = model
        for part in path:
            if part not in dict(owner.named_children()):
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        owner.register_parameter(leaf, nn.Parameter(torch.zeros(2)))
    model.norm = nn.LayerNorm(3)
    model.norm.requires_grad_(False)
    for rate, wanted in data["groups"].items():
        found = parameter_groups(model, 2e-4, 0.01, None if rate == "None" else float(rate))
        assert [(g["lr"], g["weight_decay"]) for g in found] == [
            (g["lr"], g["weight_decay"]) for g in wanted
        ]
        assert [g["names"] for g in found] == [g["params"] for g in wanted]
    assert "norm.weight" not in decaying_names(model)


def test_rates_over_the_steps(golden_eval: Path) -> None:
    for case in read(golden_eval, "lr_schedule.json"):
        optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=case["base_lr"])
        assert warmup_steps(case["total"], 0.03) == case["warmup_steps"]
        rates = schedule(optimizer, case["kind"], case["total"])
        for step in range(case["total"] + 1):
            if str(step) in case["lr_at"]:
                found = rates.get_last_lr()[0]
                assert found == pytest.approx(case["lr_at"][str(step)], rel=1e-9, abs=1e-15)
            optimizer.step()
            rates.step()


def test_order_of_data_sets(golden_eval: Path) -> None:
    data = read(golden_eval, "spatial_mllm_dataset_order.json")
    sets = {name: [f"{name}{k}" for k in range(size)] for name, size in data["sizes"].items()}
    for case in data["cases"]:
        assert ordered_items(case["dataset_use"], sets) == case["order"], case["dataset_use"]
    for wrong in ("", "a%0", "a%101", "a,,b"):
        with pytest.raises(BadRequestError, match="is no data set"):
            ordered_items(wrong, sets)
    with pytest.raises(BadRequestError, match="no data set 'd'; there are a, b, c"):
        ordered_items("d", sets)


@pytest.fixture
def qwen(golden_eval: Path, tmp_path: Path) -> LanguageTokenizer:
    from transformers import Qwen2Tokenizer

    data = read(golden_eval, "spatial_mllm_sft.json")
    vocabulary = golden_eval / "qwen_tiny_vocab.json"
    merges = (golden_eval / "qwen_tiny_merges.txt").read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split(" ")) for line in merges if line and not line.startswith("#version")]
    tokenizer = Qwen2Tokenizer(
        vocab=json.loads(vocabulary.read_text(encoding="utf-8")),
        merges=pairs,
        additional_special_tokens=data["special"],
    )
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in data["special"]} == data[
        "special_ids"
    ]
    return LanguageTokenizer(tokenizer)


def test_conversations_for_qwen(golden_eval: Path, qwen: LanguageTokenizer) -> None:
    data = read(golden_eval, "spatial_mllm_sft.json")
    samples = []
    for case in data["cases"]:
        sample = encode_qwen_conversation(
            case["conversation"], qwen, case["visual_tokens"], case["visual_type"]
        )
        assert list(sample.ids) == case["input_ids"], case["name"]
        assert list(sample.labels) == case["labels"], case["name"]
        samples.append(sample)
    wanted = data["collate"]
    places = [torch.arange(len(sample.ids)).expand(3, 1, -1) for sample in samples]
    batch = collate_qwen(samples, places, data["pad_token_id"], wanted["model_max_length"])
    assert batch.input_ids.tolist() == wanted["input_ids"]
    assert batch.labels.tolist() == wanted["labels"]
    assert batch.attention_mask.int().tolist() == wanted["attention_mask"]
    assert batch.position_ids.shape == torch.tensor(wanted["position_ids"]).shape


def test_positions_of_text_images_and_clips(golden_eval: Path) -> None:
    for case in read(golden_eval, "spatial_mllm_sft.json")["rope"]:
        parts: list[Any] = []
        for part in case["parts"]:
            # A picture stands between its opening and its closing token.
            parts += [part] if isinstance(part, int) else [1, tuple(part[1:]), 1]
        seconds = case["second_per_grid_ts"] or 1.0
        found = interleaved_positions(parts, 2.0 * seconds)[:, 0]
        if "position_ids" in case:
            assert found.tolist() == case["position_ids"]
            continue
        assert found.shape[1] == case["length"]
        assert found[:, :24].tolist() == case["first"]
        assert found[:, -16:].tolist() == case["last"]
        assert found.sum(1).tolist() == case["sums"]
        assert found.amax(1).tolist() == case["max"]


def test_frames_of_a_video(golden_eval: Path) -> None:
    data = read(golden_eval, "spatial_mllm_train_frames.json")
    for case in data["frames"]:
        found = training_frames(
            case["total_frames"], case["avg_fps"], least=case["min_frames"],
            most=case["max_frames"], interval=case["base_interval"],
            nominal_rate=case["nominal_fps"],
        )  # fmt: skip
        assert list(found.indices) == case["indices"]
        assert found.seconds_per_grid == pytest.approx(case["second_per_grid_ts"])
    for case in data["resize"]:
        budget = PixelBudget(case["min_pixels"], case["max_pixels"])
        assert list(resized_size(case["height"], case["width"], budget)) == case["out"]
    with pytest.raises(BadRequestError, match="has no frames"):
        training_frames(0, 30.0)


def test_rewards_of_completions(golden_eval: Path) -> None:
    data = read(golden_eval, "grpo_video_r1.json")
    for case in data["format"]:
        assert format_reward(case["text"]) == case["reward"], case["text"]
    for case in read(golden_eval, "spatial_mllm_grpo_reward.json")["cases"]:
        (found,) = group_rewards(case["problem_type"], case["solution"], [case["completion"]])
        assert found.format == case["format"]
        assert found.task == pytest.approx(case["task"], abs=1e-6)
        assert found.total == pytest.approx(case["total"], abs=1e-6)
    released = read(golden_eval, "spatial_mllm_v1_rewards.json")
    for case in released["levenshtein_ratio"]:
        assert similarity(case["a"], case["b"]) == pytest.approx(case["ratio"], abs=1e-6)
    for case in released["rewards"]:
        found = answer_reward(case["problem_type"], case["truth"], case["pred"])
        assert found == pytest.approx(case["reward"], abs=1e-6), case
    for case in released["clean"]:
        assert clean_answer(case["text"], collapse=False) == case["clean"]
    with pytest.raises(BadRequestError, match="type 'riddle'"):
        group_rewards("riddle", "a", ["a"])


def test_rewards_by_the_rules_of_video_r1(golden_eval: Path) -> None:
    pytest.importorskip("rouge_score", reason="needs the extra 'train'")
    cases = read(golden_eval, "grpo_video_r1.json")["accuracy"]
    for case in cases:
        kind, solution, said = case["problem_type"], case["solution"], case["completions"]
        found = [one.task for one in group_rewards(kind, solution, said, rules=VIDEO_R1)]
        assert found == pytest.approx(case["rewards"], abs=1e-6), kind
        if kind in (OCR, FREE_FORM):  # Spatial-MLLM's own rules have none for these
            assert [one.task for one in group_rewards(kind, solution, said)] == found
    assert {case["problem_type"] for case in cases} == set(KINDS)


def test_rewards_of_words_by_hand() -> None:
    # Of "a b c d": b is replaced, d is missing, e comes in.
    assert word_error_rate("a b c d", "a x c") == pytest.approx(2 / 4)
    assert word_error_rate("a b", "a b e") == pytest.approx(1 / 2)
    assert word_error_rate("", "a") == 1.0
    scored = video_r1_reward(OCR, "<answer>a b c d</answer>", "<answer> a x c </answer>")
    assert scored == pytest.approx(0.5)
    # Three times as many words as there should be: no reward below 0.
    assert video_r1_reward(OCR, "<answer>a</answer>", "<answer>b c d</answer>") == 0.0
    pytest.importorskip("rouge_score", reason="needs the extra 'train'")
    # Stems "two red chair" and "red chair": 2 of 3 and 2 of 2 words, 1 of 2 and 1 of 1 pairs.
    expected = (0.8 + 2 / 3 + 0.8) / 3
    assert rouge("two red chairs", "Red chair.") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("solution", "said", "reward"),
    [("3.5", "3.504", 1.0), ("3.5", "3.6", 0.0), ("4", "4.0", 0.0), ("1,200", "1200.0", 1.0),
     ("4", "four", 0.0)],
)  # fmt: skip
def test_numbers_by_the_rules_of_video_r1(solution: str, said: str, reward: float) -> None:
    given, truth = f"<answer>{said}</answer>", f"<answer>{solution}</answer>"
    assert video_r1_reward(NUMERICAL, truth, given) == reward
    with pytest.raises(BadRequestError, match="Video-R1 has no reward for problems of type 'verb"):
        video_r1_reward("verbal", truth, given)


def test_advantages_and_loss_of_a_group(golden_eval: Path) -> None:
    cases = read(golden_eval, "grpo_video_r1.json")["trainer"]
    for case in cases:
        tasks = [row[0] for row in case["rewards_per_func"]]
        bonus = length_bonus(tasks, case["lengths"])
        totals = [sum(row) + one for row, one in zip(case["rewards_per_func"], bonus, strict=True)]
        assert totals == pytest.approx(case["rewards_with_length"], abs=1e-6)
        advantages = group_advantages(torch.tensor(totals))
        assert advantages.tolist() == pytest.approx(case["advantages"], abs=1e-6)
        if "logps" not in case:
            continue
        logps, reference = torch.tensor(case["logps"]), torch.tensor(case["ref_logps"])
        mask = torch.tensor(case["mask"])
        apart = divergence(logps, reference)
        assert torch.allclose(apart, torch.tensor(case["kl"]), atol=1e-6)
        loss = policy_loss(logps, reference, advantages, mask)
        assert float(loss) == pytest.approx(case["loss"], abs=1e-5)
    assert sum("logps" in case for case in cases) == 3


def test_the_policy_moves_towards_what_is_rewarded() -> None:
    logits = torch.zeros(4, 1, 5, requires_grad=True)
    chosen = torch.tensor([0, 1, 2, 3])
    logps = logits.log_softmax(-1).gather(-1, chosen[:, None, None])[..., 0]
    advantages = group_advantages(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    policy_loss(logps, logps.detach(), advantages, torch.ones(4, 1)).backward()
    assert logits.grad is not None
    pushed = [-float(logits.grad[k, 0, k]) for k in range(4)]
    assert pushed[0] > 0 > max(pushed[1:])


def test_a_clipped_ratio_gains_nothing_more() -> None:
    logps = torch.tensor([[0.5]], requires_grad=True)
    old = torch.zeros(1, 1)
    policy_loss(
        logps, logps.detach(), torch.ones(1), torch.ones(1, 1), beta=0.0, old=old, clip=0.2
    ).backward()
    assert logps.grad is not None
    assert float(logps.grad) == 0.0
