# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The image towers of a profile, each run once per frame; results stay in the frame's cache."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError, NoGeometryError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.backbones import Dinov2Backbone, Features
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.graphs import (
    CameraGraph,
    GeometryGraph,
    GeometryPlan,
    SemanticGraph,
    TowerGraph,
)
from spatialgeo_ros.models.letterbox import (
    Letterbox,
    image_values,
    spatialgeo_square,
    spatialgeo_values,
)
from spatialgeo_ros.models.moge.affine_points import floor_prior, focal_from_fov_x
from spatialgeo_ros.models.moge.base import MoGe
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.profiles import GeometryPart, ImageInput
from spatialgeo_ros.networks.interface import MonocularDepth
from spatialgeo_ros.networks.sized_networks import (
    Compiled,
    Graph,
    SizedGraph,
    SizedNetworks,
)
from spatialgeo_ros.runtime.backend import Backend
from spatialgeo_ros.runtime.cuda_graph import WorkStream
from spatialgeo_ros.runtime.transfer import download, upload

P = ParamSpec("P")
R = TypeVar("R")


def in_turn(
    method: Callable[Concatenate[FrameTowers, P], R],
) -> Callable[Concatenate[FrameTowers, P], R]:
    """Let threads take turns: measuring and the language model look through the same towers.

    What one of them computes lies in the frame's cache for the other. On a GPU it is computed in
    the towers' own stream, after what the calling thread has launched, and before what it will.
    """

    @functools.wraps(method)
    def wrapper(towers: FrameTowers, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with towers.turn:
            if towers.in_use:  # called by another method, which is in the stream already
                return method(towers, *args, **kwargs)
            towers.in_use = True
            try:
                with towers.stream.running():
                    result = method(towers, *args, **kwargs)
            finally:
                towers.in_use = False
            towers.stream.lend(result)
            return result

    return wrapper


class FrameTowers:
    """CLIP and MoGe behind one cache per frame.

    Args:
        image: how an image becomes the towers' input.
        device: where the networks are.
        dtype: of the towers' input.
        part: how the geometry network is used, or None.
        geometry: MoGe, or None.
        clip: CLIP, or None.
        backbone: the geometry tower of a published SpatialGeo, which sees CLIP's pixels, or None.
            Where ``part.shared``, MoGe's heads read its features.
        camera_prior: whether MoGe was trained with what is known of the camera's mount.
        cache_key: keeps two sets of towers apart in one frame's cache.
        sized: whether PyTorch runs each network as one graph per image size; on GPUs by default,
            where it is captured.
    """

    def __init__(
        self,
        image: ImageInput,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        *,
        part: GeometryPart | None = None,
        geometry: MoGe | None = None,
        clip: ClipVisionTower | None = None,
        backbone: Dinov2Backbone | None = None,
        camera_prior: bool = False,
        cache_key: str = "",
        sized: bool | None = None,
    ) -> None:
        self.image, self._device, self._dtype = image, device, dtype
        self._part, self._geometry, self._clip = part, geometry, clip
        self._backbone = backbone
        self._compiled: dict[str, Compiled] = {}
        #: What keeps a compiled network from being used, "" where nothing does.
        self.remark = ""
        self._camera_prior = camera_prior
        self._key = cache_key
        self.turn, self.in_use = threading.RLock(), False
        # Measuring must not wait behind a language model's tokens.
        self.stream = WorkStream(device, urgent=True)
        if sized is None:
            sized = device.type == "cuda"
        self._sized = SizedNetworks(self._sized_graph, self.stream) if sized else None

    @property
    def has_geometry(self) -> bool:
        """Whether depth can be predicted."""
        return self._geometry is not None and self._part is not None

    @property
    def has_clip(self) -> bool:
        """Whether there is a semantic tower."""
        return self._clip is not None

    def modules(self) -> tuple[nn.Module, ...]:
        """The networks."""
        found: list[nn.Module | None] = [self._geometry, self._clip]
        if self._part is None or not self._part.shared:  # else it is inside the geometry network
            found.append(self._backbone)
        return tuple(
            module
            for module in found
            if module is not None and next(module.parameters()).device.type != "meta"
        )

    def graphs(self, image_size: tuple[int, int], *, normals: bool = True) -> dict[str, Graph]:
        """The networks as graphs that another backend than PyTorch can run, by name.

        Args:
            image_size: rows and columns of camera images; matters in mode "native" only, where the
                networks' input has the camera's aspect.
            normals: whether MoGe's normals are computed, which nothing here reads.
        """
        size = (self.image.height, self.image.width)
        if self.image.mode == "native":
            size = image_size
        found: dict[str, Graph] = {}
        if self._clip is not None:
            found["semantic"] = SemanticGraph(self._clip, size)
        geometry, part = self._geometry, self._part
        if self._backbone is not None:
            network = geometry if isinstance(geometry, MoGe1) else self._backbone
            found["tower"] = TowerGraph(network, size)
        elif geometry is not None and part is not None:
            tokens = part.num_tokens or geometry.tokens_at(9)
            if isinstance(geometry, MoGe1):
                found["geometry"] = TowerGraph.for_image(geometry, tokens, size)
            elif isinstance(geometry, MoGe2):
                found["geometry"] = GeometryGraph(geometry, tokens, size, normals=normals)
        return found

    def _sized_graph(self, name: str, image_size: tuple[int, int]) -> SizedGraph:
        """One of :meth:`graphs`, without heads that are only run where depth is asked for.

        In mode "native" the geometry network begins with the camera's bytes: nothing is drawn
        around the image, and the robot waits for each launch before the network's own.
        """
        if name == "tower" and self._backbone is not None:
            return TowerGraph(self._backbone, (self.image.height, self.image.width), heads=False)
        graph = self.graphs(image_size, normals=False)[name]
        if self.image.mode == "native" and not isinstance(graph, SemanticGraph):
            if not graph.plan.prior_channels:
                return CameraGraph(graph, image_size)
        return graph

    @in_turn
    @torch.inference_mode()
    def warm_up(self, image_size: tuple[int, int]) -> None:
        """Run everything once on a grey image, so that no first frame waits for a capture.

        Args:
            image_size: rows and columns of camera images.
        """
        height, width = image_size
        image = np.full((height, width, 3), 127, np.uint8)
        view = View(image, PinholeCamera(width, height, width, width, width / 2, height / 2), None)
        if self.has_clip:
            self.clip_features(view)
        if self._backbone is not None:
            self.fused_layers(view)
        if self.has_geometry:
            self.depth(view)

    def describe(self) -> dict[str, Any]:
        """How PyTorch launches the networks: facts for diagnostics."""
        return {} if self._sized is None else self._sized.describe()

    def convert(self, dtype: torch.dtype) -> None:
        """Put the networks that PyTorch runs in another precision, before the first image."""
        for module in self.modules():
            module.to(dtype)
        self._dtype = dtype

    def use(self, name: str, graph: Graph, backend: Backend) -> None:
        """Run a network of :meth:`graphs` on ``backend`` from now on."""
        plan = None if isinstance(graph, SemanticGraph) else graph.plan
        self._compiled[name] = Compiled(backend, plan)
        if self.image.mode == "square":
            # Every image has the compiled size, so PyTorch's copy of the weights is never run
            # again; on a robot's shared memory it would cost as much as the engine.
            for network in graph.children():
                network.to("meta")

    def close(self) -> None:
        """Let the networks go."""
        for one in self._compiled.values():
            one.backend.close()
        self._compiled.clear()
        if self._sized is not None:
            self._sized.close()
        self._geometry = self._clip = self._backbone = None

    @in_turn
    def release_intermediates(self, view: View) -> None:
        """Free the input and MoGe's raw maps of a view; depth and visual tokens stay.

        A kept frame of the large networks would hold 80 MB of the GPU otherwise.
        """
        for name in ("pixels", "geometry", "backbone"):
            view.cache.pop(f"{self._key}{name}", None)

    def letterbox(self, view: View) -> Letterbox:
        """Where a view's image lies in the towers' input."""
        key = f"{self._key}letterbox"
        if key not in view.cache:
            height, width = view.image.shape[:2]
            size = (self.image.width, self.image.height)
            if self.image.mode == "native":
                size = (width, height)
            view.cache[key] = Letterbox.fit((width, height), size)
        box: Letterbox = view.cache[key]
        return box

    @in_turn
    def pixels(self, view: View) -> Tensor:
        """The towers' input ``[1, 3, h, w]`` on the device, float32.

        RGB in [0, 1]; in mode "square" normalised as CLIP wants it, as both towers of the published
        SpatialGeo get it.
        """
        key = f"{self._key}pixels"
        if key not in view.cache:
            # Bytes travel to the device, a quarter of what the numbers would be.
            if self.image.mode == "square":
                square = spatialgeo_square(view.image, self.image.width)
                values = spatialgeo_values(upload(square, self._device))
            elif self.image.mode == "native":
                values = image_values(upload(view.image, self._device))
            else:
                small = self.letterbox(view).image(view.image, self.image.pad_colour)
                values = image_values(upload(small, self._device))
            view.cache[key] = values[None]
        pixels: Tensor = view.cache[key]
        return pixels

    @in_turn
    def content(self, view: View) -> Tensor:
        """The towers' input without the bars around the camera image, ``[1, 3, h, w]``."""
        box = self.letterbox(view)
        (x, y), (w, h) = box.offset, box.content
        return self.pixels(view)[..., y : y + h, x : x + w]

    @in_turn
    def clip_features(self, view: View) -> Tensor:
        """CLIP's patch features ``[1, P, C]``.

        Raises:
            ModelLoadError: there is no CLIP tower.
        """
        if self._clip is None:
            raise ModelLoadError("this profile has no CLIP tower")
        key = f"{self._key}clip"
        if key not in view.cache:
            pixels = self.pixels(view)
            if self.image.mode != "square":
                pixels = self._clip.normalise(pixels)
            compiled = self._network("semantic", view)
            if compiled is not None:
                out = compiled.backend.run({"pixel_values": pixels})
                view.cache[key] = out["patch_features"]
            else:
                view.cache[key] = self._clip(pixels.to(self._dtype))
        features: Tensor = view.cache[key]
        return features

    @in_turn
    def fused_layers(self, view: View) -> list[Tensor]:
        """The four layers that the hierarchical adapter reads, each ``[1, P, C]``.

        Raises:
            ModelLoadError: there is no geometry tower.
        """
        if self._backbone is not None:
            return self._backbone_features(self._backbone, view).tokens()
        features: Features = self.predictions(view)["features"]
        return features.tokens()

    def _backbone_features(self, backbone: Dinov2Backbone, view: View) -> Features:
        key = f"{self._key}backbone"
        if key not in view.cache:
            if "tower" in self._compiled:
                # One run gives the layers and, where the tower has heads, the raw maps.
                view.cache[f"{self._key}geometry"] = self._compiled["tower"].run(
                    {"pixel_values": self.pixels(view)}
                )
                view.cache[key] = view.cache[f"{self._key}geometry"]["features"]
            elif self._sized is not None:
                tower = self._sized.network("tower", (self.image.height, self.image.width))
                view.cache[key] = tower.run({"pixel_values": self.pixels(view)})["features"]
            else:
                view.cache[key] = backbone(self.pixels(view).to(self._dtype))
        features: Features = view.cache[key]
        return features

    @in_turn
    def predictions(self, view: View) -> dict[str, Any]:
        """MoGe's raw output; the camera prior is zeros where camera or mount are unknown.

        Raises:
            ModelLoadError: there is no geometry network.
        """
        key = f"{self._key}geometry"
        if key not in view.cache:
            view.cache[key] = self._predict(*self._require_geometry(), view)
        predictions: dict[str, Any] = view.cache[key]
        return predictions

    def _require_geometry(self) -> tuple[MoGe, GeometryPart]:
        if self._geometry is None or self._part is None:
            raise ModelLoadError("this profile has no geometry network")
        return self._geometry, self._part

    def _predict(self, geometry: MoGe, part: GeometryPart, view: View) -> dict[str, Any]:
        if part.shared and isinstance(geometry, MoGe1) and self._backbone is not None:
            size = (self.image.height, self.image.width)
            features = self._backbone_features(self._backbone, view)
            if "tower" in self._compiled:
                found: dict[str, Any] = view.cache[f"{self._key}geometry"]
                return found
            return geometry.predict_from_features(features, size, size[1] / size[0])
        compiled = self._network("geometry", view)
        if compiled is not None and compiled.reads_bytes:
            return compiled.run({"image": upload(view.image, self._device)[None]})
        pixels, prior = self.pixels(view), None
        if self._camera_prior and view.camera is not None and view.mount is not None:
            seen = self.letterbox(view).camera(view.camera)
            values = floor_prior(seen, view.mount.gravity, view.mount.height)
            prior = upload(values, self._device)[None]
        if compiled is not None and compiled.plan is not None:
            return compiled.run(compiled.plan.prepare(pixels, prior))
        tokens = part.num_tokens or geometry.tokens_at(9)
        # Resized and normalised in float32.
        return geometry(pixels, tokens, prior, upsample=False, normals=False)

    def _network(self, name: str, view: View) -> Compiled | None:
        """What runs a network for a view's size; None where PyTorch runs it as it is."""
        compiled = self._compiled.get(name)
        if compiled is not None and (compiled.plan is None or self._fits(compiled.plan, view)):
            return compiled
        if self._sized is None:
            return None
        # Only in mode "native" do the networks see the camera's own size.
        size = view.image.shape[:2] if self.image.mode == "native" else None
        return self._sized.network(name, size or (self.image.height, self.image.width))

    def _fits(self, plan: GeometryPlan, view: View) -> bool:
        """Whether a view has the aspect that the geometry network was compiled for."""
        height, width = view.image.shape[:2]
        fits = self.image.mode != "native" or abs(width / height - plan.aspect) < 1e-6
        self.remark = "" if fits else (
            f"images of {width}x{height} run in PyTorch: the geometry network was compiled for "
            f"images {plan.aspect:.3f} times as wide as high (see engine_image_size)"
        )  # fmt: skip
        return fits

    @in_turn
    def points(self, view: View) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Depth and validity of the towers' input, at the size of MoGe's decoder.

        Metres, or up to one factor where the network has no metric scale. With a known camera its
        focal length is given to the recovery of the shift.
        """
        key = f"{self._key}points"
        if key in view.cache:
            found: tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] = view.cache[key]
            return found
        out = self.predictions(view)
        geometry, part = self._require_geometry()
        fov = None
        if view.camera is not None:
            seen = self.letterbox(view).camera(view.camera)
            fov = math.degrees(2 * math.atan(0.5 * seen.width / seen.fx))
        solved = None
        if self._sized is not None:
            rows, columns = out["points"].shape[1:3]
            focal = (
                None if fov is None else float(focal_from_fov_x(torch.tensor(fov), columns / rows))
            )
            solved = self._sized.depth(geometry, out, free_shift=part.recover_shift, focal=focal)
        if solved is None:
            result = geometry.to_metric(
                out, fov_x=fov, apply_mask=False, free_shift=part.recover_shift
            )
            z, valid = download(result["depth"][0].float(), result["mask"][0])
            solved = (z, valid)
        view.cache[key] = solved
        return self.points(view)

    @in_turn
    def depth(self, view: View) -> MonocularDepth:
        """Depth over the camera image's own view.

        Raises:
            ModelLoadError: there is no geometry network.
        """
        geometry, part = self._require_geometry()
        z, mask = self.points(view)
        # Back from the input with its bars to the camera image's view.
        box = self.letterbox(view)
        size = content_size(box, z.shape)
        if size != (z.shape[1], z.shape[0]):
            z, mask = box.resample(z, size), box.resample(mask.astype(np.float32), size) > 0.5
        return MonocularDepth(z, mask, part.relative_sigma, metric=geometry.has_metric_scale)

    @in_turn
    def recovered_camera(self, view: View) -> PinholeCamera:
        """Pinhole camera that fits the geometry network's points, where no calibration is known.

        A pass of its own over the whole image: the maps that depth is read from have, rounded to
        whole patches, another aspect.

        Raises:
            ModelLoadError: there is no geometry network.
            NoGeometryError: no focal length fits.
        """
        geometry, part = self._require_geometry()
        height, width = view.image.shape[:2]
        pixels = torch.from_numpy(view.image).permute(2, 0, 1).float() / 255
        found = geometry.infer(
            pixels, part.num_tokens, apply_mask=False, free_shift=part.recover_shift
        )
        fx, fy = (float(found["intrinsics"][k, k]) * side for k, side in enumerate((width, height)))
        if not (math.isfinite(fx) and fx > 0):
            raise NoGeometryError("what the geometry network sees fits no focal length")
        return PinholeCamera(width, height, fx, fy, (width - 1) / 2, (height - 1) / 2)

    def seen_camera(self, view: View) -> PinholeCamera:
        """Calibration of the towers' input; of the simulated camera where the view's is unknown."""
        camera = view.camera
        if camera is None:
            height, width = view.image.shape[:2]
            fx = 525.0 / 640.0 * width
            camera = PinholeCamera(width, height, fx, fx, (width - 1) / 2, (height - 1) / 2)
        return self.letterbox(view).camera(camera)


def content_size(box: Letterbox, shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of the image's own part of a map [rows, columns] over the input."""
    rows, columns = shape[0], shape[1]
    return (
        max(1, round(columns * box.content[0] / box.target[0])),
        max(1, round(rows * box.content[1] / box.target[1])),
    )
