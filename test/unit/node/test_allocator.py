# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The allocator keeps the memory of images: no page is fetched again for the next image."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_COUNT_FAULTS = """
import resource, sys, threading
if sys.argv[1] == "keep":
    from spatialgeo_ros.node.allocator import keep_image_memory
    assert keep_image_memory()

def faults_per_image():
    def image():
        return [bytearray(b"x") * 6_000_000 for _ in range(4)]  # what one message takes
    for _ in range(5):
        image()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        image()
    counts.append((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20)

counts = []
thread = threading.Thread(target=faults_per_image)
thread.start()
thread.join()
print(counts[0])
"""


def faults(mode: str) -> float:
    command = [sys.executable, "-c", _COUNT_FAULTS, mode]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_memory_of_images_is_reused_in_threads():
    assert faults("keep") < 100 < faults("leave")


_COUNT_ARENAS = """
import ctypes, sys, threading
if sys.argv[1] == "keep":
    from spatialgeo_ros.node.allocator import keep_image_memory
    assert keep_image_memory()

def work():
    kept.append([bytearray(n) for n in range(1000, 50_000, 1000)])
    all_there.wait()

kept, all_there = [], threading.Barrier(8)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def arenas(mode: str) -> int:
    command = [sys.executable, "-c", _COUNT_ARENAS, mode]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return report.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_threads_share_two_arenas():
    assert 1 <= arenas("keep") <= 2 < arenas("leave")


_GIVE_BACK = """
import re, threading
from pathlib import Path
from spatialgeo_ros.node.allocator import give_back_memory, keep_image_memory

def megabytes():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000

class Circle:
    def __init__(self):
        self.image, self.itself = bytearray(b"x") * 6_000_000, self

def work():
    circles = [(Circle(), bytearray(1000)) for _ in range(30)]
    kept.extend(small for _, small in circles)  # between them, so that nothing ends at the top

assert keep_image_memory()
before, kept = megabytes(), []
thread = threading.Thread(target=work)
thread.start()
thread.join()
held = megabytes()
give_back_memory()
print(held - before, megabytes() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has malloc_trim")
def test_memory_is_given_back_when_asked_for():
    command = [sys.executable, "-c", _GIVE_BACK]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    held, left = map(float, output.split())
    assert held > 150  # the garbage collector has not looked yet
    assert left < 15
