# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The GPU benchmark runs, tiny, on the CPU: it is resumed, survives failures, and prints tables."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from bench import full_size, gpu, load_once, tiny
from bench.gpu_parts import language, loading
from bench.gpu_parts.context import Context
from bench.gpu_wanted import AIMS, wanted
from spatialgeo_ros.errors import CancelledError
from spatialgeo_ros.networks.interface import Question

CPU = torch.device("cpu")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that ``--tiny`` makes small for a process, restored for the next test."""
    for name in tiny.SMALL:
        monkeypatch.setattr(full_size, name, getattr(full_size, name))
    configs = full_size.moge_configs
    monkeypatch.setattr(configs, "V1_VITL", configs.V1_VITL)
    tiny.shrink(full_size)


def options(tmp_path: Path, *arguments: str) -> argparse.Namespace:
    return gpu.parse(
        ["--tiny", "--json", str(tmp_path / "gpu.json"), "--folder", str(tmp_path), *arguments]
    )


def load_here(
    profile: Path, arguments: list[str], environment: Mapping[str, str]
) -> dict[str, float]:
    """What another process would find, without its imports."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "SPATIALGEO_ENGINES"):
            patch.setenv(name, environment[name])
        return load_once.measure(profile, pack="--pack" in arguments)


NUMBERS: dict[str, Callable[[Mapping[str, float]], bool]] = {
    "copy": lambda n: n["copied"] > 0,
    "nf4_decoding": lambda n: n["direct"] > 0 and n["limit"] > 0,
    "nf4_questions": lambda n: (
        n["hits"] == n["asked"] and n["second"] < n["first"] and n["idle second"] < n["idle first"]
    ),
    "lanes": lambda n: n["tokens together"] > 0 and n["depths together"] > 0,
    "fp16_decoding": lambda n: n["direct"] > 0 and n["transformers"] > 0,
    "fp16_questions": lambda n: n["hits"] == n["asked"],
    "fp16_reference": lambda n: n["whole"] > 0,
    "depth": lambda n: len(n) == 3,
    "encoders": lambda n: len(n) == 4,
    "vggt": lambda n: len(n) == 2,
    "qwen_tower": lambda n: len(n) > 1,
    "rgpt_nf4": lambda n: n["hits"] == n["asked"] == 4 and n["rate"] > 0,
    "rgpt_bf16": lambda n: n["hits"] == n["asked"] == 4 and n["eager"] > 0,
    "mllm_nf4": lambda n: n["hits"] == 1 and n["rate"] > 0,
    "mllm_bf16": lambda n: n["hits"] == 1 and n["eager"] > 0,
    **dict.fromkeys(
        ("stage1", "stage2", "task_lora", "sft"), lambda n: n["seconds"] > 0 and n["passes"] == 2
    ),
    "loading": lambda n: n["packed GB"] > 0 and n["packed, from disk: seconds"] > 0,
}


@pytest.mark.slow
def test_every_part_runs_tiny_on_the_cpu(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("bitsandbytes")
    pytest.importorskip("sentencepiece")
    monkeypatch.setattr(loading, "_load", load_here)
    assert set(NUMBERS) == {part.name for part in gpu.PARTS}
    chosen = options(tmp_path)
    gpu.run_parts(chosen.names, gpu.Record(chosen.json), chosen)
    record = gpu.Record(chosen.json)
    for name, facts in record.parts.items():
        assert facts["state"] == gpu.DONE, f"{name}: {facts.get('error')}"
        assert NUMBERS[name](facts["outcome"]["numbers"]), (name, facts["outcome"]["numbers"])
        assert all(map(math.isfinite, facts["outcome"]["numbers"].values())), name
    text = gpu.render(record.content)
    assert text.count("###") == len(gpu.PARTS) and "Not measured" not in text
    for block in text.split("\n\n"):  # every table is one, with as many cells in each row
        lines = block.splitlines()
        if lines and lines[0].startswith("|"):
            assert len({line.count(" | ") for line in lines[2:]} | {lines[0].count(" | ")}) == 1


def fake_part(monkeypatch: pytest.MonkeyPatch, run: Callable[[Context], Any]) -> None:
    class Fake:
        only = staticmethod(run)
        other = staticmethod(lambda context: gpu_outcome(2.0))

    monkeypatch.setitem(sys.modules, "bench.gpu_parts.fake", Fake)
    parts = (gpu.Part("only", "one", "fake"), gpu.Part("other", "one", "fake"))
    monkeypatch.setattr(gpu, "PARTS", parts)
    monkeypatch.setattr(tiny, "SMALL", {})
    monkeypatch.setattr(tiny, "MOGE_1", {})


def gpu_outcome(value: float) -> dict[str, Any]:
    table = {"header": ["a"], "rows": [[str(value)]]}
    return {"title": "T", "numbers": {"a": value}, "tables": [table], "notes": []}


def test_a_part_that_fails_is_recorded_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(context: Context) -> Any:
        raise ValueError("no\nsuch thing")

    fake_part(monkeypatch, fails)
    chosen = options(tmp_path)
    gpu.run_parts(chosen.names, gpu.Record(chosen.json), chosen)
    record = gpu.Record(chosen.json)
    assert record.parts["only"]["state"] == gpu.FAILED
    assert record.parts["only"]["error"].startswith("ValueError: no (test_gpu.py:")
    assert record.parts["other"]["outcome"]["numbers"] == {"a": 2.0}
    assert "Not measured: ValueError: no" in gpu.render(record.content)
    # A failed part is measured again only where that is asked for.
    assert record.missing(chosen.names, again=False) == []
    assert record.missing(chosen.names, again=True) == ["only"]


def test_a_second_call_measures_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[str]] = []

    def child(batch: list[str], chosen: argparse.Namespace, end: float) -> str | None:
        batches.append(list(batch))
        record = gpu.Record(chosen.json)
        if len(batches) == 1:  # time is up in the middle of the second part
            record.note(batch[0], state=gpu.DONE, outcome=gpu_outcome(1.0), device="d", seconds=1.0)
            record.note(batch[1], state=gpu.RUNNING, started=0.0)
            return None
        assert batch[0] not in record.parts  # or its old start would end it at once
        record.note(batch[0], state=gpu.DONE, outcome=gpu_outcome(2.0), device="d", seconds=1.0)
        return "status 0"

    fake_part(monkeypatch, lambda context: gpu_outcome(0.0))
    monkeypatch.setattr(gpu, "_child", child)
    arguments = ["--tiny", "--json", str(tmp_path / "gpu.json")]
    gpu.main(arguments)
    assert json.loads((tmp_path / "gpu.json").read_text())["parts"]["other"]["state"] == "running"
    assert gpu.main(arguments) == 0
    assert batches == [["only", "other"], ["other"]]
    assert gpu.main(arguments) == 0 and len(batches) == 2
    assert gpu.main(["--json", str(tmp_path / "gpu.json")]) == 2  # other sizes: another file


def test_a_process_that_dies_or_hangs_costs_its_part_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = iter(["dies", "runs"])

    def child(batch: list[str], chosen: argparse.Namespace, end: float) -> str | None:
        record = gpu.Record(chosen.json)
        if next(ways) == "dies":
            record.note(batch[0], state=gpu.RUNNING, started=0.0)
            return "status -11"
        record.note(batch[0], state=gpu.DONE, outcome=gpu_outcome(2.0), device="d", seconds=1.0)
        return "status 0"

    fake_part(monkeypatch, lambda context: gpu_outcome(0.0))
    monkeypatch.setattr(gpu, "_child", child)
    assert gpu.main(["--tiny", "--json", str(tmp_path / "gpu.json")]) == 1
    parts = gpu.Record(tmp_path / "gpu.json").parts
    assert parts["only"]["error"] == "its process ended (status -11)"
    assert parts["other"]["state"] == gpu.DONE


def test_the_command_measures_in_a_process_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gpu.json"
    arguments = ["--tiny", "--only", "copy", "--json", str(file), "--seconds", "200"]
    assert gpu.main(arguments) == 0
    assert "| read and written by a copy |" in capsys.readouterr().out
    assert gpu.main(["--show", "--json", str(file)]) == 0
    assert "Not measured: nf4_questions" in capsys.readouterr().out


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu.parse(["--only", "copy,nothing"])
    assert "no part called nothing" in capsys.readouterr().err


def test_what_is_wanted_stands_beside_what_was_measured() -> None:
    def part(**numbers: float) -> dict[str, Any]:
        return {"state": gpu.DONE, "outcome": {"numbers": numbers}}

    parts = {
        "nf4_decoding": part(graph=156.0, times=4.2),
        "nf4_questions": part(
            first=0.073, second=0.0175, peak=5.84, **{"idle first": 0.07, "idle second": 0.0105}
        ),
        "fp16_reference": part(peak=14.6),
        "depth": part(
            **{"x: network alone": 5.29e-3, "x: depth call": 7.61e-3, "x: depth call, eager": 0.02}
        ),
    }
    text = wanted(parts)
    assert "| tokens a second, NF4 | >= 120 | 156 | yes |" in text
    assert "| times the loop of one launch a kernel, NF4 | >= 8 | 4.2 | **no** |" in text
    second = "first token of a second question over that of the first, NF4"
    assert f"| {second} | <= 0.2 | 0.15 | yes |" in text
    at_once = "the same, asked the moment an answer is broken off, NF4"
    assert f"| {at_once} | <= 0.2 | 0.24 | **no** |" in text
    assert "| that over the fp16 reference without reuse | <= 0.4 | 0.4 | yes |" in text
    assert "MoGe-2 S, 777 patches | >= 90 | 131 | yes |" in text
    assert "| a depth call over its network alone | <= 1.25 | 1.44 | **no** |" in text
    assert "| loading packed NF4 | <= 6 s | not measured |  |" in text
    assert wanted({}).count("not measured") == len(AIMS)


class Speaking:
    """Networks whose answers have no end, in the order in which things happen to them."""

    def __init__(self, happened: list[str]) -> None:
        self.happened = happened

    def describe(self) -> dict[str, Any]:
        return {"prefix_hits": self.happened.count("second")}

    def answer(self, seen: Any, question: Question) -> str:
        assert question.on_token is not None and question.cancelled is not None
        self.happened.append(question.text)
        while not question.cancelled():
            question.on_token("a")
        raise CancelledError("broken off")

    def release_intermediates(self, seen: Any) -> None:
        self.happened.append("released")


def test_questions_are_asked_at_once_and_of_an_idle_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left of one answer is no part of the next one's time; but both are told."""
    happened: list[str] = []
    context = Context(CPU, tiny=True)
    monkeypatch.setattr(Context, "synchronise", lambda self: happened.append("idle"))
    numbers, (header, rows), said = language.asked_twice(
        context, cast(Any, Speaking(happened)), (Question("first"), Question("second"))
    )
    assert happened == ["first", "second", "released"] * 2 + [
        "idle", "first", "idle", "second", "released",
    ] * 2  # fmt: skip
    assert numbers["hits"] == numbers["asked"] == 4 and "4 times in 4" in said
    assert {"first", "second", "idle first", "idle second"} < set(numbers)
    assert len(rows) == 4 and all(len(row) == len(header) for row in rows)


def test_a_part_knows_when_its_own_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would be ended with what it has measured: loading leaves out what does not fit."""
    ends: list[float] = []

    def only(context: Context) -> Any:
        ends.append(context.end - time.monotonic())
        return gpu_outcome(1.0)

    fake_part(monkeypatch, only)
    parts = (gpu.Part("only", "one", "fake", limit=30.0), gpu.Part("other", "one", "fake"))
    monkeypatch.setattr(gpu, "PARTS", parts)
    for seconds, expected in (("200", 30.0), ("20", 20.0)):
        chosen = options(tmp_path, "--seconds", seconds, "--only", "only")
        gpu.run_parts(chosen.names, gpu.Record(chosen.json), chosen)
        assert ends.pop() == pytest.approx(expected, abs=2.0)


class Asked(dict[str, Any]):
    """Remembers what it was asked for, and has nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, key: str) -> Any:
        self.names.append(key)
        raise KeyError(key)


def test_the_aims_name_numbers_that_the_parts_give() -> None:
    names = {part.name for part in gpu.PARTS}
    for aim in AIMS:
        asked = Asked()
        with pytest.raises(KeyError):
            aim.value(asked)
        assert set(asked.names) <= names, aim.what
