# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the C allocator from giving back the memory of every image, and from keeping it twice.

Each 1920x1080 message needs several blocks of 6 MB. In threads other than the main one, glibc
returns such blocks at once and gets them anew for the next image, page by page: receiving cost
three times the CPU, and on a busy machine half of the images were lost (docs/benchmarks.md).

Kept blocks are kept by arena, and glibc makes one for nearly every thread: with the threads of an
executor, each new one that met a large image added its blocks. Two arenas are enough: Python's
threads take turns anyway (138 MB against 181 MB in a soak of six minutes, docs/benchmarks.md).

What a cleaned-up node held is given back: the next configure fills other blocks before all of the
old ones are free, and the process stayed 400 MB larger (two cameras of 1080p).
"""

from __future__ import annotations

import ctypes
import gc
import platform

# malloc.h; glibc accepts no larger mmap threshold than 32 MB.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_REUSED = 32 << 20
_KEPT_AT_MOST = 128 << 20
_ARENAS = 2


def keep_image_memory() -> bool:
    """Let glibc reuse blocks of up to 32 MB and keep up to 128 MB of them in each of two arenas.

    Call it once, when a process that receives or sends images starts, before it has other threads.

    Returns:
        Whether it took effect; with another C library there is nothing to do.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    # Either setting switches glibc's own adaption of both off, so both are made.
    reused = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_REUSED)
    kept = libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_AT_MOST)
    bounded = libc.mallopt(_M_ARENA_MAX, _ARENAS)
    return bool(reused and kept and bounded)


def give_back_memory() -> None:
    """Free what only circles hold and return free memory to the system; takes some 0.2 s."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
