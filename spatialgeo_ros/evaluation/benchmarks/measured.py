# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A row of its own beside the language models: what our geometry measures, in the same words.

Depth, calibrations and recordings are no part of the published files; where they are laid beside
them they are used:

- ``depth/<name>.png`` or ``.npy`` and ``cameras/<name>.yaml`` or ``.json`` of an image
  ``images/<name>.jpg``; without them a profile's geometry network, and the camera that fits it;
- ``<dataset>/<scene>/`` beside a video ``<dataset>/<scene>.mp4``: ``color/``, ``depth/``, a
  calibration and poses (``recordings.rgbd_folder``).

What cannot be measured is refused with the reason, and counts as wrong.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from spatialgeo_ros.errors import BadRequestError, NoGeometryError, SpatialGeoError
from spatialgeo_ros.evaluation.benchmarks.answerers import mask_of
from spatialgeo_ros.evaluation.benchmarks.item import Item, Record
from spatialgeo_ros.evaluation.benchmarks.measured_regions import Body, answer_of
from spatialgeo_ros.evaluation.rooms.answers import answer_text
from spatialgeo_ros.evaluation.rooms.forms import FormAnswerer
from spatialgeo_ros.evaluation.rooms.programs import ProgramAnswerer
from spatialgeo_ros.evaluation.rooms.task import Task
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation, View
from spatialgeo_ros.memory.snapshot import MapSnapshot
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.result import Result, ResultType
from spatialgeo_ros.recordings.depth_file import Depth, read_depth_file
from spatialgeo_ros.recordings.image_codec import read_colour_file
from spatialgeo_ros.recordings.rgbd_folder import FolderRecording, read_calibration

_CAMERA, _OPTICAL, _WORLD = "image", "camera_optical_frame", "world"
_NUMBER = re.compile(r"Region \[(\d+)\]")
_FROM_FILE, _FROM_NETWORK = "file", "geometry network"


class MeasuredAnswerer:
    """Measures what a question asks for; no language model is asked.

    Args:
        perception: measures, and looks for words.
        folder: of the data set.
        name: of the profile, for the table.
        world_axes: of the recordings' poses: "rep103" (z up) or "optical".
        most_frames: of a recording, evenly spread.
    """

    def __init__(
        self,
        perception: Perception,
        folder: Path,
        name: str,
        world_axes: str = "rep103",
        most_frames: int = 64,
    ) -> None:
        self._perception, self._folder = perception, folder
        self._axes, self._most = world_axes, most_frames
        self._maps: dict[Path, MapSnapshot | SpatialGeoError] = {}
        self.name = f"measured ({name})"

    def answer(self, item: Item) -> Record:
        """Answer one question; see :class:`.runner.Answerer`.

        Raises:
            SpatialGeoError: it cannot be measured; says why.
        """
        if item.video is not None:
            return self._of_recording(item, item.video)
        if len(item.images) != 1:
            raise BadRequestError(
                f"{len(item.images)} images without poses are not measured: nothing says how they "
                "lie to each other"
            )
        return self._of_regions(item) if item.regions else self._of_words(item)

    def describe(self) -> dict[str, object]:
        """Facts for the file of the run."""
        facts = self._perception.describe()
        names = ("model_id", "backend", "degraded")
        return {
            "model": self.name, "world_axes": self._axes, "most_frames": self._most,
            **{name: facts[name] for name in names if name in facts},
        }  # fmt: skip

    def close(self) -> None:
        """Free the networks."""
        self._perception.scene.close()

    # One image with regions: SpatialRGPT-Bench

    def _of_regions(self, item: Item) -> Record:
        seen, facts = self._observe(item.images[0])
        height, width = seen.frame.image.shape[:2]
        level = np.eye(3) if seen.gravity is None else level_frame(seen.gravity)
        bodies = []
        for region in item.regions:
            mask = Region.from_mask(mask_of(region, height, width), region.name)
            points = self._perception.locate(seen, mask).points.surface
            bodies.append(Body(np.asarray(points, np.float64) @ level.T))
        names = [f"Region [{number}]" for number in _NUMBER.findall(item.question)]
        text = answer_of(item.kind, item.question, names, bodies)
        facts["gravity"] = "known" if seen.gravity is not None else "the image's vertical"
        return Record(item.id, item.prompt, text, facts=facts)

    # One image and words: SpatialScore

    def _of_words(self, item: Item) -> Record:
        kind = item.kind.partition("|")[0]
        if kind == "multi-choice":
            raise BadRequestError("a choice among texts is not measured")
        seen, facts = self._observe(item.images[0])
        result = self._perception.begin(item.question or item.prompt, seen).measured.result
        return Record(item.id, item.prompt, _said(result), facts=facts)

    def _observe(self, path: Path) -> tuple[Observation, dict[str, object]]:
        """Observe an image with the depth and the calibration that lie beside it.

        Raises:
            NoGeometryError: neither a file nor a network gives depth.
        """
        image = read_colour_file(path)
        depth, camera = self._depth_of(path), self._camera_of(path, image)
        facts: dict[str, object] = {
            "depth": _FROM_NETWORK if depth is None else _FROM_FILE,
            "camera": _FROM_NETWORK if camera is None else _FROM_FILE,
        }
        networks = self._perception.networks
        if depth is None and (networks is None or not networks.has_geometry):
            raise NoGeometryError(
                f"nothing gives depth of {path.name}: there is no file "
                f"{self._beside(path, 'depth')}.png or .npy, and the profile has no geometry "
                "network (moge2_l has)"
            )
        if camera is None:
            recover = getattr(networks, "recovered_camera", None)
            if recover is None or networks is None or not networks.has_geometry:
                raise NoGeometryError(
                    f"no calibration of {path.name}: there is no file "
                    f"{self._beside(path, 'cameras')}.yaml or .json"
                )
            camera = recover(View(image, None, None))
        self._perception.reset()
        return self._perception.observe(Frame(_CAMERA, 0, _OPTICAL, image, camera, depth)), facts

    def _depth_of(self, path: Path) -> Depth | None:
        start = self._beside(path, "depth")
        found = (Path(f"{start}{suffix}") for suffix in (".npy", ".png"))
        return next((read_depth_file(one) for one in found if one.exists()), None)

    def _camera_of(self, path: Path, image: np.ndarray) -> PinholeCamera | None:
        start, (height, width) = self._beside(path, "cameras"), image.shape[:2]
        found = (Path(f"{start}{suffix}") for suffix in (".yaml", ".json"))
        return next((read_calibration(one, width, height) for one in found if one.exists()), None)

    def _beside(self, path: Path, kind: str) -> Path:
        """Name, without suffix, of a file of another kind about an image."""
        inside = path.relative_to(self._folder)
        if inside.parts[0] == "images":
            inside = inside.relative_to("images")
        return self._folder / kind / inside.with_suffix("")

    # A video: VSI-Bench

    def _of_recording(self, item: Item, video: Path) -> Record:
        snapshot = self._map_of(video.with_suffix(""))
        task = Task(video.stem, item.kind, item.question, "", item.options)
        text, words = answer_text(FormAnswerer(snapshot), task)
        if not text:  # in other words than the published forms
            text, words = answer_text(ProgramAnswerer(snapshot), task)
        if not text:
            raise BadRequestError(f"the map has no answer: {words}")
        return Record(item.id, item.prompt, text, facts={"objects": len(snapshot.objects)})

    def _map_of(self, folder: Path) -> MapSnapshot:
        """Map of a recording, made once; why it cannot be made is said each time.

        Raises:
            SpatialGeoError: there is no recording, or it has no poses or no depth.
        """
        if folder not in self._maps:
            try:
                self._maps[folder] = self._make_map(folder)
            except SpatialGeoError as error:
                self._maps[folder] = error
        found = self._maps[folder]
        if isinstance(found, SpatialGeoError):
            raise found
        return found

    def _make_map(self, folder: Path) -> MapSnapshot:
        if not folder.is_dir():
            raise NoGeometryError(
                f"a video alone is not measured: there is no recording {folder} with color/, "
                "depth/, a calibration and poses"
            )
        recording = FolderRecording(folder, world_axes=self._axes)
        if not recording.has_poses:
            raise NoGeometryError(f"{folder} has no poses (poses.txt): no map without them")
        networks = self._perception.networks
        if not recording.has_depth and (networks is None or not networks.has_geometry):
            raise NoGeometryError(
                f"{folder} has no depth, and the profile has no geometry network (moge2_l has)"
            )
        count = len(recording)
        self._perception.reset()
        for number in np.unique(np.linspace(0, count - 1, min(self._most, count), dtype=int)):
            one = recording[int(number)]
            frame = Frame(
                _CAMERA, one.stamp_ns + 1, _OPTICAL, one.image, recording.camera, one.depth,
                one.pose, _WORLD, sequence=int(number),
            )  # fmt: skip
            self._perception.scene.update_map(self._perception.observe(frame))
        return self._perception.scene.map_snapshot()


def _said(result: Result | None) -> str:
    """A measured result as the benchmark's models write it.

    Raises:
        BadRequestError: nothing was measured, or it is neither number nor yes or no.
    """
    if result is not None and result.type is ResultType.BOOLEAN:
        return "Yes" if result.boolean else "No"
    if result is not None and result.type in (ResultType.NUMBER, ResultType.COUNT):
        (value, *more) = result.values
        if not more and math.isfinite(value):
            return f"{value:.3f} {result.unit}".strip()
    words = "" if result is None else f": {result.text}"
    raise BadRequestError(f"no number, and no yes or no, was measured{words}")
