# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
from spatialgeo_ros.node.pairing import Pair, StampPairing

MS = 1_000_000


def pairing(expected: bool = True) -> StampPairing[str, str]:
    return StampPairing(20 * MS, 0.2, lambda: expected)


def test_pairs_within_slop_whichever_comes_first():
    pairs = pairing()
    assert pairs.add_image(100 * MS, "i1", 0.0) is None
    assert pairs.add_depth(115 * MS, "d1", 0.01) == Pair("i1", "d1")
    assert pairs.add_depth(200 * MS, "d2", 0.1) is None
    assert pairs.add_image(190 * MS, "i2", 0.11) == Pair("i2", "d2")
    assert (pairs.unmatched_images, pairs.unmatched_depths) == (0, 0)


def test_stamps_farther_apart_than_slop_do_not_pair():
    pairs = pairing()
    assert pairs.add_image(100 * MS, "i", 0.0) is None
    assert pairs.add_depth(121 * MS, "d", 0.01) is None


def test_closest_of_several_depths_is_taken_and_older_ones_are_counted():
    pairs = pairing()
    for stamp in (80, 95, 104):
        assert pairs.add_depth(stamp * MS, f"d{stamp}", 0.0) is None
    assert pairs.add_image(100 * MS, "i", 0.0) == Pair("i", "d104")
    assert pairs.unmatched_depths == 2


def test_images_pass_at_once_while_nobody_publishes_depth():
    pairs = pairing(expected=False)
    assert pairs.add_image(100 * MS, "i", 0.0) == Pair("i", None)
    assert pairs.unmatched_images == 0


def test_slow_depth_supersedes_images_that_had_none():
    pairs = pairing()
    pairs.add_depth(0, "d0", 0.0)
    assert pairs.add_image(0, "i0", 0.0) == Pair("i0", "d0")
    assert pairs.add_image(33 * MS, "i33", 0.033) is None
    assert pairs.add_image(66 * MS, "i66", 0.066) is None
    assert pairs.add_depth(66 * MS, "d66", 0.07) == Pair("i66", "d66")
    assert pairs.unmatched_images == 1
    assert pairs.overdue(1.0) is None


def test_failed_depth_lets_images_through_after_the_wait_then_at_once():
    pairs = pairing()
    pairs.add_depth(0, "d", 0.0)
    assert pairs.add_image(100 * MS, "i1", 0.1) is None
    assert pairs.next_overdue() == 0.1 + 0.2
    assert pairs.overdue(0.29) is None
    # Depth did come, 100 ms off: the image says so.
    assert pairs.overdue(0.31) == Pair("i1", None, 100 * MS)
    assert pairs.add_image(2000 * MS, "i2", 2.0) == Pair("i2", None)
    assert pairs.unmatched_images == 2


def test_a_fast_camera_is_not_starved_by_depth_that_was_promised_and_never_comes():
    pairs = pairing()
    passed = []
    for n in range(200):  # 100 Hz: far more images within the wait than are kept
        now = n * 0.01
        assert pairs.add_image(n * 10 * MS, f"i{n}", now) is None
        if (pair := pairs.overdue(now)) is not None:
            passed.append((now, pair))
    gaps = [b[0] - a[0] for a, b in zip(passed, passed[1:], strict=False)]
    assert passed[0][0] <= 0.21
    assert max(gaps) <= 0.21
    assert all(pair.depth is None for _, pair in passed)


def test_what_waits_is_bounded():
    pairs = pairing()
    for n in range(100):
        pairs.add_depth(n * 100 * MS, f"d{n}", 0.0)
    assert pairs.unmatched_depths == 92


def test_clear_forgets_what_waits():
    pairs = pairing()
    pairs.add_depth(100 * MS, "d", 0.0)
    pairs.clear()
    assert pairs.add_image(100 * MS, "i", 0.0) is None
