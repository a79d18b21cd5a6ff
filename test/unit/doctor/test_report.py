# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exit status, JSON and lines of a report; the command's options."""

from __future__ import annotations

import json

import pytest

from spatialgeo_ros.cli import main
from spatialgeo_ros.doctor import examination
from spatialgeo_ros.doctor.report import Report
from spatialgeo_ros.findings.catalogue import CATALOGUE
from spatialgeo_ros.findings.finding import Finding, Level

WARNING = Finding("depth-unit", "the unit\nis wrong", {"camera.depth_scale": 0.001})
ERROR = Finding("image-missing", "nobody publishes it")
NOTE = Finding("node-absent", "no node")


def report(*findings: Finding) -> Report:
    made = Report()
    made.add("camera camera", *findings)
    return made


@pytest.mark.parametrize(
    ("findings", "status"),
    [((), 0), ((NOTE,), 0), ((NOTE, WARNING), 3), ((WARNING, ERROR), 4)],
)
def test_the_exit_status_is_that_of_the_worst(findings, status):
    assert report(*findings).exit_status == status


def test_one_of_each_name_and_part_is_kept():
    made = report(ERROR, Finding("image-missing", "again"), None)
    made.add("camera rear", ERROR)
    assert [(one.subject, one.finding) for one in made.found] == [
        ("camera camera", ERROR),
        ("camera rear", ERROR),
    ]
    assert made.ids("camera rear") == {"image-missing"}
    assert report(NOTE).ids() == set()
    assert report(NOTE).ids(least=Level.OK) == {"node-absent"}


def test_json_says_what_and_the_cure():
    content = json.loads(report(WARNING, ERROR).to_json())
    error, warning = content["findings"]
    assert content["worst"] == "error"
    assert (error["id"], error["level"]) == ("image-missing", "error")
    assert error["cure"] == CATALOGUE["image-missing"].cure
    assert warning["settings"] == {"camera.depth_scale": 0.001}
    assert "-p camera.depth_scale:=0.001" in warning["cure"]
    assert warning["page"] == "docs/doctor_findings.md#depth-unit"
    assert "\n" not in warning["what"], "what came from outside stays on its line"


def test_lines_are_worst_first():
    lines = list(report(NOTE, WARNING, ERROR).lines())
    order = [line.split()[0] for line in lines if line[:5].strip() in ("OK", "WARN", "ERROR")]
    assert order == ["ERROR", "WARN", "OK"]
    assert lines[-1].startswith("1 errors, 1 warnings")
    assert list(report(NOTE).lines())[-1].startswith("healthy")


def test_options_become_parameters(monkeypatch, capsys):
    seen = {}

    def examined(options, longest):
        seen.update(options=options, longest=longest)
        return report(WARNING, ERROR)

    monkeypatch.setattr(examination, "examine", examined)
    arguments = ["--image-topic", "/a/image", "--depth-topic", "none", "--profile", "nano"]
    status = main(
        ["doctor", *arguments, "-p", "front.depth_scale:=0.5", "--json", "--only", "depth-unit"]
    )
    assert status == 3, "only what was asked for counts"
    assert seen["options"].settings == {
        "camera.image_topic": "/a/image",
        "camera.depth_topic": "",
        "cameras": ["camera"],
        "profile": "nano",
        "front.depth_scale": 0.5,
    }
    assert not seen["options"].machine
    assert seen["longest"] < 15
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["id"] == "depth-unit"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "nosuch"],
        ["--explain", "nosuch"],
        ["-p", "no value"],
        ["-p", "x:=[1"],
        ["--seconds", "99"],
    ],
)
def test_wrong_use_is_said(arguments, capsys):
    assert main(["doctor", *arguments]) == 1
    assert capsys.readouterr().err.startswith("spatialgeo: ")


def test_every_finding_is_listed_and_explained(capsys):
    assert main(["doctor", "--list"]) == 0
    listed = capsys.readouterr().out
    for id, entry in CATALOGUE.items():
        assert f"  {id} " in listed
        assert main(["doctor", "--explain", id]) == 0
        assert entry.cure in capsys.readouterr().out
