# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part without ROS, built as a wheel, installed and run away from the checkout and from ROS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
# In the place of ROS in the installed package's Python: whatever it imports of it is missing.
WITHOUT_ROS = """
import sys

class WithoutRos:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"rclpy", "launch", "tf2_ros"} or name.endswith("_msgs"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, WithoutRos())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git tracks, elsewhere: a build leaves folders behind."""
    pytest.importorskip("setuptools")
    pytest.importorskip("pip")
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run([*command, "--exclude-standard"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    folder = tmp_path_factory.mktemp("source")
    for name in filter(None, listed.stdout.split("\0")):
        if name.startswith(("docs/", "test/", "bench/")) or not (REPOSITORY / name).is_file():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, folder / name)
    built = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += [
        "--no-build-isolation",
        "--disable-pip-version-check",
        "-w",
        str(built),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with the wheel alone; everything else is this environment's."""
    prefix = tmp_path_factory.mktemp("prefix")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-compile", "--disable-pip-version-check", "--ignore-installed"]
    done = subprocess.run(
        [*command, "--prefix", str(prefix), str(wheel)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return prefix


def packages(prefix: Path) -> Path:
    found = sysconfig.get_path("purelib", vars={"base": str(prefix), "platbase": str(prefix)})
    return Path(found)


def run(prefix: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder of its own, without ROS and without this checkout."""
    site = packages(prefix)
    (site / "sitecustomize.py").write_text(WITHOUT_ROS)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AMENT", "ROS"))}
    environment |= {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    environment |= {"_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1"}
    command = [sys.executable, str(prefix / "bin" / "spatialgeo"), *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_the_wheel_has_code_configuration_and_weights_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name.split(".data/data/share/spatialgeo_ros/")[-1] for name in names}
    for top in ("config", "weights"):
        files = [p for p in (REPOSITORY / top).rglob("*") if p.is_file()]
        assert files and {str(p.relative_to(REPOSITORY)) for p in files} <= shipped
    tops = {name.split("/")[0] for name in names}
    assert all(top == "spatialgeo_ros" or top.startswith("spatialgeo_ros-") for top in tops)
    assert not [name for name in names if name.endswith((".pyc", ".msg")) or "/test" in name]


def test_help_names_every_command(installed, tmp_path):
    done = run(installed, tmp_path, "--help")
    assert done.returncode == 0, done.stderr
    for command in ("ask", "measure", "find", "depth", "sample", "models", "engines", "mcp"):
        assert f"\n    {command} " in done.stdout


def test_it_measures(installed, tmp_path):
    """Two boards 2 m ahead and 1.2 m apart, by depth alone and with the shipped networks."""
    colour = np.full((480, 640, 3), 127, np.uint8)
    depth = np.full((480, 640), 3000, np.uint16)
    for left in (100, 400):
        colour[200:400, left : left + 150] = (0, 0, 200)
        depth[200:400, left : left + 150] = 2000
    cv2.imwrite(str(tmp_path / "colour.png"), colour)
    cv2.imwrite(str(tmp_path / "depth.png"), depth)
    scene = ["--image", "colour.png", "--depth", "depth.png"]
    scene += ["--camera-info", "500,500,319.5,239.5", "--from", "100,200,250,400"]
    scene += ["--to", "400,200,550,400", "--kinds", "centre_to_centre", "--json"]
    for profile in ("none", "nano"):
        done = run(installed, tmp_path, "measure", *scene, "--profile", profile)
        assert done.returncode == 0, done.stderr
        (found,) = json.loads(done.stdout)["distances"]
        assert found["valid"] and found["distance_m"] == pytest.approx(1.2, abs=0.05)


def test_shipped_profiles_are_found(installed, tmp_path):
    done = run(installed, tmp_path, "models", "list")
    assert done.returncode == 0, done.stderr
    for profile in ("nano", "moge2_s", "spatialgeo_7b"):
        assert f"\n{profile} " in done.stdout


def test_what_needs_ros_says_so_in_one_line(installed, tmp_path):
    done = run(installed, tmp_path, "replay", "folder")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "it needs ROS 2" in done.stderr
