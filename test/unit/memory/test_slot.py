# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The newest-frame slot: newest wins, drops are counted, nobody waits."""

from __future__ import annotations

import threading

import pytest

from spatialgeo_ros.memory.slot import NewestSlot


def test_take_returns_the_newest_and_counts_the_dropped():
    slot: NewestSlot[int] = NewestSlot()
    assert [slot.put(i) for i in range(4)] == [False, True, True, True]
    assert slot.peek() == 3
    assert slot.take() == 3
    assert slot.take() is None
    assert slot.peek() is None
    assert slot.dropped == 3


def test_none_is_an_item_like_any_other():
    slot: NewestSlot[None] = NewestSlot()
    slot.put(None)
    assert slot.put(None) is True


def test_clear_forgets_without_counting_a_drop():
    slot: NewestSlot[int] = NewestSlot()
    slot.put(1)
    slot.clear()
    assert slot.take() is None
    assert slot.put(2) is False
    assert slot.dropped == 0


@pytest.mark.parametrize("producers", [1, 4])
def test_every_item_is_taken_or_dropped_under_contention(producers):
    slot: NewestSlot[tuple[int, int]] = NewestSlot()
    count = 500
    taken: list[tuple[int, int]] = []
    done = threading.Event()

    def consume():
        while not done.is_set():
            if (item := slot.take()) is not None:
                taken.append(item)

    def produce(who):
        for i in range(count):
            slot.put((who, i))

    consumer = threading.Thread(target=consume)
    consumer.start()
    threads = [threading.Thread(target=produce, args=(p,)) for p in range(producers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    consumer.join(10)
    left = slot.take()
    assert len(taken) + slot.dropped + (left is not None) == producers * count
    for who in range(producers):  # the newest wins, so nothing ever goes back in time
        order = [i for p, i in taken if p == who]
        assert order == sorted(order)
