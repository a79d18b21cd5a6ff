# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The committed SROS 2 policy is what the running node does in the graph."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from system.conftest import Robot

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.node.security_policy import access_of, policy_xml, settled_access

REPOSITORY = Path(__file__).parents[2]
POLICY = REPOSITORY / "config" / "sros2" / "spatialgeo.policy.xml"
PARAMETERS = {"use_sim_time": True}
TF = {"/tf", "/tf_static"}  # heard where tf2_ros is installed
# Services that rclpy has from Jazzy on.
NOT_IN_HUMBLE = {("services", "reply", "~/get_type_description")}

Rule = tuple[str, str, str]


def rules(profile: ElementTree.Element) -> set[Rule]:
    """Element, right and name of each rule of a profile."""
    found = set()
    for group in profile:
        (right, qualifier), *more = group.attrib.items()
        assert qualifier == "ALLOW" and not more
        found |= {(group.tag, right, str(entry.text)) for entry in group}
    return found


def profile(text: str) -> ElementTree.Element:
    found = ElementTree.fromstring(text).findall("enclaves/enclave/profiles/profile")
    assert len(found) == 1
    return found[0]


def test_the_committed_policy_is_what_the_node_does(robot: Robot) -> None:
    access = settled_access(robot.ros.node, robot.name("")[:-1], 30.0, TF)
    running = rules(profile(policy_xml([access])))
    committed = profile(POLICY.read_text())
    assert (committed.get("ns"), committed.get("node")) == ("/", "spatialgeo")
    expected = rules(committed)
    missing = {rule for rule in expected - running if rule not in NOT_IN_HUMBLE}
    update = "ros2 run spatialgeo_ros security_policy --out config/sros2/spatialgeo.policy.xml"
    assert not (running - expected), f"the node does more than its policy: {update}"
    assert not missing, f"the policy allows more than the node does: {update}"


def test_every_interface_of_the_node_is_in_the_policy() -> None:
    """By the documentation, which the graph knows nothing of."""
    allowed = {name for _, _, name in rules(profile(POLICY.read_text()))}
    for name in (
        "~/ask", "~/measure_distance", "~/watch_distance", "~/find_objects", "~/run_query",
        "~/get_approach_pose", "~/save_objects", "~/load_objects", "~/ask_action", "~/answers",
        "~/distances", "~/objects", "~/points", "~/overlay", "~/change_state", "camera/image_raw",
        "camera/camera_info", "camera/depth/image_raw", "/diagnostics", "odom", "/tf", "/clock",
    ):  # fmt: skip
        assert name in allowed, name
    assert not [name for name in allowed if "_action/" in name]


def test_a_client_may_ask_and_no_more(robot: Robot) -> None:
    """The rights of the other side: requests and calls, under their own names."""
    from spatialgeo_ros.srv import AskSpatial

    client = robot.ros.node.create_client(AskSpatial, robot.name("ask"))
    try:
        name = robot.ros.node.get_fully_qualified_name()
        found = rules(profile(policy_xml([settled_access(robot.ros.node, name, 30.0)])))
        assert ("services", "request", "spatialgeo/ask") in found
        assert not [rule for rule in found if rule[:2] == ("actions", "execute")]
    finally:
        robot.ros.node.destroy_client(client)


def test_nodes_can_share_an_enclave(robot: Robot) -> None:
    accesses = [
        access_of(robot.ros.node, name)
        for name in (robot.name("")[:-1], robot.ros.node.get_fully_qualified_name())
    ]
    shared = ElementTree.fromstring(policy_xml(accesses, "/robot"))
    assert [e.get("path") for e in shared.iter("enclave")] == ["/robot"]
    assert len(shared.findall("enclaves/enclave/profiles/profile")) == 2
    own = ElementTree.fromstring(policy_xml(accesses))
    assert [e.get("path") for e in own.iter("enclave")] == [a.full_name for a in accesses]


def test_a_node_that_is_not_there_is_named(robot: Robot) -> None:
    with pytest.raises(BadRequestError, match="no node '/nobody' within 0.5 s"):
        settled_access(robot.ros.node, "/nobody", 0.5)


def test_connections_that_keep_changing_are_no_policy(robot: Robot, monkeypatch: Any) -> None:
    from spatialgeo_ros.node import security_policy

    numbers = iter(range(1000))
    monkeypatch.setattr(
        security_policy,
        "access_of",
        lambda *_: security_policy.Access(
            "n", "/", {("topics", "publish"): frozenset({str(next(numbers))})}
        ),
    )
    with pytest.raises(BadRequestError, match="kept changing"):
        settled_access(robot.ros.node, "/n", 1.5)


def test_the_command_writes_the_policy(robot: Robot, tmp_path: Path) -> None:
    out = tmp_path / "policy.xml"
    command = [sys.executable, str(REPOSITORY / "scripts" / "security_policy")]
    command += [robot.name("")[:-1], "--out", str(out), "--subscribe", *sorted(TF)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert rules(profile(out.read_text())) <= rules(profile(POLICY.read_text()))


def test_the_command_says_what_is_missing_in_one_line() -> None:
    command = [sys.executable, str(REPOSITORY / "scripts" / "security_policy")]
    command += ["/nobody", "--timeout", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    # Another middleware may have its own warnings.
    assert [line for line in done.stderr.splitlines() if not line.startswith("[")] == [
        "security_policy: no node '/nobody' within 0.5 s: start it, in the same ROS_DOMAIN_ID"
    ]
