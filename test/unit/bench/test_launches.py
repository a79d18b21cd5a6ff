# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A GPU is asked for no more than is written down: launches, waits and bytes, counted on a CPU."""

from __future__ import annotations

from bench.launches import answers, depth_call


def test_a_depth_call_waits_once_and_copies_before_its_network() -> None:
    found = depth_call(48, (112, 140))
    launches = {stage: count for stage, count, size in found if not size}
    assert launches["before"] == 1  # the bytes into the network's buffer
    assert set(launches) == {
        "before", "the network's graph", "between", "graph of the depth", "behind",
    }  # fmt: skip
    assert launches["graph of the depth"] <= 97
    assert launches["between"] <= 22
    travelled = [one for one in found if one[2]]
    assert [stage for stage, _, _ in travelled] == ["to the card", "back, and a wait"]
    assert travelled[0][2] == 112 * 140 * 3


def test_passes_of_a_language_model_launch_what_their_layers_do() -> None:
    """Seven products, two norms, ten for the rotation, and what goes between them."""
    few, more = answers(1), answers(2)
    for name in ("a question", "a token"):
        assert more[name] - few[name] <= 26
        assert few[name] <= 26 + 28
    for name in ("before the question's pass", "reading the token"):
        assert more[name] == few[name] <= 5
