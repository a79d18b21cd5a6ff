# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Installs the part without ROS by pip (pyproject.toml has the rest); a robot uses CMakeLists.txt.

Only the shipped files are listed here: they go to ``<prefix>/share/spatialgeo_ros``, where colcon
puts them too.
"""

from pathlib import Path

from setuptools import setup


def shared_files() -> list:
    """List every file of config/ and weights/ under the folder that it is installed to."""
    files = sorted(p for top in ("config", "weights") for p in Path(top).rglob("*") if p.is_file())
    return [(f"share/spatialgeo_ros/{path.parent}", [str(path)]) for path in files]


setup(data_files=shared_files())
