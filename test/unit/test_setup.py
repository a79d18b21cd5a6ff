# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`make setup` beside a ROS 2 that is sourced, and whose PYTHONPATH holds what gets in the way."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """tools/setup.py, working in a folder of the test."""
    spec = importlib.util.spec_from_file_location("setup_tool", REPOSITORY / "tools" / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / "checkout" / "venv"
    venv.parent.mkdir()
    monkeypatch.setattr(module, "VENV", venv)
    monkeypatch.setattr(module, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(module, "LOG", tmp_path / "setup.log")
    return module


def metadata_of(name: str, version: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def write_package(folder: Path, name: str, version: str) -> None:
    """A package as it lies where Python finds it, with its metadata."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(f"version = '{version}'\n")
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(metadata_of(name, version))


def write_wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", f"version = '{version}'\n")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def imported(setup: Any, *names: str) -> list[str]:
    code = "\n".join(f"import {name}; print({name}.version)" for name in names)
    asked = subprocess.run([str(setup.PYTHON), "-c", code], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.split()


def test_packages_of_a_sourced_ros_neither_count_as_installed_nor_hide_ours(
    setup: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, wheels = tmp_path / "opt" / "ros" / "humble", tmp_path / "wheels"
    site, own = prefix / "local" / "lib" / "python3" / "dist-packages", tmp_path / "own"
    write_package(site, "fake_rclpy", "3.3")
    write_package(site, "fake_torch", "0.1")
    write_package(own, "fake_patched", "9")  # of somebody who knows why
    wheels.mkdir()
    for name in ("fake_torch", "fake_patched"):
        write_wheel(wheels, name, "2.0")
    monkeypatch.setenv("PYTHONPATH", f"{own}{os.pathsep}{site}")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setattr(setup, "packages_beside", lambda ros: ["fake_torch", "fake_patched"])
    monkeypatch.setattr(setup, "torch_index", list)
    setup.make_environment(Path(sys._base_executable), "humble")  # type: ignore[attr-defined]
    setup.install_packages("humble")
    setup.put_own_packages_first()
    assert imported(setup, "fake_torch", "fake_rclpy", "fake_patched") == ["2.0", "3.3", "9"]


@pytest.mark.parametrize(
    ("path", "moved"),
    [
        (["", "/ws/lib", "/std", "/own", "/apt"], ["", "/own", "/ws/lib", "/std", "/apt"]),
        (["", "/wsother", "/std", "/own"], None),
        (["", "/std", "/own", "/ws/lib"], None),
        (["", "/mine", "/ws/lib", "/own"], ["", "/mine", "/own", "/ws/lib"]),
        (["", "/ws/lib"], None),
    ],
)
def test_only_what_ros_has_is_found_later(path: list[str], moved: list[str] | None) -> None:
    spec = importlib.util.spec_from_file_location(
        "own_packages_first", REPOSITORY / "tools" / "own_packages_first.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = list(path)
    module.own_first(found, "/own", ["", "/ws/"])
    assert found == (path if moved is None else moved)


def test_what_stands_before_what_was_built_here_stays_there(setup: Any, tmp_path: Path) -> None:
    """ROS 2 from PyPI lies in the environment itself, and its overlay in the checkout."""
    setup.make_environment(Path(sys._base_executable), "")  # type: ignore[attr-defined]
    setup.put_own_packages_first()
    install = tmp_path / "checkout" / "install"
    first, built = setup.VENV / "transformers-1.0", install / "lib"
    (site,) = setup.VENV.glob("lib/python3*/site-packages")
    write_package(first, "fake_transformers", "1.0")
    write_package(site, "fake_transformers", "2.0")
    built.mkdir(parents=True)
    environment = {
        "PYTHONPATH": f"{built}{os.pathsep}{first}",
        "AMENT_PREFIX_PATH": f"{install}{os.pathsep}{setup.VENV}",
    }
    code = "import fake_transformers; print(fake_transformers.version)"
    command = [str(setup.PYTHON), "-c", code]
    assert subprocess.check_output(command, env=environment, text=True).strip() == "1.0"


@pytest.mark.parametrize(
    ("numpy", "has", "lacks"),
    [
        ("1.21.5", {"onnx", "scipy"}, {"onnxruntime", "numpy"}),
        ("1.21.6", {"onnx", "onnxruntime"}, {"numpy"}),
        ("2.5.0rc1", {"onnx", "onnxruntime"}, {"numpy"}),
    ],
)
def test_what_is_asked_for_suits_the_numpy_of_ros(
    setup: Any, monkeypatch: pytest.MonkeyPatch, numpy: str, has: set[str], lacks: set[str]
) -> None:
    answer = subprocess.CompletedProcess([], 0, f"{numpy}\n", "")
    monkeypatch.setattr(setup.subprocess, "run", lambda *_, **__: answer)
    names = setup.packages_beside("humble")
    assert names[0] == f"numpy=={numpy}"
    assert has <= set(names) and not lacks & set(names)
    kept = [name for name in names if name.startswith(("torch==", "setuptools=="))]
    assert len(kept) == 2, "torch asks for a newer setuptools, colcon for none of the newest"
    assert all(names) and len(set(names)) == len(names)
