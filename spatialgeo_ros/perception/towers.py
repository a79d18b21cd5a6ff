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
from spatialgeo_ros.models.clip import Clip
from spatialgeo_ros.models.moge import MoGe2
from spatialgeo_ros.models.moge_geometry import floor_prior
from spatialgeo_ros.models.preprocess import Letterbox, image_tensor
from spatialgeo_ros.models.profiles import Profile
from spatialgeo_ros.perception.results import View


class FrameTowers:
    """CLIP and MoGe behind one cache per frame.

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

    def letterbox(self, view: View) -> Letterbox:
        """Where a frame's image lies in the networks' input."""
        if "letterbox" not in view.cache:
            size = (self._profile.image.width, self._profile.image.height)
            height, width = view.image.shape[:2]
            view.cache["letterbox"] = Letterbox.fit((width, height), size)
        box: Letterbox = view.cache["letterbox"]
        return box

    def pixels(self, view: View) -> Tensor:
        """The networks' input ``[1, 3, h, w]`` in [0, 1], on the device."""
        if "pixels" not in view.cache:
            small = self.letterbox(view).image(view.image, self._profile.image.pad_colour)
            precision = getattr(torch, self._profile.precision)
            view.cache["pixels"] = image_tensor(small).to(self._device, precision)
        pixels: Tensor = view.cache["pixels"]
        return pixels

    def clip_features(self, view: View) -> Tensor:
        """CLIP's patch features ``[1, P, C]``.

        Raises:
            ModelLoadError: the profile has no CLIP tower.
        """
        if self._clip is None:
            raise ModelLoadError(f"profile '{self._profile.name}' has no CLIP tower")
        if "clip" not in view.cache:
            view.cache["clip"] = self._clip(self._clip.normalise(self.pixels(view)))
        features: Tensor = view.cache["clip"]
        return features

    def predictions(self, view: View) -> dict[str, Any]:
        """MoGe's raw output; the camera prior is zeros where camera or mount are unknown.

        Raises:
            ModelLoadError: the profile has no geometry network.
        """
        part = self._profile.geometry
        if self._geometry is None or part is None:
            raise ModelLoadError(f"profile '{self._profile.name}' has no geometry network")
        if "geometry" not in view.cache:
            pixels = self.pixels(view)
            prior = None
            if (
                view.camera is not None
                and view.mount is not None
                and self._profile.camera is not None
            ):
                seen = self.letterbox(view).camera(view.camera)
                values = floor_prior(seen, view.mount.gravity, view.mount.height)
                prior = torch.from_numpy(values)[None].to(pixels)
            view.cache["geometry"] = self._geometry(pixels, part.num_tokens, prior, upsample=False)
        predictions: dict[str, Any] = view.cache["geometry"]
        return predictions

    def metric(self, view: View) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Metric depth and validity of the letterboxed input at the decoder's size."""
        if "metric" in view.cache:
            found: tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] = view.cache["metric"]
            return found
        out = self.predictions(view)
        part = self._profile.geometry
        if self._geometry is not None and part is not None and part.recover_shift:
            fov = None
            if view.camera is not None:
                seen = self.letterbox(view).camera(view.camera)
                fov = math.degrees(2 * math.atan(0.5 * seen.width / seen.fx))
            result = self._geometry.to_metric(out, fov_x=fov, apply_mask=False)
            z, mask = result["depth"][0], result["mask"][0]
        else:
            z = out["points"][0, ..., 2].float() * out["metric_scale"][0].float()
            mask = (out["mask"][0] > 0.5) & (z > 0)
        view.cache["metric"] = (
            np.asarray(z.float().cpu().numpy(), np.float32),
            np.asarray(mask.cpu().numpy(), bool),
        )
        return self.metric(view)
