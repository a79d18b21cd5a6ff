# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the trained towers over all frames once: what the language model is trained on.

The towers are frozen from here on, so each frame is encoded a single time. Regions carry what the
networks see of them, errors included: the language model must learn from predicted geometry,
because that is what it gets at run time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera
from spatialgeo_ros.models.clip import Clip
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.region_features import region_statistics
from spatialgeo_ros.training.data import (
    GRID_COLUMNS,
    GRID_ROWS,
    LABEL_HEIGHT,
    LABEL_WIDTH,
    FrameStore,
    SeenObject,
    geometry_batch,
)
from spatialgeo_ros.training.depth_network import NANO_TOKENS
from spatialgeo_ros.training.loop import device_of
from spatialgeo_ros.training.questions import VisibleObject

#: An object must cover this share of the image to be asked about.
MIN_SHARE = 0.01


@dataclass
class FrameFeatures:
    """One frame as the language model's adapters take it.

    Attributes:
        clip: [P, Dc] float16. moge: [4, P, Dm] float16.
        objects: what can be asked about; ``region`` indexes the next two.
        weights: [V, R, P] share of each patch that a region covers, in V variants of its mask.
        statistics: [V, R, 16] of ``region_statistics`` for the same variants.
    """

    clip: np.ndarray
    moge: np.ndarray
    objects: list[VisibleObject] = field(default_factory=list)
    weights: np.ndarray = field(default_factory=lambda: np.zeros((1, 0, 0), np.float32))
    statistics: np.ndarray = field(default_factory=lambda: np.zeros((1, 0, 16), np.float32))


def _mask_variants(mask: np.ndarray) -> list[np.ndarray]:
    """The exact mask and a coarser one: at run time a region comes from segmentation."""
    kernel = np.ones((3, 3), np.uint8)
    solid = mask.astype(np.uint8)
    eroded = cv2.erode(solid, kernel)
    opened = cv2.dilate(eroded if eroded.sum() >= 6 else solid, kernel)
    return [mask, opened.astype(bool)]


def _patch_weights(mask: np.ndarray) -> np.ndarray:
    rows, columns = LABEL_HEIGHT // GRID_ROWS, LABEL_WIDTH // GRID_COLUMNS
    return mask.reshape(GRID_ROWS, rows, GRID_COLUMNS, columns).mean((1, 3)).reshape(-1)


def _centre_in_view(store: FrameStore, frame: int, thing: SeenObject) -> bool:
    camera = store.camera(frame)
    pose = Pose.from_matrix(store.pose[frame].astype(np.float64))
    pixel = camera.project(pose.inverse().apply(np.array([thing.truth.centre])))[0]
    return bool(0 <= pixel[0] < camera.width and 0 <= pixel[1] < camera.height)


@torch.inference_mode()
def encode_frames(
    store: FrameStore, clip: Clip, moge: MoGe2, frames: np.ndarray, batch: int = 16
) -> list[FrameFeatures]:
    """Encode frames and describe the regions of their objects.

    Args:
        store: the frames.
        clip: trained towers.
        moge: trained geometry network, on the same device.
        frames: indices of the frames to encode.
        batch: frames per pass.
    """
    clip.eval()
    moge.eval()
    encoded = []
    for start in tqdm(range(0, len(frames), batch), "encode", mininterval=5):
        part = frames[start : start + batch]
        inputs = geometry_batch(store, part, None).to(device_of(moge))
        semantic = clip(clip.normalise(inputs.image)).cpu().numpy().astype(np.float16)
        out = moge(inputs.image, NANO_TOKENS, inputs.prior, upsample=False)
        layers = torch.stack(out["features"].tokens(), 1).cpu().numpy().astype(np.float16)
        depth = (out["points"][..., 2] * out["metric_scale"][:, None, None]).cpu().numpy()
        for k, frame in enumerate(part):
            rays = store.camera(int(frame)).resized(LABEL_WIDTH, LABEL_HEIGHT).rays()
            entry = FrameFeatures(semantic[k], layers[k])
            _describe_regions(store, int(frame), rays * depth[k][..., None], entry)
            encoded.append(entry)
    return encoded


def _describe_regions(
    store: FrameStore, frame: int, points: np.ndarray, entry: FrameFeatures
) -> None:
    gravity = gravity_in_camera(Pose.from_matrix(store.pose[frame].astype(np.float64)))
    weights: list[list[np.ndarray]] = []
    statistics: list[list[np.ndarray]] = []
    for thing in store.seen(frame, MIN_SHARE):
        mask = store.segmentation[frame] == thing.index
        if mask.sum() < 12 or not _centre_in_view(store, frame, thing):
            continue
        variants = _mask_variants(mask)
        weights.append([_patch_weights(variant) for variant in variants])
        statistics.append([region_statistics(points, variant, gravity) for variant in variants])
        truth = thing.truth
        x, y, z = (float(v) for v in thing.centre)
        entry.objects.append(
            VisibleObject(
                truth.name, truth.kind, truth.colour, (x, y, z), truth.size, len(entry.objects)
            )
        )
    if entry.objects:
        entry.weights = np.array(weights, np.float32).swapaxes(0, 1)
        entry.statistics = np.array(statistics, np.float32).swapaxes(0, 1)


def save_features(encoded: list[FrameFeatures], path: Path) -> None:
    """Keep encoded frames on disk, so that an interrupted language training resumes quickly."""
    torch.save(
        {
            "clip": torch.from_numpy(np.stack([e.clip for e in encoded])),
            "moge": torch.from_numpy(np.stack([e.moge for e in encoded])),
            "objects": [
                [(o.name, o.kind, o.colour, o.centre, o.size, o.region) for o in e.objects]
                for e in encoded
            ],
            "weights": [torch.from_numpy(e.weights) for e in encoded],
            "statistics": [torch.from_numpy(e.statistics) for e in encoded],
        },
        path,
    )


def load_features(path: Path) -> list[FrameFeatures]:
    """Read what :func:`save_features` wrote."""
    stored = torch.load(path, weights_only=True)
    return [
        FrameFeatures(
            stored["clip"][k].numpy(),
            stored["moge"][k].numpy(),
            [VisibleObject(*row) for row in stored["objects"][k]],
            stored["weights"][k].numpy(),
            stored["statistics"][k].numpy(),
        )
        for k in range(len(stored["objects"]))
    ]
