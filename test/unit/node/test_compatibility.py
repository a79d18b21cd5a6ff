# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each difference between the ROS 2 distributions, faked, and the code that meets it."""

from __future__ import annotations

import array
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.node import compatibility
from spatialgeo_ros.node.image_conversions import (
    compressed_depth_to_array,
    compressed_to_rgb,
    depth_to_array,
    image_to_mask,
    image_to_rgb,
)


def module(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    """Put a module in the place of whatever has this name."""
    made = ModuleType(name)
    vars(made).update(content)
    monkeypatch.setitem(sys.modules, name, made)


class Events:
    """A ``SubscriptionEventCallbacks``."""

    def __init__(self, **callbacks: Any) -> None:
        self.callbacks = callbacks


@pytest.mark.parametrize(
    ("there", "missing"),
    [("rclpy.qos_event", "rclpy.event_handler"), ("rclpy.event_handler", "rclpy.qos_event")],
    ids=["humble", "iron and later"],
)
def test_events_come_from_the_module_that_has_them(monkeypatch, there, missing):
    monkeypatch.setitem(sys.modules, "rclpy", ModuleType("rclpy"))
    module(monkeypatch, there, SubscriptionEventCallbacks=Events)
    monkeypatch.setitem(sys.modules, missing, None)
    made = compatibility.subscription_event_callbacks(incompatible_qos=print)
    assert made.callbacks == {"incompatible_qos": print}


def test_the_new_module_of_events_is_preferred(monkeypatch):
    """In Jazzy the old one is still there, and warns."""
    monkeypatch.setitem(sys.modules, "rclpy", ModuleType("rclpy"))
    module(monkeypatch, "rclpy.event_handler", SubscriptionEventCallbacks=Events)
    module(monkeypatch, "rclpy.qos_event", SubscriptionEventCallbacks=None)
    assert isinstance(compatibility.subscription_event_callbacks(), Events)


class HumbleNode:
    """Has one callback, before the change."""

    def __init__(self) -> None:
        self.checks: list[Any] = []

    def add_on_set_parameters_callback(self, callback: Any) -> None:
        self.checks.append(callback)

    def set(self, changes: list[str]) -> bool:
        return all(check(changes).successful for check in self.checks)


class JazzyNode(HumbleNode):
    """Has another callback, after the change."""

    def __init__(self) -> None:
        super().__init__()
        self.followers: list[Any] = []

    def add_post_set_parameters_callback(self, callback: Any) -> None:
        self.followers.append(callback)

    def set(self, changes: list[str]) -> bool:
        if super().set(changes):
            for follow in self.followers:
                follow(changes)
            return True
        return False


@pytest.mark.parametrize("kind", [HumbleNode, JazzyNode])
def test_parameters_are_followed_once_and_only_when_accepted(kind):
    node, updates = kind(), []
    compatibility.follow_parameters(
        node, lambda changes: SimpleNamespace(successful="bad" not in changes), updates.append
    )
    assert node.set(["good"]) and updates == [["good"]]
    assert not node.set(["bad"]) and updates == [["good"]]


class HumbleMessage:
    """Takes an array over whatever it is asked."""

    __slots__ = ("_data",)


class JazzyMessage:
    """Has a switch for the checks of its fields."""

    __slots__ = ("_check_fields", "_data")

    def __init__(self, check_fields: bool | None = None) -> None:
        self._check_fields = check_fields


def test_a_message_is_made_with_its_checks_where_it_has_any():
    assert isinstance(compatibility.message_that_takes_over(HumbleMessage), HumbleMessage)
    assert compatibility.message_that_takes_over(JazzyMessage)._check_fields is True


def test_the_messages_of_this_distribution_take_an_array_over():
    image = pytest.importorskip("sensor_msgs.msg", reason="needs ROS 2").Image
    data = array.array("B", bytes(12))
    message = compatibility.message_that_takes_over(image)
    message.data = data
    assert message.data is data


def test_subscriptions_ask_for_main_memory_where_there_is_a_choice():
    def lyrical(kind, topic, callback, qos, *, acceptable_buffer_backends=None): ...

    def jazzy(kind, topic, callback, qos, *, raw=False): ...

    wanted = {"acceptable_buffer_backends": "cpu"}
    options = compatibility.subscription_options
    assert options(SimpleNamespace(create_subscription=lyrical)) == wanted
    assert options(SimpleNamespace(create_subscription=jazzy)) == {}


class DeviceBuffer:
    """A ``rosidl_buffer.Buffer``: no buffer protocol, a length, and a way to copy it."""

    backend_type = "cuda"

    def __init__(self, values: Any, failure: str = "") -> None:
        self._values, self._failure = bytes(values), failure

    def __len__(self) -> int:
        return len(self._values)

    def to_array(self) -> array.array[int]:
        if self._failure:
            raise RuntimeError(self._failure)
        return array.array("B", self._values)


def image(encoding: str, data: Any, step: int) -> SimpleNamespace:
    return SimpleNamespace(
        encoding=encoding, width=2, height=2, step=step, is_bigendian=0, data=data
    )


@pytest.mark.parametrize(
    ("convert", "encoding", "step"),
    [(image_to_rgb, "rgb8", 6), (depth_to_array, "16UC1", 4), (image_to_mask, "mono8", 2)],
)
def test_an_image_in_another_memory_has_the_same_pixels(convert, encoding, step):
    values = bytes(range(2 * step))
    here = convert(image(encoding, array.array("B", values), step))
    there = convert(image(encoding, DeviceBuffer(values), step))
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (image_to_rgb, image("rgb8", DeviceBuffer(bytes(12), "no such plugin"), 6)),
        (depth_to_array, image("16UC1", DeviceBuffer(bytes(8), "no such plugin"), 4)),
        (
            compressed_to_rgb,
            SimpleNamespace(format="jpeg", data=DeviceBuffer(bytes(8), "no such plugin")),
        ),
        (
            compressed_depth_to_array,
            SimpleNamespace(
                format="16UC1; compressedDepth", data=DeviceBuffer(b"", "no such plugin")
            ),
        ),
    ],
)
def test_bytes_that_cannot_be_read_are_refused_with_the_cure(convert, message):
    with pytest.raises(BadImageError, match="cuda.*no such plugin.*cpu backend"):
        convert(message)


def test_every_other_kind_of_bytes_is_read():
    for data in (array.array("B", b"\1\2"), b"\1\2", bytearray(b"\1\2"), [1, 2], (1, 2)):
        assert compatibility.bytes_of(data, "test").tolist() == [1, 2]
    whole = np.array([1, 2], np.uint8)
    assert np.shares_memory(compatibility.bytes_of(whole, "test"), whole)


def test_boxes_and_classes_are_read_in_the_layouts_of_three_releases():
    old = SimpleNamespace(center=SimpleNamespace(x=3.0, y=4.0, theta=0.0))
    new = SimpleNamespace(center=SimpleNamespace(position=SimpleNamespace(x=3.0, y=4.0), theta=0.0))
    assert compatibility.box_centre(old) == compatibility.box_centre(new) == (3.0, 4.0)
    foxy = SimpleNamespace(id="cup", score=0.5)
    later = SimpleNamespace(hypothesis=SimpleNamespace(class_id="cup", score=0.5), pose=None)
    assert compatibility.hypothesis(foxy) == compatibility.hypothesis(later) == ("cup", 0.5)


TWO, THREE = compatibility.FAST_DDS_PROFILES


@pytest.mark.parametrize(
    ("loaded", "installed", "expected"),
    [
        ("libfastrtps.so.2.14.5", "", (TWO,)),
        ("libfastdds.so.3.2.2", "", (THREE,)),
        ("libfastdds.so.3.2.2", "libfastrtps.so", (THREE,)),
        ("libddsc.so.0", "", (TWO, THREE)),
        ("libpython3.so", "libfastrtps.so", (TWO,)),
        ("libpython3.so", "libfastdds.so", (THREE,)),
        (None, "libfastdds.so", (THREE,)),
        (None, "", (TWO, THREE)),
    ],
)
def test_a_profile_is_named_by_the_variable_that_is_read(tmp_path, loaded, installed, expected):
    maps = tmp_path / "maps"
    if loaded is not None:
        maps.write_text(f"7f00-7f01 r-xp 00000000 08:01 1 /opt/ros/lib/{loaded}\n")
    if installed:
        (tmp_path / installed).touch()
    environment = {"LD_LIBRARY_PATH": f"/nowhere::{tmp_path}"}
    assert compatibility.fast_dds_profile_variables(maps, environment) == expected


def test_a_profile_under_the_name_of_the_other_fast_dds_is_no_profile(monkeypatch):
    """A user of Kilted who exported Jazzy's variable has none, and is told the right name."""
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
    pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
    from spatialgeo_ros.node import stream_findings

    monkeypatch.setattr(rclpy, "get_rmw_implementation_identifier", lambda: "rmw_fastrtps_cpp")
    monkeypatch.setattr(stream_findings, "fast_dds_profile_variables", lambda: (THREE,))
    monkeypatch.setenv(TWO, "/etc/fastdds.xml")
    monkeypatch.delenv(THREE, raising=False)
    assert f"{THREE} set to" in stream_findings.loss_cure()
    assert TWO not in stream_findings.loss_cure()
    monkeypatch.setenv(THREE, "/etc/fastdds.xml")
    assert "a Fast DDS profile is set here" in stream_findings.loss_cure()


def test_nodes_are_kept_on_this_machine_in_every_distribution():
    for distribution, expected in (("humble", "1"), ("jazzy", None), (None, None)):
        environment = {} if distribution is None else {"ROS_DISTRO": distribution}
        compatibility.keep_on_this_machine(environment)
        assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
        assert environment.get("ROS_LOCALHOST_ONLY") == expected
