# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared fixtures: recorded data, a ROS domain of this run's own, nodes in their own processes."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from ros_support import NodeProcess, RosClient

from spatialgeo_ros.node.compatibility import fast_dds_profile_variables, keep_on_this_machine

REPOSITORY = Path(__file__).resolve().parent.parent
FIRST_DOMAIN, LAST_DOMAIN = 20, 100  # above 101 the ports of DDS meet Linux' ephemeral ports

LONGEST_ID = 60  # characters of one value of a parametrised test

# Held open until the process ends: the lock is what makes the domain ours.
_domain_lock: IO[str] | None = None


def _claim_domain() -> int:
    """Return a ROS domain that no other test run on this machine uses."""
    global _domain_lock
    for domain in range(FIRST_DOMAIN, LAST_DOMAIN + 1):
        path = Path(tempfile.gettempdir()) / f"spatialgeo_test_domain_{domain}.lock"
        try:
            lock = path.open("w")
        except OSError:  # another user's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _domain_lock = lock
        return domain
    raise pytest.UsageError("every ROS domain for tests is taken by another test run")


def pytest_configure(config: pytest.Config) -> None:
    """Separate this run from robots and other runs before anything imports rclpy.

    With ``pytest -n`` each worker process runs this for itself; the process that hands out the
    tests runs none and needs no domain.
    """
    is_worker = hasattr(config, "workerinput")
    if is_worker or config.getoption("dist", "no") == "no":
        os.environ["ROS_DOMAIN_ID"] = str(_claim_domain())
    if not is_worker:  # the workers inherit it: what one has exported, the others need not
        engines = tempfile.mkdtemp(prefix="spatialgeo_test_engines_")
        os.environ["SPATIALGEO_ENGINES"] = engines
        config.add_cleanup(lambda: shutil.rmtree(engines, ignore_errors=True))
    keep_on_this_machine()
    for variable in fast_dds_profile_variables():
        os.environ[variable] = str(REPOSITORY / "config" / "fastdds.xml")
    # The networks of the tests are tiny: threads that wait for each other cost more than they save,
    # on a busy machine five times as much, and there is a process for each core already.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # `make test` promises the system tests: there, a missing ROS is an error and no skip.
    if os.environ.get("SPATIALGEO_REQUIRE_ROS") == "1":
        for module in ("rclpy", "spatialgeo_ros.msg"):
            if importlib.util.find_spec(module) is None:
                raise pytest.UsageError(f"{module} cannot be imported: run `make setup` first")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name by its argument a value that makes no name; pytest numbers those that are equal.

    Bytes and long texts would be ids of any length, and of other content in each process where
    they hold a time or a random number: ``pytest -n`` requires the same ids in all.
    """
    del config
    if isinstance(val, bytes) or (isinstance(val, str) and len(val) > LONGEST_ID):
        return argname
    return None


def _data_folder(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / name))
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: set {variable}")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of reference tensors (SPATIALGEO_GOLDEN); skips where it is missing."""
    return _data_folder("SPATIALGEO_GOLDEN", "golden")


@pytest.fixture(scope="session")
def golden_eval() -> Path:
    """Folder of values of training and evaluation (SPATIALGEO_GOLDEN_EVAL); skips where missing."""
    return _data_folder("SPATIALGEO_GOLDEN_EVAL", "golden_eval")


@pytest.fixture(scope="session")
def golden_spatialrgpt() -> Path:
    """Folder of SpatialRGPT's values (SPATIALGEO_GOLDEN_SPATIALRGPT); skips where missing."""
    return _data_folder("SPATIALGEO_GOLDEN_SPATIALRGPT", "golden_spatialrgpt")


@pytest.fixture(scope="session")
def real_rgbd() -> Path:
    """Folder of recorded RGB-D frames (SPATIALGEO_REAL_RGBD); skips where it is missing."""
    return _data_folder("SPATIALGEO_REAL_RGBD", "real_rgbd")


@pytest.fixture(scope="session")
def real_sequence() -> Path:
    """Folder of a recorded kitchen (SPATIALGEO_REAL_SEQUENCE); skips where it is missing."""
    return _data_folder("SPATIALGEO_REAL_SEQUENCE", "real_sequence")


@pytest.fixture(scope="session")
def questions() -> Path:
    """Folder of scenes, questions and their scorer (SPATIALGEO_QUESTIONS); skips where missing."""
    return _data_folder("SPATIALGEO_QUESTIONS", "questions")


@pytest.fixture
def ros() -> Iterator[RosClient]:
    """A client node that spins in the background (``ros.call``, ``ros.collect``, ``ros.node``)."""
    pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
    client = RosClient()
    yield client
    client.close()


@pytest.fixture
def run_node(tmp_path: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Start an executable of ``scripts/`` in its own process; interrupted when the test ends.

    ``run_node("spatialgeo_node", parameters={"profile": "nano"}, namespace="robot",
    remappings={"image": "/camera/image"}, arguments=["--flag"])``. A process that had to be
    killed, because it ignored SIGINT, fails the test.
    """
    pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
    pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
    running: list[NodeProcess] = []

    def start(executable: str, **options: Any) -> NodeProcess:
        script = REPOSITORY / "scripts" / executable
        process = NodeProcess(script, tmp_path / f"{len(running)}_{executable}", **options)
        running.append(process)
        return process

    yield start
    # All get the signal first, so that they stop side by side.
    for process in running:
        process.interrupt(wait=False)
    stubborn = [process.name for process in running if not process.stop()]
    assert not stubborn, f"did not stop on SIGINT: {stubborn}"
