# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training: losses are zero at the truth, runs resume exactly, the one command works end to end."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from spatialgeo_ros.models.clip import NANO_TEXT_CONFIG, NANO_VISION_CONFIG, Clip
from spatialgeo_ros.models.domain import NANO_DOMAIN_CONFIG, DomainClassifier
from spatialgeo_ros.models.moge.moge2 import NANO_CONFIG, MoGe2
from spatialgeo_ros.speech.tokenizer import build_nano_tokenizer
from spatialgeo_ros.training.answer_scores import by_family, constant_share, is_right, score_answers
from spatialgeo_ros.training.contrastive import CAPTION_WORDS, ContrastiveTask
from spatialgeo_ros.training.data import GeometryBatch, augment
from spatialgeo_ros.training.depth_network import NANO_TOKENS, geometry_loss
from spatialgeo_ros.training.detector import command as detector_command
from spatialgeo_ros.training.domain import step_loss
from spatialgeo_ros.training.loop import Schedule, train
from spatialgeo_ros.training.nano import main as train_command
from spatialgeo_ros.training.nano import update_profile
from spatialgeo_ros.training.questions import QA
from spatialgeo_ros.training.room_views import HEIGHTS

SCHEDULE = Schedule(steps=8, batch=4, rate=0.05, evaluate_every=4)


def _regression(folder, steps_at_once):
    """Train a line through noisy points, ``steps_at_once`` steps per call; return its weights."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]])

    class Stopped(Exception):
        pass

    def run(limit):
        taken = 0

        def step(indices, rng):
            nonlocal taken
            if taken == limit:
                raise Stopped
            taken += 1
            noise = torch.from_numpy(rng.standard_normal((len(indices), 1))).float() * 0.01
            loss = (model(x[indices]) - y[indices] - noise).square().mean()
            return loss, {"square": float(loss.detach())}

        try:
            train(model, len(x), step, lambda: {"bias": model.bias.item()}, folder, SCHEDULE)
        except Stopped:
            return False
        return True

    while not run(steps_at_once):
        with torch.no_grad():  # whatever is in memory is lost; the checkpoint counts
            model.weight.zero_()
    return model.weight.detach().clone()


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    unbroken = _regression(tmp_path / "a", 100)
    resumed = _regression(tmp_path / "b", 6)  # stops two steps after the checkpoint of step 4
    torch.testing.assert_close(unbroken, resumed)
    lines = [json.loads(line) for line in (tmp_path / "b" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 8]
    assert lines[-1]["samples"] == 32


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    model = nn.Linear(1, 1)

    def step(indices, rng):
        return model.weight.sum() * float("nan"), {}

    with pytest.raises(FloatingPointError, match="step 0"):
        train(model, 4, step, dict, tmp_path / "run", SCHEDULE)


def test_the_learning_rate_warms_up_and_ends_low():
    schedule = Schedule(steps=1000, batch=1, rate=1.0)
    rates = [schedule.rate_at(step) for step in range(1000)]
    assert rates[0] < 0.1
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[-1] == pytest.approx(0.01, abs=0.001)
    assert all(a >= b for a, b in zip(rates[30:], rates[31:], strict=False))


def _batch(rng):
    points = torch.from_numpy(rng.uniform(1, 4, (2, 48, 64, 3))).float()
    valid = torch.ones(2, 48, 64, dtype=torch.bool)
    valid[0, :5] = False
    return GeometryBatch(torch.zeros(2, 3, 96, 128), torch.zeros(2, 4, 96, 128), points, valid,
                         torch.zeros_like(valid))  # fmt: skip


def test_geometry_loss_is_zero_at_the_truth_and_ignores_invalid_pixels():
    batch = _batch(np.random.default_rng(0))
    valid = batch.valid.float()
    log_scale = (batch.points[..., 2].log() * valid).sum((1, 2)) / valid.sum((1, 2))
    scale = log_scale.exp()
    out = {
        "points": batch.points / scale[:, None, None, None],
        "metric_scale": scale,
        "mask_logits": torch.where(batch.valid, 30.0, -30.0),
    }
    out["points"][0, :5] = 100.0
    loss, parts = geometry_loss(out, batch)
    assert float(loss) == pytest.approx(0.0, abs=1e-4)
    wrong, parts = geometry_loss({**out, "metric_scale": scale * 1.2}, batch)
    assert parts["scale"] == pytest.approx(np.log(1.2), abs=1e-4)
    assert float(wrong) > float(loss)


def test_augmentation_keeps_the_range_and_the_look():
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    varied = augment(image, np.random.default_rng(1))
    assert varied.dtype == np.float32
    assert 0 <= varied.min() and varied.max() <= 1
    assert np.corrcoef(varied.ravel(), image.ravel())[0, 1] > 0.9


def _metres(value, answer):
    return QA("distance", "value", "how far ?", f"{value} meters", (0, 1), value=value), answer


def test_scoring_follows_the_benchmark():
    assert is_right(*_metres(2.0, "2.5 meters"))
    assert not is_right(*_metres(2.0, "2.6 meters"))
    assert not is_right(*_metres(2.0, "the table"))
    clock = QA("direction", "value", "where ?", "12 o'clock", (0, 1), value=12.0)
    assert is_right(clock, "1 o'clock") and not is_right(clock, "2 o'clock")
    word = QA("left_right", "choice", "left or right ?", "left", (0, 1), choice="left")
    results = [_metres(2.0, "2.0 meters"), _metres(9.0, "1.0 meters"), (clock, "11 o'clock"),
               (word, "right")]  # fmt: skip
    scores = score_answers(results)
    assert (scores["metres"], scores["hours"], scores["words"]) == (0.5, 1.0, 0.0)
    assert scores["words_constant"] == 1.0
    assert by_family(results)["distance"] == (2, 0.5, 0.5)


def test_the_best_constant_answer_is_found():
    questions = [_metres(value, "")[0] for value in (1.0, 1.1, 1.2, 5.0)]
    assert constant_share(questions) == 0.75


def test_profile_hashes_are_replaced_in_place(tmp_path):
    profile = tmp_path / "nano.yaml"
    profile.write_text(
        'geometry:\n  weights: weights/nano/geometry.safetensors\n  sha256: ""\n'
        'language:\n  adapter_weights: weights/nano/adapter.safetensors\n  adapter_sha256: "0f"\n'
    )
    update_profile(profile, {"geometry.safetensors": "ab", "adapter.safetensors": "cd"})
    text = profile.read_text()
    assert '  sha256: "ab"\n' in text and '  adapter_sha256: "cd"\n' in text
    with pytest.raises(ValueError, match=r"no sha256 line after clip\.safetensors"):
        update_profile(profile, {"clip.safetensors": "ef"})


def test_one_command_trains_exports_and_goes_on(tmp_path, capsys):
    pytest.importorskip("mujoco", reason="MuJoCo is not installed")
    from spatialgeo_ros.models.files.weights import read_weights
    from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer
    from spatialgeo_ros.sim.room import make_room

    try:
        RoomRenderer(make_room(1), 64, 48, samples=0).close()
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    arguments = ["--folder", str(tmp_path), "--factor", "0.001", "--threads", "1", "--workers", "1"]
    weights = tmp_path / "weights" / "clip.safetensors"
    threads = torch.get_num_threads()
    try:
        assert train_command(arguments) == 0
        assert capsys.readouterr().out.count(".safetensors") == 5
        before, _ = read_weights(weights)
        logs = {log: log.read_text() for log in sorted(tmp_path.rglob("log.jsonl"))}
        assert train_command(arguments) == 0  # nothing is left to do
        alone = tmp_path / "alone"
        assert train_command([*arguments, "--only", "domain", "--output", str(alone)]) == 0
        assert [file.name for file in alone.iterdir()] == ["domain.safetensors"]
    finally:
        torch.set_num_threads(threads)
    state, metadata = read_weights(weights)
    torch.testing.assert_close(state, before)
    assert all(log.read_text() == text for log, text in logs.items())
    assert metadata["config"]["vision"]["patch_size"] == 16
    assert state["visual_projection.weight"].dtype == torch.float16
    assert {str(log.parent.relative_to(tmp_path)) for log in logs} == {
        "geometry",
        "clip",
        "language/base",
        "language/stage1",
        "language/stage2",
        "domain",
    }


@pytest.fixture
def elsewhere(monkeypatch):
    """A device other than the CPU that every machine has; its numbers are read as 0."""
    for name, value in (("__float__", 0.0), ("__bool__", False), ("item", 0)):
        monkeypatch.setattr(torch.Tensor, name, lambda self, value=value: value)
    return torch.device("meta")


def test_batches_go_to_the_network_s_device(elsewhere):
    """What is left on the CPU would be mixed with what is not: PyTorch refuses that."""
    rng = np.random.default_rng(0)
    batch = _batch(rng).to(elsewhere)
    model = MoGe2(**NANO_CONFIG).to(elsewhere)
    out = model(batch.image, NANO_TOKENS, batch.prior, upsample=False)
    loss, _ = geometry_loss(out, batch)
    assert loss.device == elsewhere
    pools = {height: np.zeros((3, height, 128, 3), np.uint8) for height in HEIGHTS}
    domain = DomainClassifier(**NANO_DOMAIN_CONFIG).to(elsewhere)
    assert step_loss(domain, pools, pools, 2, rng).device == elsewhere
    tokenizer = build_nano_tokenizer(CAPTION_WORDS)
    clip = Clip(NANO_VISION_CONFIG, {**NANO_TEXT_CONFIG, "vocab_size": len(tokenizer)})
    store = SimpleNamespace(seen=lambda frame, share: [], image=np.zeros((4, 96, 128, 3), np.uint8))
    task = ContrastiveTask(store, tokenizer, elsewhere)
    loss, _ = task.loss(clip.to(elsewhere), np.arange(2), rng)
    assert loss.device == elsewhere


@pytest.mark.parametrize("command", [train_command, detector_command.main])
def test_a_device_that_is_not_there_is_named(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments = ["--folder", str(tmp_path), "--device", "cuda"]
    if command is detector_command.main:
        arguments += ["--steps", "1"]
    with pytest.raises(SystemExit) as ended:
        command(arguments)
    assert ended.value.code == 1
    assert "PyTorch sees no CUDA GPU" in capsys.readouterr().err
