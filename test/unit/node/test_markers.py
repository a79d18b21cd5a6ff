# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from geometry_msgs.msg import Point
from spatialgeo_ros.msg import DistanceEstimate
from visualization_msgs.msg import Marker

from spatialgeo_ros.node.markers import MarkerBoard, caption


def estimate(valid: bool = True, stamp: int = 7) -> DistanceEstimate:
    message = DistanceEstimate(distance=1.239, std_dev=0.021, valid=valid)
    message.to_point = Point(x=0.0, y=0.0, z=1.239)
    message.header.stamp.sec, message.header.frame_id = stamp, "optical"
    return message


def keys(array: Any, action: int) -> set[tuple[str, int]]:
    return {(m.ns, m.id) for m in array.markers if m.action == action}


def test_line_ends_and_text_in_the_source_frame():
    array = MarkerBoard().show("request", [estimate()], 2.5)
    line, ends, text = array.markers
    assert (line.type, ends.type, text.type) == (
        Marker.LINE_STRIP,
        Marker.SPHERE_LIST,
        Marker.TEXT_VIEW_FACING,
    )
    assert text.text == "1.24 \u00b1 0.02 m"
    assert [p.z for p in line.points] == [0.0, 1.239]
    for marker in array.markers:
        assert marker.header.stamp.sec == 7
        assert not marker.frame_locked, "a length stays where the camera was at its stamp"
        assert marker.header.frame_id == "optical"
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (2, 500_000_000)
        assert marker.pose.orientation.w == 1.0
        assert marker.color.a > 0


def test_ids_are_stable_and_stale_ones_are_deleted():
    board = MarkerBoard()
    both = keys(board.show("w", [estimate(), estimate()], 1.0), Marker.ADD)
    assert len(both) == 6
    again = board.show("w", [estimate(), estimate(valid=False)], 1.0)
    assert keys(again, Marker.ADD) | keys(again, Marker.DELETE) == both
    assert len(keys(again, Marker.DELETE)) == 3
    assert keys(board.show("w", [], 1.0), Marker.DELETE) == keys(again, Marker.ADD)


def test_clear_deletes_what_is_shown_once():
    board = MarkerBoard()
    first = keys(board.show("a", [estimate()], 1.0), Marker.ADD)
    second = keys(board.show("b", [estimate()], 1.0), Marker.ADD)
    assert keys(board.clear("a"), Marker.DELETE) == first
    assert keys(board.clear(), Marker.DELETE) == second
    assert not board.clear().markers
    assert not board.clear("never shown").markers


def test_deletions_have_the_frame_of_what_they_delete():
    board = MarkerBoard()
    board.show("a", [estimate(), estimate()], 1.0)
    board.show("b", [estimate()], 1.0)
    for array in (
        board.show("a", [estimate()], 1.0),
        board.show("a", [], 1.0),
        board.clear(),
    ):
        deleted = [m for m in array.markers if m.action == Marker.DELETE]
        assert deleted
        assert {m.header.frame_id for m in deleted} == {"optical"}


def test_caption_without_a_standard_deviation():
    message = estimate()
    message.std_dev = math.nan
    assert caption(message) == "1.24 m"
