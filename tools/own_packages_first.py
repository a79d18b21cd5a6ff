# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the environment's own packages before those that a sourced ROS 2 has on PYTHONPATH.

`tools/setup.py` puts it into the environment, where a .pth file runs it as Python starts. What
stands on PYTHONPATH for another reason keeps its place.
"""

import os
import sys
import sysconfig


def own_first(path, own, prefixes):
    """Move ``own`` before the first entry of ``path`` that lies below one of ``prefixes``."""
    below = tuple(prefix.rstrip(os.sep) + os.sep for prefix in prefixes if prefix)
    of_ros = [k for k, entry in enumerate(path) if below and entry.startswith(below)]
    if own in path and of_ros and of_ros[0] < path.index(own):
        path.remove(own)
        path.insert(of_ros[0], own)


def main():
    """Do so in this Python."""
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), "/opt/ros"]
    # What was built here, or installed in the environment itself, hides nothing of it.
    checkout = os.path.dirname(sys.prefix) + os.sep
    others = [prefix for prefix in prefixes if not prefix.startswith(checkout)]
    own_first(sys.path, sysconfig.get_path("purelib"), others)
