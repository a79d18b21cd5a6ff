# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The image towers of a profile, each run once per frame; results stay in the frame's cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.models.clip import Clip
from spatialgeo_ros.models.moge import MoGe2
from spatialgeo_ros.models.moge_geometry import floor_prior
from spatialgeo_ros.models.preprocess import Letterbox, image_tensor
from spatialgeo_ros.models.profiles import Profile
from spatialgeo_ros.perception.results import Mount


class FrameTowers:
    """CLIP and MoGe behind one cache per frame.

    ``cache`` is a dictionary that belongs to one frame, in every method.

    Args:
        profile: what was loaded.
        device: where the networks are.
        geometry: MoGe-2, or None.
        clip: CLIP, or None.
    """

    def __init__(
        self, profile: Profile, device: torch.device, geometry: MoGe2 | None, clip: Clip | None
    ) -> None:
        self._profile, self._device = profile, device
        self._geometry, self._clip = geometry, clip

    def letterbox(self, image: np.ndarray, cache: dict[str, Any]) -> Letterbox:
        """Where a frame's image lies in the networks' input."""
        if "letterbox" not in cache:
            size = (self._profile.image.width, self._profile.image.height)
            cache["letterbox"] = Letterbox.fit((image.shape[1], image.shape[0]), size)
        box: Letterbox = cache["letterbox"]
        return box

    def pixels(self, image: np.ndarray, cache: dict[str, Any]) -> Tensor:
        """The networks' input ``[1, 3, h, w]`` in [0, 1], on the device."""
        if "pixels" not in cache:
            small = self.letterbox(image, cache).image(image, self._profile.image.pad_colour)
            precision = getattr(torch, self._profile.precision)
            cache["pixels"] = image_tensor(small).to(self._device, precision)
        pixels: Tensor = cache["pixels"]
        return pixels

    def clip_features(self, image: np.ndarray, cache: dict[str, Any]) -> Tensor:
        """CLIP's patch features ``[1, P, C]``.

        Raises:
            ModelLoadError: the profile has no CLIP tower.
        """
        if self._clip is None:
            raise ModelLoadError(f"profile '{self._profile.name}' has no CLIP tower")
        if "clip" not in cache:
            cache["clip"] = self._clip(self._clip.normalise(self.pixels(image, cache)))
        features: Tensor = cache["clip"]
        return features

    def predictions(
        self,
        image: np.ndarray,
        camera: PinholeCamera | None,
        mount: Mount | None,
        cache: dict[str, Any],
    ) -> dict[str, Any]:
        """MoGe's raw output; the camera prior is zeros where camera or mount are unknown.

        Raises:
            ModelLoadError: the profile has no geometry network.
        """
        part = self._profile.geometry
        if self._geometry is None or part is None:
            raise ModelLoadError(f"profile '{self._profile.name}' has no geometry network")
        if "geometry" not in cache:
            pixels = self.pixels(image, cache)
            prior = None
            if camera is not None and mount is not None and self._profile.camera is not None:
                seen = self.letterbox(image, cache).camera(camera)
                values = floor_prior(seen, mount.gravity, mount.height)
                prior = torch.from_numpy(values)[None].to(pixels)
            cache["geometry"] = self._geometry(pixels, part.num_tokens, prior, upsample=False)
        predictions: dict[str, Any] = cache["geometry"]
        return predictions

    def metric(
        self,
        image: np.ndarray,
        camera: PinholeCamera | None,
        mount: Mount | None,
        cache: dict[str, Any],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Metric depth and validity of the letterboxed input at the decoder's size."""
        if "metric" in cache:
            found: tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] = cache["metric"]
            return found
        out = self.predictions(image, camera, mount, cache)
        part = self._profile.geometry
        if self._geometry is not None and part is not None and part.recover_shift:
            fov = None
            if camera is not None:
                seen = self.letterbox(image, cache).camera(camera)
                fov = math.degrees(2 * math.atan(0.5 * seen.width / seen.fx))
            result = self._geometry.to_metric(out, fov_x=fov, apply_mask=False)
            z, mask = result["depth"][0], result["mask"][0]
        else:
            z = out["points"][0, ..., 2].float() * out["metric_scale"][0].float()
            mask = (out["mask"][0] > 0.5) & (z > 0)
        cache["metric"] = (
            np.asarray(z.float().cpu().numpy(), np.float32),
            np.asarray(mask.cpu().numpy(), bool),
        )
        return self.metric(image, camera, mount, cache)
