# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The commands of the pages are understood by what they call: parsers, launch files, interfaces."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import itertools
import re
import sys
from pathlib import Path
from typing import Any

import docs_text
import pytest
import yaml
from docs_text import PAGES, REPOSITORY, name_of

from spatialgeo_ros import cli

sys.path.insert(0, str(REPOSITORY / "tools" / "site"))
commands_page = importlib.import_module("commands_page")

DOCUMENTS = [page for page in PAGES if list(docs_text.command_lines(page))]
#: Words that stand for what a reader fills in.
ELLIPSIS = {"..."}


def understood(words: list[str]) -> str:
    """Let the command read its words; return what is wrong, "" for nothing."""
    try:
        commands_page.parse(cli.main, words)
    except SystemExit as end:
        return "" if end.code == 0 else f"status {end.code}"
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_spatialgeo_commands_parse(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for words in docs_text.command_lines(page):
        if words[:1] == ["spatialgeo"] and not ELLIPSIS & {*words}:
            problem = understood(words[1:])
            if problem:
                wrong.append((" ".join(words), problem, capsys.readouterr().err[-300:]))
    assert not wrong


def test_a_command_that_is_wrong_is_found() -> None:
    assert understood(["measure", "--from", "door", "--imgae", "a.png"])
    assert understood(["models", "downlod", "nano"])
    assert not understood(["models", "download", "nano"])
    assert not understood(["train", "spatialgeo", "stage2", "--help"])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_spatialgeo_commands_in_a_sentence_are_there(page: Path) -> None:
    """In prose commands are cut short; their words and options must exist all the same."""
    known: dict[str, set[str]] = {"": {"--verbose", "--help"}}
    for name, parser, _ in commands_page.parsers():
        known[name] = {o for action in parser._actions for o in action.option_strings} | {"--help"}
    wrong = []
    for code in re.findall(r"`spatialgeo ([a-z][^`\n]*)`", docs_text.prose(page)):
        words = code.split()
        if ELLIPSIS & {*words}:
            continue
        depth = next((n for n in (3, 2, 1) if " ".join(words[:n]) in known), 0)
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        # "evaluate a|b|c" and groups of commands ("train spatialgeo") name several
        group = any(name.startswith(f"{words[0]} ") for name in known)
        if not (depth or group) or (depth and options - known[" ".join(words[:depth])]):
            wrong.append(code)
    assert not wrong


def launch_arguments(file: str) -> set[str]:
    """Names of a launch file's arguments, read from its source: it needs no ROS."""
    text = (REPOSITORY / "launch" / file).read_text()
    found = set(re.findall(r'(?:DeclareLaunchArgument|switch)\(\s*"(\w+)"', text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in (
            "PARAMETERS",
            "CAMERA",
        ):
            found |= {key.value for key in node.value.keys}  # type: ignore[attr-defined]
    shared = (REPOSITORY / "spatialgeo_ros" / "node" / "launch_arguments.py").read_text()
    return found | set(re.findall(r'(?:DeclareLaunchArgument|switch)\(\s*"(\w+)"', shared))


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_launch_files_and_their_arguments_are_there(page: Path) -> None:
    wrong = []
    for words in docs_text.command_lines(page):
        if words[:3] == ["ros2", "launch", "spatialgeo_ros"]:
            arguments = launch_arguments(words[3])
            wrong += [w for w in words[4:] if ":=" in w and w.partition(":=")[0] not in arguments]
    assert not wrong


def test_arguments_of_launch_files_are_read() -> None:
    arguments = launch_arguments("spatialgeo.launch.py")
    assert {
        "namespace",
        "profile",
        "image_topic",
        "rviz",
        "log_level",
        "fastdds_profile",
    } <= arguments
    assert {"seed", "depth", "rviz"} <= launch_arguments("demo.launch.py")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_launch_arguments_in_a_sentence_are_there(page: Path) -> None:
    """``name:=value`` of ours; those of camera drivers stand in sentences about drivers."""
    ours = launch_arguments("spatialgeo.launch.py") | launch_arguments("demo.launch.py")
    parameters = {spec.name for spec in parameter_table().NODE_TABLE}
    drivers = {  # launch arguments of camera drivers
        "align_depth.enable", "align_depth", "enable_sync", "camera_name", "serial_no", "rs_compat",
        "publish_tf", "ros_params_override_path", "camera_model", "camera_namespace",
        "enable_depth", "depth_module.emitter_enabled",
    }  # fmt: skip
    named = re.findall(r"`(?:ros2 launch [^`]*?)?([a-z_.]+):=[^`]*`", docs_text.prose(page))
    assert not {*named} - ours - parameters - drivers - {"__ns"}


def parameter_table() -> Any:
    pytest.importorskip("rcl_interfaces", reason="needs ROS 2: run through `make test`")
    return importlib.import_module("spatialgeo_ros.node.parameter_table")


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_nodes_and_their_parameters_are_there(page: Path) -> None:
    table = parameter_table()
    names = {spec.name for spec in table.NODE_TABLE}
    wrong = []
    for words in docs_text.command_lines(page):
        if words[:3] == ["ros2", "run", "spatialgeo_ros"]:
            if not (REPOSITORY / "scripts" / words[3]).exists():
                wrong.append(words[3])
            wrong += [w for w in words[4:] if ":=" in w and w.partition(":=")[0] not in names]
        if words[:2] == ["ros2", "param"] and words[3:4] == ["/spatialgeo"]:
            wrong += [w for w in words[4:5] if w not in names]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_parameter_files_of_the_pages_hold_parameters_of_the_node(page: Path) -> None:
    table = parameter_table()
    for block in docs_text.blocks(page):
        if block.language != "yaml" or "ros__parameters" not in block.text:
            continue
        (given,) = [content["ros__parameters"] for content in yaml.safe_load(block.text).values()]
        specs = {spec.name: spec for spec in table.NODE_TABLE}
        cameras = given.get("cameras", ["camera"])
        for camera in cameras:
            specs |= {spec.name: spec for spec in table.camera_specs(camera)}
        flat = {}
        for name, value in given.items():
            flat |= (
                {f"{name}.{k}": v for k, v in value.items()}
                if isinstance(value, dict)
                else {name: value}
            )
        assert not {*flat} - {*specs}
        for name, value in flat.items():
            assert type(value) is type(specs[name].default), name
            specs[name].check(value)
            if specs[name].low is not None:
                assert specs[name].low <= value <= specs[name].high, name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_requests_fill_their_messages(page: Path) -> None:
    found = list(docs_text.requests(page))
    if not found:
        return
    pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
    for kind, name, fields in found:
        interface = getattr(importlib.import_module(f"spatialgeo_ros.{kind}"), name)
        message = (interface.Request if kind == "srv" else interface.Goal)()
        fill(message, yaml.safe_load(fields))


def fill(message: Any, fields: dict[str, Any]) -> None:
    """Set fields as ``ros2 service call`` does: unknown names and wrong types are refused."""
    for name, value in fields.items():
        held = getattr(message, name)
        if hasattr(held, "get_fields_and_field_types"):
            fill(held, value)
        else:
            setattr(message, name, type(held)(value) if isinstance(held, float) else value)


def test_the_requests_of_the_pages_are_seen() -> None:
    seen = {name for page in PAGES for _, name, _ in docs_text.requests(page)}
    assert {"AskSpatial", "MeasureDistance", "WatchDistance", "FindObjects", "RunQuery"} <= seen


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_modules_and_targets_are_there(page: Path) -> None:
    targets = re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    wrong = []
    for words in docs_text.command_lines(page):
        if words[0] == "make" and (named := [w for w in words[1:] if "=" not in w]):
            wrong += [w for w in named if w not in targets]
        if words[:2] == ["python", "-m"] and words[2].startswith(("bench", "spatialgeo_ros")):
            if importlib.util.find_spec(words[2]) is None:
                wrong.append(words[2])
            if words[2] == "bench" and not (REPOSITORY / "bench" / f"{words[3]}.py").exists():
                wrong.append(words[3])
    assert not wrong


def test_parameters_that_troubleshooting_names_are_there() -> None:
    """``name: value`` and ``camera.name: value`` in code are settings of the node."""
    table = parameter_table()
    names = {spec.name for spec in table.NODE_TABLE} | {
        spec.name for spec in table.camera_specs("camera")
    }
    plain = {name.removeprefix("camera.") for name in names}
    page = REPOSITORY / "docs" / "troubleshooting.md"
    said = re.findall(r"`((?:camera\.)?[a-z_]+): [\w.\[\]\", -]+`", page.read_text())
    others = {"message", "name", "answer", "error_message", "spatialgeo", "build_engines"}
    assert said and not {name for name in said if name not in names | plain | others}


def profiles() -> tuple[set[str], set[str]]:
    """Return the names of model profiles and of grounding profiles, kinds and words included."""
    config = REPOSITORY / "config"
    models = {path.stem for path in (config / "models").glob("*.yaml")} | {"none"}
    grounding = {path.stem for path in (config / "grounding").glob("*.yaml")}
    kinds = {
        str(yaml.safe_load(path.read_text()).get("detector", {}).get("kind"))
        for path in (config / "grounding").glob("*.yaml")
    }
    return models, grounding | kinds | {"none", "profile", "clip_patches"}


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_profiles_of_commands_are_there(page: Path) -> None:
    models, grounding = profiles()
    wrong = []
    for words in docs_text.command_lines(page):
        named = [(models, w.partition(":=")[2]) for w in words if w.startswith("profile:=")]
        named += [(grounding, w.partition(":=")[2]) for w in words if w.startswith("grounding:=")]
        if words[0] == "spatialgeo":
            after = dict(itertools.pairwise(words))
            own = models | grounding if words[1] == "engines" else models
            named += [(own, after["--profile"])] if "--profile" in after else []
            named += [(own | {"constant"}, after["--model"])] if "--model" in after else []
            named += [(grounding, after["--grounding"])] if "--grounding" in after else []
            if words[1] == "models" and words[3:4] and not words[3].startswith("-"):
                named.append((models | grounding, words[3]))
        # files, served models, and words in capitals that stand for a name
        wrong += [
            n for known, n in named if n not in known and not re.search(r"[/:.~]|^[A-Z]+$", n)
        ]
    assert not wrong


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_what_pip_shall_install_is_declared(page: Path) -> None:
    project = (REPOSITORY / "pyproject.toml").read_text()
    extras = set(
        re.findall(r"^([a-z0-9-]+) = \[", project.split("optional-dependencies]")[1], re.M)
    )
    wrong = []
    for words in docs_text.command_lines(page):
        if words[:2] != ["pip", "install"]:
            continue
        for package in words[2:]:
            if re.match(r"[^\w.]", package) or package.endswith((".txt", ".whl")):
                continue  # an option, a variable, a file
            name, _, extra = re.match(r"([\w.-]+)(\[([\w,-]+)\])?", package).groups()  # type: ignore[union-attr]
            wrong += [one for one in (extra or "").split(",") if one and one not in extras]
            if name not in (".", "spatialgeo_ros") and f'"{name}' not in project:
                wrong.append(name)
    assert not wrong


def test_topics_and_services_of_the_node_that_pages_name_are_there() -> None:
    """``~/name`` and ``/spatialgeo/name`` are names that the node's sources have."""
    literals = {
        node.value.removeprefix("~/")
        for path in (REPOSITORY / "spatialgeo_ros" / "node").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    named = {
        name
        for page in PAGES
        for name in re.findall(
            r"(?:`~/|(?:call|echo|send_goal)(?: --\w+)* /spatialgeo/)([a-z_0-9/]+)",
            page.read_text(),
        )
    }
    assert {"ask", "objects", "depth/image", "get_approach_pose"} <= named
    of_every_node = {"change_state", "get_state", "set_parameters", "get_type_description"}
    assert not named - literals - of_every_node - {"latency/"}
