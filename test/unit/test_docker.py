# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images' files name what is there, and keep to the rules that hadolint has for them."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKER = REPOSITORY / "docker"
FILES = sorted(DOCKER.glob("*.Dockerfile"))
REQUIREMENTS = DOCKER / "requirements.txt"
# Packages of Ubuntu 22.04 and 24.04, and of packages.ros.org.
APT = {
    "build-essential", "ca-certificates", "curl", "python3-colcon-common-extensions", "python3-dev",
    "python3-pip", "python3-rosdep", "python3-venv", "ros-$ROS_DISTRO-ros-base",
}  # fmt: skip
# Installed by rosdep from package.xml instead; everything else that pip needs is in the list.
BY_ROSDEP = {"numpy", "opencv-python-headless", "pillow", "pyyaml", "tqdm"}


def instructions(path: Path) -> list[tuple[str, str]]:
    """Keyword and argument of each instruction of a Dockerfile."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(words[0], words[1] if len(words) > 1 else "") for words in found]


def runs(path: Path) -> list[str]:
    return [argument for keyword, argument in instructions(path) if keyword == "RUN"]


def test_there_are_two_images():
    assert [path.name for path in FILES] == ["desktop.Dockerfile", "jetson.Dockerfile"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_copied_file_exists_and_is_sent_to_the_builder(path):
    ignored = [
        line
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line and not line.startswith(("#", "!"))
    ]
    copied = [a.split()[:-1] for keyword, a in instructions(path) if keyword == "COPY"]
    assert copied
    for source in (source for sources in copied for source in sources):
        assert (REPOSITORY / source).exists(), source
        assert not any(fnmatch.fnmatch(source, pattern) for pattern in ignored), source


def test_what_the_build_installs_is_sent_to_the_builder():
    """CMakeLists.txt reads these; a folder that is ignored would be missing in silence."""
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    for name in ("config", "launch", "rviz", "weights", "scripts", "spatialgeo_ros", "msg", "srv",
                 "action", "docker", "package.xml", "CMakeLists.txt", "LICENSE"):  # fmt: skip
        assert (REPOSITORY / name).exists() and name not in ignored


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_run_lines_are_shell(path):
    for script in runs(path):
        checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert checked.returncode == 0, f"{checked.stderr}\n{script}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_packages_of_apt_are_known_and_leave_no_lists_behind(path):
    for script in runs(path):
        for part in script.split("&&"):
            words = part.split()
            if words[:2] == ["apt-get", "install"]:
                assert {"-y", "--no-install-recommends"} <= set(words)
                names = {w.strip('"') for w in words[2:] if not w.startswith("-")}
                assert names <= APT, names - APT
        if "apt-get install" in script or "rosdep install" in script:
            assert script.index("apt-get update") < script.index("install")
            assert "rm -rf /var/lib/apt/lists/*" in script


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_rules_for_images_are_kept(path):
    """Those of hadolint that matter here; hadolint itself where it is installed."""
    found = instructions(path)
    stages = {a.split(" AS ")[1] for keyword, a in found if keyword == "FROM" and " AS " in a}
    for image in (a.split()[0] for keyword, a in found if keyword == "FROM"):
        if not any(image.startswith(stage.rstrip("67")) for stage in stages):
            assert re.search(r":[\w.${}-]+$", image) and ":latest" not in image, image
    for script in runs(path):
        assert "sudo" not in script and "cd /" not in script
        for install in re.findall(r"pip install[^&]*", script):
            assert "--no-cache-dir" in install and "-c docker/constraints.txt" in install
        if "|" in script.replace("||", ""):
            assert any("pipefail" in a for keyword, a in found if keyword == "SHELL")
    keywords = [keyword for keyword, _ in found]
    assert keywords.count("CMD") == keywords.count("ENTRYPOINT") == keywords.count("USER") == 1
    assert all(a.startswith("[") for keyword, a in found if keyword in ("CMD", "ENTRYPOINT"))
    hadolint = shutil.which("hadolint")
    if hadolint:
        checked = subprocess.run([hadolint, str(path)], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout


def test_each_jetpack_says_where_its_ros_and_torch_come_from():
    """JetPack 6 has Ubuntu 22.04 (Humble), JetPack 7 has 24.04 (Jazzy)."""
    text = (DOCKER / "jetson.Dockerfile").read_text()
    stages = {
        name: stage for name, stage in re.findall(r"AS (jetpack\d)\n(ENV (?:.*\\\n)*.*\n)", text)
    }
    assert set(stages) == {"jetpack6", "jetpack7"}
    for name, distribution, cuda in (
        ("jetpack6", "humble", "cu126"),
        ("jetpack7", "jazzy", "cu130"),
    ):
        assert f"ROS_DISTRO={distribution}" in stages[name] and f"/{cuda}" in stages[name]
        assert "TORCH=torch" in stages[name]


def test_pip_installs_in_the_ranges_that_are_declared():
    requirements = pytest.importorskip("packaging.requirements")
    listed = {
        (one.name, str(one.marker)): one
        for line in REQUIREMENTS.read_text().splitlines()
        if line and not line.startswith("#")
        for one in [requirements.Requirement(line)]
    }
    text = (REPOSITORY / "pyproject.toml").read_text()
    needed = text.split("\ndependencies = [")[1].split("\n]")[0]
    declared = {
        (one.name, str(one.marker)): one
        for one in map(requirements.Requirement, re.findall(r'^  "([^"]+)"', needed, re.M))
    }
    engines = re.search(r"^engines = \[(.*)\]$", text, re.M)
    llava = re.search(r"^llava = \[(.*)\]$", text, re.M)
    assert engines and llava
    extras = re.findall(r'"([^"]+)"', engines[1] + llava[1])
    declared |= {(one.name, str(one.marker)): one for one in map(requirements.Requirement, extras)}
    here = {key: one for key, one in declared.items() if key[0] not in BY_ROSDEP | {"torch"}}
    # ONNX Runtime takes no NumPy as old as Humble's.
    runtime = here.pop(("onnxruntime", "None"))
    assert listed.pop(("onnxruntime", 'python_version >= "3.11"')).specifier == runtime.specifier
    assert {key: one.specifier for key, one in listed.items()} == {
        key: one.specifier for key, one in here.items()
    }
    manifest = (REPOSITORY / "package.xml").read_text()
    for key in ("python3-numpy", "python3-opencv", "python3-pil", "python3-yaml", "python3-tqdm"):
        assert f"<exec_depend>{key}</exec_depend>" in manifest


def test_pip_takes_the_list():
    """The resolution itself, as far as this machine can: what is installed here must satisfy it."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--quiet"]
    command += ["--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if "No module named pip" in done.stderr:
        pytest.skip("no pip in this environment")
    assert done.returncode == 0, done.stderr


def test_the_entry_point_sources_what_the_image_makes():
    text = (DOCKER / "entrypoint.sh").read_text()
    assert (DOCKER / "entrypoint.sh").stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(DOCKER / "entrypoint.sh")]).returncode == 0
    for path in FILES:
        made = path.read_text()
        assert "WORKDIR /workspace" in made and "colcon build" in made and "venv" in made
    for needed in ("/opt/venv/bin/activate", "/workspace/install/setup.bash", 'exec "$@"'):
        assert needed in text


def test_compose_builds_what_is_there_and_keeps_models_and_engines():
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    assert set(compose["services"]) == {"desktop", "jetson"}
    for service in compose["services"].values():
        build = service["build"]
        context = (DOCKER / build["context"]).resolve()
        assert context == REPOSITORY and (context / build["dockerfile"]).is_file()
        arguments = set(
            re.findall(r"^ARG (\w+)", (context / build["dockerfile"]).read_text(), re.M)
        )
        assert set(build["args"]) <= arguments
        assert service["network_mode"] == "host" and service["ipc"] == "host"
        assert "ROS_DOMAIN_ID" in service["environment"]
        mounted = {volume.split(":")[0] for volume in service["volumes"]}
        assert mounted == set(compose["volumes"]) == {"models", "engines"}


def test_the_page_runs_what_there_is():
    text = (DOCKER / "README.md").read_text()
    for name in re.findall(r"docker build -f (\S+)", text):
        assert (REPOSITORY / name).is_file()
    for name, value in re.findall(r"--build-arg (\w+)=(\S+)", text):
        assert any(re.search(rf"^ARG {name}\b", path.read_text(), re.M) for path in FILES), value
    tags = set(re.findall(r"spatialgeo:\w+", text))
    assert tags == {"spatialgeo:desktop", "spatialgeo:jetpack6", "spatialgeo:jetpack7"}
    launch = (REPOSITORY / "launch" / "spatialgeo.launch.py").read_text()
    for argument in re.findall(r"(\w+):=", text):
        assert f'"{argument}"' in launch or argument == "rviz", argument
