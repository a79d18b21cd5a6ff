# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The streaming keyframe memory, against a brute-force model of its rule and its guarantee."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialgeo_ros.memory.keyframes import KeyframeMemory, Reason
from spatialgeo_ros.memory.voxels import voxel_keys


def keys(*values):
    return np.array(sorted(set(values)), np.int64)


def offer_sets(memory, sets):
    return [memory.offer(i + 1, "cam", keys(*s), i) for i, s in enumerate(sets)]


def test_keeps_new_space_and_turns_away_the_redundant():
    memory = KeyframeMemory(4, 0.1)
    first = memory.offer(1, "cam", keys(1, 2, 3), "a")
    again = memory.offer(2, "cam", keys(1, 2), "b")
    assert (first.kept, first.gain, first.reason) == (True, 3, Reason.NEW_SPACE)
    assert (again.kept, again.gain, again.reason) == (False, 0, Reason.REDUNDANT)
    assert [f.payload for f in memory.frames] == ["a"]
    assert memory.covered == 3


def test_entry_needs_a_share_of_new_voxels():
    memory = KeyframeMemory(4, 0.1, min_new_fraction=0.5)
    memory.offer(1, "cam", keys(*range(10)))
    assert not memory.offer(2, "cam", keys(*range(6, 13))).kept  # 3 of 7 are new
    assert memory.offer(3, "cam", keys(*range(6, 14))).kept  # 4 of 8 are


def test_swap_replaces_the_frame_whose_loss_costs_least():
    memory = KeyframeMemory(2, 0.1, swap_factor=0)
    offer_sets(memory, [range(0, 10), range(20, 23)])
    decision = memory.offer(3, "cam", keys(*range(30, 35)), "new")
    assert decision.reason is Reason.SWAPPED
    assert decision.evicted.payload == 1
    assert memory.covered == 15


def test_voxels_the_newcomer_also_sees_are_not_a_loss():
    memory = KeyframeMemory(2, 0.1, min_new_fraction=0, swap_factor=0)
    offer_sets(memory, [range(0, 10), range(20, 23)])
    # Sees all of frame 0 and one voxel more: swapping it for frame 1 would lose three.
    decision = memory.offer(3, "cam", keys(*range(0, 11)))
    assert decision.evicted.payload == 0
    assert memory.covered == 14


def test_no_swap_without_growth():
    memory = KeyframeMemory(2, 0.1, swap_factor=0)
    offer_sets(memory, [range(0, 5), range(10, 15)])
    assert not memory.offer(3, "cam", keys(*range(20, 25))).kept
    assert memory.covered == 10


def test_swap_factor_asks_for_a_share_of_the_union():
    strict, loose = (KeyframeMemory(2, 0.1, swap_factor=c) for c in (1.0, 0.0))
    for memory in (strict, loose):
        offer_sets(memory, [range(0, 10), range(20, 30)])
    newcomer = keys(*range(40, 52))  # two more than the frame it would replace
    assert not strict.offer(3, "cam", newcomer).kept
    assert loose.offer(3, "cam", newcomer).kept


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.frozensets(st.integers(0, 25), max_size=12), max_size=25),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.1, 1.0]),
)
def test_follows_the_rule_step_by_step(sets, capacity, factor):
    memory = KeyframeMemory(capacity, 0.1, min_new_fraction=0, swap_factor=factor)
    kept: list[frozenset[int]] = []  # in order of arrival
    for i, newcomer in enumerate(sets):
        union = frozenset().union(*kept)
        if newcomer:
            if len(kept) < capacity:
                if newcomer - union:
                    kept.append(newcomer)
            else:
                swaps = [
                    frozenset().union(newcomer, *kept[:j], *kept[j + 1 :]) for j in range(capacity)
                ]
                best = max(range(capacity), key=lambda j: (len(swaps[j]), -j))
                growth = len(swaps[best]) - len(union)
                if growth > 0 and growth * capacity >= factor * len(union):
                    kept = kept[:best] + kept[best + 1 :] + [newcomer]
        memory.offer(i + 1, "cam", keys(*newcomer))
        assert [frozenset(f.keys.tolist()) for f in memory.frames] == kept
        assert memory.covered == len(frozenset().union(*kept))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.frozensets(st.integers(0, 30), max_size=15), min_size=1, max_size=10),
    st.integers(1, 3),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_worst_case_guarantee_holds(sets, capacity, factor):
    memory = KeyframeMemory(capacity, 0.1, min_new_fraction=0, swap_factor=factor)
    offer_sets(memory, sets)
    best = max(
        len(frozenset().union(*chosen))
        for size in range(1, capacity + 1)
        for chosen in combinations(sets, min(size, len(sets)))
    )
    assert memory.covered >= factor / (factor + 1) ** 2 * best


def test_without_a_pose_the_newest_of_each_camera_wins_and_it_shows():
    memory = KeyframeMemory(4, 0.1)
    first = memory.offer(1, "left", None, "l1")
    memory.offer(1, "right", None, "r1")
    second = memory.offer(2, "left", None, "l2")
    assert first.kept and second.kept
    assert second.reason is Reason.NEWEST_WITHOUT_POSE
    assert second.evicted.payload == "l1"
    assert [f.payload for f in memory.frames] == ["r1", "l2"]
    assert not any(f.placed for f in memory.frames)
    assert memory.describe()["cameras_without_pose"] == ["left", "right"]
    assert memory.covered == 0


def test_a_pose_that_comes_back_ends_the_unplaced_frame():
    memory = KeyframeMemory(4, 0.1)
    memory.offer(1, "cam", None, "lost")
    decision = memory.offer(2, "cam", keys(1, 2))
    assert decision.kept and decision.evicted.payload == "lost"
    assert memory.describe()["cameras_without_pose"] == []


def test_a_frame_without_a_pose_enters_a_full_memory():
    memory = KeyframeMemory(2, 0.1)
    offer_sets(memory, [range(0, 9), range(20, 22)])
    decision = memory.offer(9, "other", None, "unplaced")
    assert decision.kept and decision.evicted.payload == 1
    assert memory.covered == 9


def test_more_cameras_without_a_pose_than_room():
    memory = KeyframeMemory(2, 0.1)
    for i, camera in enumerate("abc"):
        memory.offer(i + 1, camera, None, camera)
    assert [f.payload for f in memory.frames] == ["b", "c"]
    assert memory.offer(9, "d", keys(1, 2), "placed").evicted.payload == "b"


def test_repeated_stamps_are_refused():
    memory = KeyframeMemory(4, 0.1)
    memory.offer(5, "cam", keys(1))
    assert memory.offer(5, "cam", keys(2)).reason is Reason.DUPLICATE
    memory.offer(6, "cam", keys(3))
    assert memory.offer(5, "cam", keys(4)).reason is Reason.DUPLICATE
    assert memory.offer(5, "other", keys(5)).kept


def test_late_frames_count_with_a_pose_and_not_without():
    memory = KeyframeMemory(4, 0.1)
    memory.offer(9, "cam", keys(1))
    assert memory.offer(4, "cam", keys(2)).kept
    assert memory.offer(3, "cam", None).reason is Reason.OUT_OF_ORDER
    assert [f.stamp_ns for f in memory.frames] == [4, 9]


def test_a_driver_without_stamps_is_not_taken_for_duplicates():
    memory = KeyframeMemory(4, 0.1)
    assert memory.offer(0, "cam", None, 1).kept
    assert memory.offer(0, "cam", None, 2).kept
    assert memory.offer(0, "cam", keys(1), 3).kept
    assert memory.offer(0, "cam", keys(2), 4).kept


def test_a_frame_without_points_is_refused():
    assert KeyframeMemory(2, 0.1).offer(1, "cam", keys()).reason is Reason.NO_POINTS


def test_reset_forgets_everything():
    memory = KeyframeMemory(2, 0.1)
    offer_sets(memory, [range(5), range(5, 9)])
    memory.reset()
    assert memory.frames == () and memory.covered == 0
    assert memory.offer(1, "cam", keys(1)).kept


def test_sensor_noise_of_a_standing_robot_is_not_new_space():
    """A wall and a floor seen from 2 to 4 m, with the noise of a depth camera there."""
    rng = np.random.default_rng(5)
    wall = np.column_stack([rng.uniform(-2, 2, (8000, 1)), np.full(8000, 4.05)])
    wall = np.column_stack([wall, rng.uniform(0, 2, 8000)])
    floor = np.column_stack(
        [rng.uniform(-1, 1, 8000), rng.uniform(2, 4, 8000), np.full(8000, 0.05)]
    )
    scene = np.concatenate([wall, floor])
    memory = KeyframeMemory(16, 0.1)
    kept = 0
    for i in range(100):
        noise = rng.normal(0, 0.02, scene.shape) * (0, 1, 0.3)
        kept += memory.offer(i + 1, "cam", voxel_keys(scene + noise, 0.1)).kept
    assert kept <= 2


def test_memory_is_bounded_over_a_long_drive():
    rng = np.random.default_rng(3)
    memory = KeyframeMemory(5, 0.1, swap_factor=0)
    for i in range(2000):
        start = i * 7
        memory.offer(i + 1, f"cam{i % 3}", np.arange(start, start + rng.integers(50, 200)))
        assert len(memory.frames) <= 5
    assert memory.covered == np.unique(np.concatenate([f.keys for f in memory.frames])).size
    assert memory.describe()["frames"] == 5


@pytest.mark.parametrize(
    "arguments",
    [{"capacity": 0}, {"voxel_size": 0.0}, {"min_new_fraction": 1.5}, {"swap_factor": -1.0}],
)
def test_arguments_are_checked(arguments):
    with pytest.raises(ValueError):
        KeyframeMemory(**{"capacity": 4, "voxel_size": 0.1, **arguments})
