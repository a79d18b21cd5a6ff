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
