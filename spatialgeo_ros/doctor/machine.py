# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packages, GPU, weights and engines on this machine, against what a profile needs. No ROS here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.findings.finding import Finding

#: Least versions, as pyproject.toml has them: which package the networks need, and which all need.
LEAST = {
    "numpy": (1, 21), "torch": (2, 6), "onnxruntime": (1, 20),
    "transformers": (5, 23) if sys.version_info >= (3, 11) else (5, 20),
}  # fmt: skip
#: Distributions of a package, by the name under which it is reported; the first found counts.
_DISTRIBUTIONS = {
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
    "torch": ("torch",),
    "transformers": ("transformers",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt-rtx-cu13-bindings", "tensorrt_rtx", "tensorrt-rtx"),
}
_MODULES = {"opencv": "cv2"}
#: What is installed by ROS: module, and the package that has it.
_ROS_MODULES = {"vision_msgs": "vision-msgs", "tf2_ros": "tf2-ros-py"}
_HASHED = 128 << 20  # bytes that are read and hashed here; more takes longer than a look may
_TEGRA = Path("/dev/nvhost-gpu")
_QUERY = "name,memory.total,memory.free,driver_version"


@dataclass(frozen=True)
class Gpu:
    """A graphics card.

    Attributes:
        name: By its driver.
        total: Memory, GiB; that of the machine where they share it.
        free: The same, now.
        driver: Version.
    """

    name: str
    total: float
    free: float
    driver: str


@dataclass(frozen=True)
class Need:
    """What shall run here, in the words of the node's parameters.

    Attributes:
        loaded: A node runs with it already: then the memory that is used is its own.
    """

    profile: str = "none"
    grounding: str = "profile"
    device: str = "auto"
    quantisation: str = "profile"
    precision: str = "profile"
    engine_folder: str = ""
    loaded: bool = False

    @property
    def has_networks(self) -> bool:
        """Whether anything of PyTorch is needed."""
        return self.profile != "none" or self.grounding not in ("profile", "none")


def versions() -> dict[str, str]:
    """Versions of what is installed, "missing" for what is not; nothing is imported."""
    found = {}
    for name, distributions in _DISTRIBUTIONS.items():
        found[name] = next(filter(None, map(_version, distributions)), "")
        if not found[name]:
            there = _is_importable(_MODULES.get(name, name))
            found[name] = "of unknown version" if there else "missing"
    for module in _ROS_MODULES:
        found[module] = "installed" if _is_importable(module) else "missing"
    return found


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _is_importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def package_findings(found: dict[str, str], need: Need) -> Iterator[Finding]:
    """Yield what is missing or too old for what shall run.

    Args:
        found: See :func:`versions`.
        need: What shall run.
    """
    wanted = ["numpy", "opencv"]
    if need.has_networks:
        wanted += ["torch", "transformers"]
    missing = [name for name in wanted if found[name] == "missing"]
    # ONNX Runtime is one choice of several: it need not be there.
    old = [name for name in LEAST if _is_older(found[name], LEAST[name])]
    if missing:
        why = f", which profile '{need.profile}' needs" if need.has_networks else ""
        verb = "is" if len(missing) == 1 else "are"
        text = f"{' and '.join(missing)} {verb} not installed{why}: {_install(missing)}"
        yield Finding("package-missing", text)
    if old:
        text = " and ".join(f"{k} {found[k]} is older than {_dotted(LEAST[k])}" for k in old)
        yield Finding("package-old", f"{text}: {_install(old)}")


def _install(names: Sequence[str]) -> str:
    least = {name: f">={_dotted(LEAST[name])}" if name in LEAST else "" for name in names}
    return "pip install " + " ".join(f"'{_DISTRIBUTIONS[k][0]}{v}'" for k, v in least.items())


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def _is_older(version: str, least: Sequence[int]) -> bool:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < tuple(least)


def gpus(timeout: float = 3.0) -> list[Gpu]:
    """Return NVIDIA's cards as their driver sees them; none where it cannot be asked."""
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        printed = "" if done.returncode else done.stdout
    except (OSError, subprocess.TimeoutExpired):
        printed = ""
    if not printed and _TEGRA.exists():  # a Jetson before JetPack 6 has no nvidia-smi
        printed = "Jetson, [N/A], [N/A], of JetPack"
    return parse_gpus(printed, *_shared_memory())


def _shared_memory() -> tuple[float, float]:
    """Memory of the machine and what of it is available, GiB."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    total = kilobytes.get("MemTotal", 0)
    return total / 2**20, kilobytes.get("MemAvailable", total) / 2**20


def parse_gpus(text: str, total: float, free: float) -> list[Gpu]:
    """Read what nvidia-smi prints.

    Args:
        text: Lines of name, total, free (MiB) and driver.
        total: Memory of the machine, GiB, for a card that states none because it shares it.
        free: What of it is available.
    """
    cards = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) != 4:
            continue
        name, own_total, own_free, driver = parts
        if own_total.isdigit() and own_free.isdigit():
            cards.append(Gpu(name, int(own_total) / 1024, int(own_free) / 1024, driver))
        else:
            cards.append(Gpu(name, total, free, driver))
    return cards


def gpu_findings(
    cards: list[Gpu], torch_version: str, need: Need, needed: float
) -> Iterator[Finding]:
    """Yield that the GPU cannot hold, or PyTorch cannot use it for, what shall run.

    Args:
        cards: See :func:`gpus`.
        torch_version: As installed.
        need: What shall run.
        needed: GiB of weights and of a prompt's keys and values; 0 where nothing is stated.
    """
    if need.device.startswith("cuda") and not cards:
        yield Finding(
            "gpu-missing",
            f"device is '{need.device}', but nvidia-smi sees no GPU: install NVIDIA's driver, "
            "start the container with --gpus all, or set device to cpu",
            {"device": "cpu"},
        )
    if not cards or not need.has_networks or need.device == "cpu":
        return
    if "+cpu" in torch_version:
        yield Finding(
            "gpu-unused",
            f"there is a {cards[0].name}, but torch {torch_version} is built without CUDA: install "
            "the wheel for your CUDA from pytorch.org",
        )
    number = need.device.partition(":")[2]
    card = cards[int(number)] if number.isdigit() and int(number) < len(cards) else cards[0]
    if needed > card.total:
        yield Finding(
            "gpu-memory",
            f"profile '{need.profile}' needs {needed:.1f} GiB, {card.name} has {card.total:.1f}: "
            "set quantisation to nf4, or choose a smaller profile",
            {} if need.quantisation == "nf4" else {"quantisation": "nf4"},
        )
    elif needed > card.free and not need.loaded:
        yield Finding(
            "gpu-memory-used",
            f"profile '{need.profile}' needs {needed:.1f} GiB, of the {card.total:.1f} GiB of "
            f"{card.name} {card.free:.1f} are free: end what else uses it (nvidia-smi names it)",
        )


def profile_findings(need: Need) -> tuple[list[Finding], float]:
    """Judge the profile's files; returns findings, and the GiB it needs as it is configured.

    Files are compared in size, and in content up to 128 MB in all: ``spatialgeo models verify``
    reads everything. Imports PyTorch where the profile exists.
    """
    found: list[Finding] = []
    needed = 0.0
    if need.profile == "none":
        found += _grounding_findings(need.grounding, "")
    else:
        try:
            from spatialgeo_ros.models.profile_source import read_profile

            read_profile(need.profile)  # in milliseconds, before PyTorch is imported
        except SpatialGeoError as error:
            return [Finding("profile-unknown", str(error))], 0.0
        try:
            from spatialgeo_ros.models.profiles import load_profile

            profile = load_profile(need.profile)
            found += weight_findings(profile, need.profile)
            needed = _memory(profile, need)
            found += _grounding_findings(need.grounding, profile.grounding)
        except SpatialGeoError as error:
            found.append(Finding("profile-unknown", str(error)))
        except ImportError as error:
            found.append(
                Finding(
                    "package-missing",
                    f"{error.name} is not installed, which profile '{need.profile}' needs: "
                    f"pip install {error.name}",
                )
            )
    return found, needed


def _grounding_findings(asked: str, of_profile: str) -> list[Finding]:
    """Judge the files of the detector that looks for words.

    Args:
        asked: The parameter.
        of_profile: What the model profile names; "" for nothing.
    """
    from spatialgeo_ros.models.profile_source import NOTHING_TO_LOAD

    name = of_profile if asked == "profile" else asked
    if not name or name in NOTHING_TO_LOAD:
        return []
    try:
        from spatialgeo_ros.models.grounding_profile import load_grounding_profile

        return list(weight_findings(load_grounding_profile(name), name))
    except SpatialGeoError as error:
        return [Finding("profile-unknown", str(error))]
    except ImportError as error:
        return [
            Finding("package-missing", f"{error.name} is not installed: pip install {error.name}")
        ]


def _memory(profile: Any, need: Need) -> float:
    stated = None if profile.language is None else getattr(profile.language, "quantisation", None)
    quantisation = stated if need.quantisation == "profile" else need.quantisation
    if quantisation in profile.memory:
        return float(profile.memory[quantisation])
    precision = profile.memory_precision if need.precision == "profile" else need.precision
    return float(profile.memory.get(precision, 0.0))


def weight_findings(profile: Any, name: str) -> Iterator[Finding]:
    """Yield which files of a profile are missing or damaged.

    Args:
        profile: With ``files`` and ``checkpoints``.
        name: As the commands take it.
    """
    from spatialgeo_ros.models.files.download import verify_within

    missing, damaged = [], []
    for file in verify_within(profile, _HASHED):
        if file.state == "missing":
            missing.append(file.name)
        elif not file.good:
            damaged.append(f"{file.name} ({file.state})")
    if missing:
        yield Finding(
            "weights-missing",
            f"profile '{name}' lacks {_some(missing)}: spatialgeo models download {name}",
        )
    if damaged:
        yield Finding(
            "weights-damaged",
            f"files of profile '{name}' are not those it expects: {_some(damaged)}: "
            f"spatialgeo models download {name}",
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def engine_findings(folder: str) -> tuple[list[Finding], str]:
    """Judge the folder of engines; returns findings, and what is there in words."""
    from spatialgeo_ros.runtime.engine_cache import EngineCache
    from spatialgeo_ros.runtime.engine_manifest import Manifest

    try:
        cache = EngineCache(Path(folder).expanduser() if folder else None)
        manifests = sorted(cache.folder.glob("*.json")) if cache.folder.is_dir() else []
    except (SpatialGeoError, OSError) as error:
        return [Finding("engines-folder", str(error))], "cannot be used"
    bad = []
    for path in manifests:
        try:
            manifest = Manifest.from_json(path)
            engine = path.with_suffix(".engine")
            there = engine.stat().st_size if engine.is_file() else 0
            if there != manifest.size:
                bad.append(f"{engine.name} has {there} of {manifest.size} bytes")
        except SpatialGeoError as error:
            bad.append(str(error))
    text = f"{len(manifests)} in {cache.folder}"
    if not bad:
        return [], text
    return [
        Finding(
            "engines-damaged",
            f"engines that cannot be used are in {cache.folder}: {_some(bad)}: spatialgeo engines "
            "prune, they are built anew when needed",
        )
    ], text
