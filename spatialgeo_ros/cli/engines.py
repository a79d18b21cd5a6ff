# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo engines``: build compiled encoders ahead of time, list, verify and delete them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.profile_source import (
    is_grounding,
    read_grounding_profile,
    read_profile,
)

if TYPE_CHECKING:
    import torch

    from spatialgeo_ros.models.grounding_profile import GroundingProfile
    from spatialgeo_ros.models.profiles import Profile
    from spatialgeo_ros.runtime.engine_cache import EngineCache
    from spatialgeo_ros.runtime.engine_manifest import Manifest
    from spatialgeo_ros.runtime.gate import Encoder, EngineContext


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "engines",
        help="build, list, verify or delete compiled encoders",
        description="Compiled encoders (TensorRT, TensorRT for RTX) and checked exports (ONNX "
        "Runtime) that the node loads at start.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser(
        "build",
        help="build what is missing and compare it with PyTorch",
        description="Without --target and --backend: the best that this machine can run.",
    )
    _add_profile(build, required=True)
    build.add_argument(
        "--target", action="append", default=[], metavar="sm_XX",
        help="build ahead of time for a chip that need not be here, with TensorRT for RTX; may be "
        "repeated (sm_75 to sm_121)",
    )  # fmt: skip
    build.add_argument(
        "--backend", default="auto",
        choices=("auto", "tensorrt", "tensorrt_rtx", "onnxruntime"), help="default: auto",
    )  # fmt: skip
    build.add_argument(
        "--precision", choices=("fp16", "bf16", "fp32"), help="default: what the profile says"
    )
    build.add_argument(
        "--weights", choices=("native", "int8", "fp8"),
        help="of matrices; 8 bits halve the memory (fp8: since SM89); default: what the profile "
        "says",
    )  # fmt: skip
    actions.add_parser("list", help="the engines that are there, each file verified").add_argument(
        "--folder", type=Path, help=_FOLDER_HELP
    )
    verify = actions.add_parser(
        "verify",
        help="check every file; with --profile compare with PyTorch again",
        description="Exit status 1 where an engine is damaged, foreign or computes something else.",
    )
    _add_profile(verify, required=False)
    prune = actions.add_parser(
        "prune",
        help="delete engines that cannot be used",
        description="Damaged and foreign engines; with --profile also those of its earlier "
        "weights, code and module versions; with --all every engine.",
    )
    _add_profile(prune, required=False)
    prune.add_argument("--all", action="store_true", help="delete every engine")
    parser.set_defaults(run=run)


_FOLDER_HELP = "of the engines (default: SPATIALGEO_ENGINES, engines/ of a checkout, user cache)"


@dataclass(frozen=True)
class Export:
    """An exported network in an engine folder.

    Attributes:
        name: Of its ONNX file.
        sha256: Of ONNX file and weights, as read now; "" for a damaged one.
        problem: "" for a good one.
    """

    name: str
    sha256: str
    problem: str = ""


def _add_profile(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument(
        "--profile", required=required, metavar="NAME|FILE", help="model or grounding profile"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")
    parser.add_argument("--folder", type=Path, help=_FOLDER_HELP)
    parser.add_argument(
        "--image-size", default="640x480", metavar="WxH",
        help="of the camera's images; for profiles that see them in their own size and aspect",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Do one action."""
    if getattr(options, "profile", None) is not None:
        # Before PyTorch is imported, which takes seconds.
        read = read_grounding_profile if is_grounding(options.profile) else read_profile
        read(options.profile)
    from spatialgeo_ros.runtime.engine_cache import EngineCache

    cache = EngineCache(options.folder)
    actions: dict[str, Callable[[argparse.Namespace, EngineCache], int]] = {
        "build": _build,
        "list": _list,
        "verify": _verify,
        "prune": _prune,
    }
    return actions[options.action](options, cache)


def _load_profile(name: str) -> Profile | GroundingProfile:
    from spatialgeo_ros.models.grounding_profile import load_grounding_profile
    from spatialgeo_ros.models.profiles import load_profile

    return load_grounding_profile(name) if is_grounding(name) else load_profile(name)


def _encoders(
    options: argparse.Namespace, cache: EngineCache
) -> tuple[EngineContext, list[Encoder]]:
    """The encoders of a profile, its image towers or its detector loaded."""
    from spatialgeo_ros.models.construction import choose_device
    from spatialgeo_ros.runtime.gate import EngineContext

    profile = _load_profile(options.profile)
    device = choose_device(options.device)
    width, height = _size(options.image_size)
    settings = profile.engines
    for name in ("precision", "weights"):
        if getattr(options, name, None):
            settings = replace(settings, **{name: getattr(options, name)})
    make = _grounding_encoders if is_grounding(options.profile) else _tower_encoders
    changed: Any = replace(profile, engines=settings)
    encoders = make(changed, options, device, (height, width), cache)
    if not encoders:
        raise ModelLoadError(f"profile '{profile.name}' has no network that can be compiled")
    return EngineContext(cache, device, profile=options.profile), encoders


def _tower_encoders(
    profile: Profile,
    options: argparse.Namespace,
    device: torch.device,
    image_size: tuple[int, int],
    cache: EngineCache,
) -> list[Encoder]:
    from spatialgeo_ros.networks.loader import load_towers
    from spatialgeo_ros.networks.tower_engines import tower_encoder

    del options
    return [
        tower_encoder(profile, name, graph, cache.folder)
        for tower in load_towers(profile, device)
        for name, graph in tower.graphs(image_size).items()
    ]


def _grounding_encoders(
    profile: GroundingProfile,
    options: argparse.Namespace,
    device: torch.device,
    image_size: tuple[int, int],
    cache: EngineCache,
) -> list[Encoder]:
    from spatialgeo_ros.grounding.engines import compilable, network_encoder
    from spatialgeo_ros.grounding.factory import load_grounding

    loaded = load_grounding(options.profile, str(device))
    if loaded is None:
        return []
    made = []
    for networks in compilable(loaded.parts):
        graphs = networks.graphs(image_size)
        made += [network_encoder(profile, networks, name, graphs, cache.folder) for name in graphs]
    return made


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ModelLoadError(f"--image-size is WIDTHxHEIGHT in pixels, such as 640x480: '{text}'")
    return int(parts[0]), int(parts[1])


def _build(options: argparse.Namespace, cache: EngineCache) -> int:
    from spatialgeo_ros.runtime.backend import BackendUnavailableError
    from spatialgeo_ros.runtime.candidates import obtain_engine
    from spatialgeo_ros.runtime.select import select_backend
    from spatialgeo_ros.runtime.tensorrt_module import Device, find_tensorrt

    trt = None
    if options.target:
        if options.backend == "onnxruntime":
            raise BackendUnavailableError("ONNX Runtime compiles nothing ahead: leave out --target")
        trt = find_tensorrt("tensorrt" if options.backend == "tensorrt" else "tensorrt_rtx")
        for target in options.target:
            trt.check_target(target)
    context, encoders = _encoders(options, cache)
    policy = "next_backend" if options.backend == "auto" else "fail"
    for encoder in encoders:
        if trt is None:
            with _bar(encoder.name) as progress:
                here = replace(context, progress=progress)
                selection = select_backend(encoder, here, options.backend, policy)
            print(f"{encoder.name}: {selection}")
            if selection.check is not None:
                print(f"  {selection.check}")
            if selection.kind != "torch":
                selection.backend.close()
            continue
        for target in options.target:
            with _bar(f"{encoder.name} {target}") as progress:
                _, key, manifest, _, built = obtain_engine(
                    trt, encoder, Device(target), replace(context, progress=progress)
                )
            how = f"built in {manifest.build_seconds:.1f} s" if built else "was there"
            print(f"{cache.path(key, encoder.name)}: {how}, {manifest.size / 1e6:.1f} MB")
    return 0


@contextmanager
def _bar(title: str) -> Iterator[Callable[[str, float], None]]:
    """A progress bar that appears with the first step of a build."""
    from tqdm import tqdm

    bars: list[Any] = []

    def progress(phase: str, share: float) -> None:
        if not bars:
            # disable=None: none where the output is no terminal
            bars.append(tqdm(total=100, desc=title, unit="%", leave=False, disable=None))
        bars[0].set_postfix_str(phase[:40], refresh=False)
        bars[0].update(round(100 * share) - bars[0].n)

    try:
        yield progress
    finally:
        for bar in bars:
            bar.close()


def _list(options: argparse.Namespace, cache: EngineCache) -> int:
    del options
    print(f"engines in {cache.folder}")
    exports = _exports(cache)
    for entry in cache.entries():
        if entry.manifest is None or entry.problem:
            print(f"  {entry.path.name}  NOT USABLE: {entry.problem}")
            continue
        if problem := _export_problem(entry.manifest, exports):
            print(f"  {entry.path.name}  NOT USED: {problem}")
            continue
        key = entry.manifest.key
        device = f"{key.gpu} ({key.sm})" if key.gpu else key.sm
        size = f"{entry.manifest.size / 1e6:.1f} MB" if entry.manifest.size else "no file"
        print(
            f"  {entry.manifest.name:24} {key.module} {key.version:12} {device:16} "
            f"{key.precision}  {size:>9}  {entry.manifest.built}  {_checks(entry.manifest)}"
        )
    return 0


def _exports(cache: EngineCache) -> list[Export]:
    """Read every export in a folder."""
    from spatialgeo_ros.runtime.onnx_file import read_onnx_model

    found = []
    for description in sorted((cache.folder / "onnx").glob("*.onnx.json")):
        path = description.with_suffix("")
        try:
            found.append(Export(path.name, read_onnx_model(path).sha256))
        except ModelLoadError as error:
            found.append(Export(path.name, "", str(error)))
    return found


def _export_problem(manifest: Manifest, exports: list[Export]) -> str:
    """Say why an engine does not belong to an export that is there; "" where it does."""
    if any(export.sha256 == manifest.key.onnx_sha256 for export in exports):
        return ""
    of_network = [export for export in exports if export.name.startswith(f"{manifest.name}-")]
    damaged = [export.problem for export in of_network if export.problem]
    if damaged:
        return damaged[0]
    if of_network:
        return "its export has changed since (weights, code or versions); see engines prune"
    return "its export is not there"


def _checks(manifest: Manifest) -> str:
    if not manifest.checks:
        return "not yet compared on any machine"
    passed = sum(bool(check.get("passed")) for check in manifest.checks.values())
    return f"agrees with PyTorch on {passed} of {len(manifest.checks)} machines"


def _verify(options: argparse.Namespace, cache: EngineCache) -> int:
    entries = cache.entries()
    bad = [entry for entry in entries if entry.problem]
    for entry in bad:
        print(f"{entry.path.name}: {entry.problem}")
    print(f"{len(entries) - len(bad)} of {len(entries)} engines in {cache.folder} are whole")
    damaged = [export.problem for export in _exports(cache) if export.problem]
    for problem in damaged:
        print(problem)
    failed = 0
    if options.profile is not None:
        failed = _compare(options, cache)
    return 1 if bad or damaged or failed else 0


def _compare(options: argparse.Namespace, cache: EngineCache) -> int:
    """Run the whole gate on every engine of a profile that runs here; returns failures."""
    from spatialgeo_ros.runtime.backend import BackendUnavailableError
    from spatialgeo_ros.runtime.engine_manifest import StaleEngineError
    from spatialgeo_ros.runtime.select import MAKERS

    context, encoders = _encoders(options, cache)
    context = replace(context, build=False, recheck=True)
    failed = 0
    for encoder in encoders:
        for kind, make in MAKERS.items():
            try:
                backend, report = make(encoder, context)
            except (BackendUnavailableError, StaleEngineError) as error:
                print(f"{encoder.name}: {kind} not compared: {error}")
            except ModelLoadError as error:
                failed += 1
                print(f"{encoder.name}: {kind} FAILED: {error}")
            else:
                if report is not None:  # None is the reference itself
                    print(f"{encoder.name}: {report}")
                    backend.close()
    return failed


def _prune(options: argparse.Namespace, cache: EngineCache) -> int:
    if options.profile is not None and not options.all:
        keep = _current(options.profile, cache)
    else:
        keep = _none if options.all else _every
    deleted = cache.prune(keep)
    for path in deleted:
        print(f"deleted {path}")
    print(f"{len(deleted)} files deleted, {len(cache.entries())} engines left in {cache.folder}")
    return 0


def _every(manifest: Manifest) -> bool:
    del manifest
    return True


def _none(manifest: Manifest) -> bool:
    del manifest
    return False


def _current(profile_name: str, cache: EngineCache) -> Callable[[Manifest], bool]:
    """Keep what belongs to other profiles, or to this one's exports and the modules installed."""
    from spatialgeo_ros.runtime.backend import BackendUnavailableError
    from spatialgeo_ros.runtime.onnx_backend import require_onnxruntime
    from spatialgeo_ros.runtime.onnx_file import read_onnx_model
    from spatialgeo_ros.runtime.tensorrt_module import IMPORT_NAMES, find_tensorrt

    name = _load_profile(profile_name).name
    exports = {
        read_onnx_model(path.with_suffix(""), verify=False).sha256
        for path in (cache.folder / "onnx").glob(f"{name}-*.onnx.json")
    }
    versions: dict[str, str] = {}
    for kind in (*IMPORT_NAMES, "onnxruntime"):
        try:
            if kind == "onnxruntime":
                versions[kind] = str(require_onnxruntime().__version__)
            else:
                versions[kind] = find_tensorrt(kind).version
        except BackendUnavailableError:
            continue  # engines for another machine, whose version is not known here, are kept

    def keep(manifest: Manifest) -> bool:
        key = manifest.key
        if not manifest.name.startswith(f"{name}-"):
            return True
        return key.onnx_sha256 in exports and versions.get(key.module, key.version) == key.version

    return keep
