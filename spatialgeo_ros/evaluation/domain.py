# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How surely a profile tells its rooms from all other images.

``python -m spatialgeo_ros.evaluation.domain --images FOLDER ...`` scores rooms that nothing was
trained on, made-up images that were not trained on either, and the images of the folders, plain
and changed as cameras change them; prints the table that docs/benchmarks.md cites.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.construction import load_domain
from spatialgeo_ros.models.domain import DomainClassifier
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.training.domain import strangeness
from spatialgeo_ros.training.outliers import drawn_outliers, rendered_outliers
from spatialgeo_ros.training.render import HELD_OUT_SEEDS
from spatialgeo_ros.training.room_views import VIEWS, input_of, render_views

Image = NDArray[np.uint8]

#: Seeds of rooms and outliers that neither training nor threshold used.
_ROOMS, _OUTLIERS = HELD_OUT_SEEDS + 10_000, 1_000_000
_SUFFIXES = (".jpg", ".jpeg", ".png")


def _crop(image: Image) -> Image:
    """The middle of an image, three fifths of each side."""
    height, width = image.shape[:2]
    return image[height // 5 : height * 4 // 5, width // 5 : width * 4 // 5]


def _grey(image: Image) -> Image:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def _exposed(image: Image, factor: float) -> Image:
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def _blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def _shrunk(image: Image, factor: int) -> Image:
    size = (image.shape[1] // factor, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


#: What is done to given images, by name.
CHANGES: dict[str, Callable[[Image], Image]] = {
    "as they are": lambda image: image,
    "mirrored": lambda image: image[:, ::-1],
    "middle 3/5": _crop,
    "grey": _grey,
    "exposure x 0.1": partial(_exposed, factor=0.1),
    "exposure x 0.5": partial(_exposed, factor=0.5),
    "exposure x 2": partial(_exposed, factor=2.0),
    "blur 2 px": partial(_blurred, sigma=2.0),
    "blur 6 px": partial(_blurred, sigma=6.0),
    "a quarter as large": partial(_shrunk, factor=4),
}


def scores(classifier: DomainClassifier, images: Iterable[Image]) -> NDArray[np.float32]:
    """Log-odds above the threshold [N] of camera images of any size."""
    found = []
    for image in images:
        scaled = input_of(image.shape[1], image.shape[0]).scaled(np.ascontiguousarray(image))
        found.append(strangeness(classifier, {scaled.shape[0]: scaled[None]}))
    return np.concatenate(found) - float(classifier.threshold)


def images_of(folder: Path) -> Iterator[Image]:
    """Read the images of a folder."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES:
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is not None:
                yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def separation(rooms: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Chance that one of ``others`` scores higher than one of ``rooms``: the area under the ROC."""
    return float((others[:, None] > rooms[None]).mean() + 0.5 * (others[:, None] == rooms).mean())


def table(rooms: Mapping[str, NDArray], others: Mapping[str, NDArray]) -> str:
    """Lay scores out as Markdown; ``others`` beside all ``rooms`` together."""
    every = np.concatenate(list(rooms.values()))
    lines = [
        "| images | n | least | median | most | refused | area under ROC |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in [*rooms.items(), ("all rooms", every), *others.items()]:
        area = f"{separation(every, found):.4f}" if name in others else ""
        lines.append(
            f"| {name} | {len(found)} | {found.min():.1f} | {np.median(found):.1f} | "
            f"{found.max():.1f} | {(found > 0).mean():.1%} | {area} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano", help="model profile")
    parser.add_argument("--rooms", type=int, default=60, help="rooms of each kind of view")
    parser.add_argument("--images", type=Path, nargs="*", default=(), help="folders of images")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING)
    part = load_profile(arguments.profile).domain
    if part is None:
        raise ModelLoadError(f"profile '{arguments.profile}' takes any image: there is no 'domain'")
    classifier = load_domain(part)
    rooms, others = {}, {}
    for number, kind in enumerate(tqdm(VIEWS, "rooms")):
        start = _ROOMS + number * 1000
        seen = render_views(range(start, start + arguments.rooms), 5, (kind,))
        rooms[f"rooms: {kind}"] = scores(classifier, seen)
    others["drawn pictures"] = scores(classifier, drawn_outliers(range(_OUTLIERS, _OUTLIERS + 200)))
    clutter = rendered_outliers(range(_OUTLIERS, _OUTLIERS + 50))
    others["rendered clutter"] = scores(classifier, clutter)
    for folder in arguments.images:
        for change, how in CHANGES.items():
            changed = (how(image) for image in images_of(folder))
            others[f"{folder.parent.name}: {change}"] = scores(classifier, changed)
    print(table(rooms, others))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
