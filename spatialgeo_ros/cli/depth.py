# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo depth``: depth, points, normals and focal length of one image, as files."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.cli.depth_files import (
    depth_edges,
    depth_exr,
    depth_png,
    mask_png,
    normal_png,
    point_cloud_ply,
)
from spatialgeo_ros.cli.inputs import add_camera
from spatialgeo_ros.errors import BadRequestError, ModelLoadError, NoGeometryError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.models.profile_source import read_profile
from spatialgeo_ros.recordings.image_codec import read_colour_file
from spatialgeo_ros.recordings.rgbd_folder import read_camera
from spatialgeo_ros.runtime.files import write_atomically

if TYPE_CHECKING:
    from spatialgeo_ros.models.moge.base import MoGe

_WEIGHTS = (".pt", ".pth", ".safetensors")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "depth",
        help="depth, points, normals and focal length of one image, as files",
        description="Runs MoGe on one image and writes depth.png (16 bit, millimetres), depth.exr "
        "(float metres), points.ply, mask.png, intrinsics.json and, where the network has them, "
        "normal.png.",
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="colour image")
    parser.add_argument(
        "--profile", default="nano", metavar="NAME|FILE",
        help="profile with a geometry network (moge2_l, ...), or an official MoGe checkpoint: "
        "model.pt or .safetensors",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the files (IMAGE_depth by default)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")
    parser.add_argument("--fp16", action="store_true", help="half precision, for GPUs")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--resolution-level", type=int, metavar="0-9", help="detail against time (9: the most)"
    )
    size.add_argument("--num-tokens", type=int, metavar="N", help="patches, instead of a level")
    parser.add_argument(
        "--fov-x", type=float, metavar="DEG",
        help="horizontal field of view, where it is known and there is no calibration",
    )  # fmt: skip
    add_camera(parser)
    parser.add_argument(
        "--edges", type=float, default=0.04, metavar="SHARE",
        help="leave points out of points.ply where depth jumps by more than this share; 0 keeps "
        "all (default %(default)s)",
    )  # fmt: skip
    parser.set_defaults(run=run)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says about an image.

    Attributes:
        depth: [H, W] along the optical axis, metres or of unknown scale.
        points: [H, W, 3] in the optical frame.
        valid: [H, W] bool.
        normal: [H, W, 3] unit, or None.
        camera: intrinsics used: those given, or recovered ones.
        metric: whether the unit is the metre.
    """

    depth: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    normal: npt.NDArray[np.float32] | None
    camera: PinholeCamera
    metric: bool


def run(options: argparse.Namespace) -> int:
    """Predict, write, and print what was written."""
    if Path(options.profile).suffix not in _WEIGHTS:
        read_profile(options.profile)  # before PyTorch is imported, which takes seconds
    image = read_colour_file(options.image)
    height, width = image.shape[:2]
    camera = read_camera(options.camera_info, width, height) if options.camera_info else None
    if camera is not None and options.fov_x is not None:
        raise BadRequestError("--fov-x and --camera-info both give the focal length; use one")
    if options.fov_x is not None and not 0 < options.fov_x < 180:
        raise BadRequestError(f"--fov-x must be between 0 and 180 degrees, not {options.fov_x}")
    if options.resolution_level is not None and not 0 <= options.resolution_level <= 9:
        raise BadRequestError(f"--resolution-level is 0 to 9, not {options.resolution_level}")
    if options.num_tokens is not None and options.num_tokens < 1:
        raise BadRequestError(f"--num-tokens must be positive, not {options.num_tokens}")
    found = _predict(options, image, camera)
    source = "calibration" if camera is not None else "recovered"
    if options.fov_x is not None:
        source = "given field of view"
    _write(options, image, found, source)
    return 0


def _predict(
    options: argparse.Namespace, image: np.ndarray, camera: PinholeCamera | None
) -> Prediction:
    """Run the network at the image's own size."""
    import torch

    from spatialgeo_ros.memory.observation import Mount
    from spatialgeo_ros.models.construction import choose_device
    from spatialgeo_ros.models.moge.affine_points import floor_prior, focal_from_fx

    height, width = image.shape[:2]
    model, tokens, free_shift, takes_prior = _load(options.profile, image)
    device = choose_device(options.device)
    model = model.to(device, torch.float16 if options.fp16 else torch.float32)
    if options.num_tokens is not None:
        tokens = options.num_tokens
    elif options.resolution_level is not None or tokens is None:
        tokens = model.tokens_at(
            9 if options.resolution_level is None else options.resolution_level
        )
    pixels = torch.from_numpy(image).to(device).permute(2, 0, 1).float() / 255
    focal = prior = None
    if camera is not None:
        focal = focal_from_fx(torch.tensor([camera.fx], device=device), width, height)[0]
        if takes_prior and options.mount_height is not None:
            mount = Mount.from_pitch(options.mount_height, math.radians(options.mount_pitch))
            prior = torch.from_numpy(floor_prior(camera, mount.gravity, mount.height)).to(pixels)
    out = model.infer(
        pixels[None],
        tokens,
        focal=None if focal is None else focal[None],
        fov_x=options.fov_x,
        prior=None if prior is None else prior[None],
        apply_mask=False,
        free_shift=free_shift,
    )
    arrays = {key: value[0].float().cpu().numpy() for key, value in out.items()}
    valid = (arrays["mask"] > 0) & np.isfinite(arrays["depth"]) & (arrays["depth"] > 0)
    if not valid.any():
        raise NoGeometryError(f"the network finds nothing with a depth in {options.image}")
    points = arrays["points"]
    if camera is None:
        matrix = arrays["intrinsics"]
        if not matrix[0, 0] > 0:
            raise NoGeometryError(
                f"what the network sees in {options.image} fits no focal length; give one with "
                "--camera-info or --fov-x"
            )
        # Normalised by the image's size, with pixel centres at (j + 0.5) / width.
        camera = PinholeCamera(
            width, height, float(matrix[0, 0]) * width, float(matrix[1, 1]) * height,
            float(matrix[0, 2]) * width - 0.5, float(matrix[1, 2]) * height - 0.5,
        )  # fmt: skip
    else:
        points = camera.rays() * arrays["depth"][..., None]
        valid &= np.isfinite(points).all(axis=-1)
    return Prediction(
        arrays["depth"], points, valid, arrays.get("normal"), camera, model.has_metric_scale
    )


def _load(name: str, image: np.ndarray) -> tuple[MoGe, int | None, bool, bool]:
    """Network of a profile or checkpoint, its patches, and how it was trained.

    Returns:
        Network on the CPU, patches (None: by resolution level), whether its z has a free shift, and
        whether it takes a camera prior.

    Raises:
        ModelLoadError: there is no such network.
        NoGeometryError: the profile's networks do not know such images.
    """
    from spatialgeo_ros.models.construction import load_domain, load_geometry
    from spatialgeo_ros.models.letterbox import Letterbox, image_tensor
    from spatialgeo_ros.models.moge.moge_checkpoint import load_moge
    from spatialgeo_ros.models.profiles import load_profile

    if Path(name).suffix in _WEIGHTS:
        return load_moge(name), None, True, False
    profile = load_profile(name)
    part = profile.geometry
    if part is None or part.weights is None:
        raise ModelLoadError(
            f"profile '{profile.name}' has no geometry network of its own; use one of the moge2 "
            "profiles, or the path of a MoGe checkpoint"
        )
    if profile.domain is not None:
        size = (image.shape[1], image.shape[0])
        box = Letterbox.fit(size, (profile.image.width, profile.image.height))
        content = image_tensor(box.scaled(image))
        if unfamiliar := load_domain(profile.domain).remark(content, profile.name):
            raise NoGeometryError(
                f"no depth from the geometry network: {unfamiliar}; choose another profile or a "
                "MoGe checkpoint"
            )
    model = load_geometry(part)
    return model, part.num_tokens, part.recover_shift, profile.camera is not None


def _write(options: argparse.Namespace, image: np.ndarray, found: Prediction, source: str) -> None:
    """Write every file that the prediction has something for, and say so."""
    folder = options.out or Path(f"{options.image.stem}_depth")
    keep = found.valid
    if options.edges > 0:
        keep = keep & ~depth_edges(found.depth, found.valid, options.edges)
    camera = found.camera
    fov = [math.degrees(camera.hfov), math.degrees(camera.vfov)]
    facts = {
        "width": camera.width,
        "height": camera.height,
        "fx": camera.fx,
        "fy": camera.fy,
        "cx": camera.cx,
        "cy": camera.cy,
        "distortion_model": camera.distortion_model,
        "distortion": list(camera.distortion),
        "fov_x_deg": fov[0],
        "fov_y_deg": fov[1],
        "source": source,
        "metric": found.metric,
    }
    files = {
        "depth.exr": depth_exr(found.depth, found.valid),
        "mask.png": mask_png(found.valid),
        "points.ply": point_cloud_ply(found.points, image, keep),
        "intrinsics.json": (json.dumps(facts, indent=2) + "\n").encode(),
    }
    notes = []
    if found.metric:
        files["depth.png"], too_far = depth_png(found.depth, found.valid)
        if too_far:
            notes.append(f"{too_far} pixels beyond 65.5 m are 0 in depth.png, but not in depth.exr")
    else:
        notes.append("this network knows no metres: the scale is arbitrary, so no depth.png")
    if found.normal is not None:
        files["normal.png"] = normal_png(found.normal, found.valid)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, content)
            print(folder / name)
    except OSError as error:
        raise BadRequestError(f"cannot write to {folder}: {error}") from error
    near, middle, far = np.quantile(found.depth[found.valid], (0.01, 0.5, 0.99))
    unit = " m" if found.metric else ""
    print(
        f"depth {near:.3g} to {far:.3g}{unit}, median {middle:.3g}{unit}; "
        f"{found.valid.mean():.0%} of the pixels have one; {int(keep.sum())} points"
    )
    print(
        f"focal length {camera.fx:.1f}, {camera.fy:.1f} px, "
        f"field of view {fov[0]:.1f} x {fov[1]:.1f} degrees ({source})"
    )
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
