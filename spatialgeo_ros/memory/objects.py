# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The object map: the things that cameras see, kept in the world, and whether they are still there.

One image costs as much as what it shows: its own points and the objects in view. Not thread-safe.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spatialgeo_ros.errors import BadRequestError, NoMapError, WrongFrameError, quoted
from spatialgeo_ros.memory import existence, map_file
from spatialgeo_ros.memory.association import Related, same_label
from spatialgeo_ros.memory.backdrop import Backdrop
from spatialgeo_ros.memory.border import at_border
from spatialgeo_ros.memory.detected import Array, MapFrame, MapUpdate
from spatialgeo_ros.memory.map_object import TrackedObject
from spatialgeo_ros.memory.snapshot import MapSnapshot, Presence, RoomLayout, Viewer
from spatialgeo_ros.memory.tracker import Tracker

_LATE_NS = 1_000_000_000  # an image this much older than the newest is late, an older one a jump
_STALE_NS = 2_000_000_000  # what the newest image of a camera shows is in view no longer than this
_JUMP_FRAMES = 5  # images in a row with a wrong pose, at least, before the map begins anew
_RESETS_KEPT = 10


@dataclass(eq=False)
class _Newest:
    """The newest image of one camera: its stamp, where it was taken, the ids it shows."""

    stamp_ns: int
    place: Array
    shown: set[str] = field(default_factory=set)


class ObjectMap:
    """Objects in the world frame, from the things that detectors see image by image.

    Args:
        related: how alike two labels are, 0 to 1; default: equal or not.
        most_objects: kept at most; of more, gone ones and the least sure leave first.
        drift_share: how far poses drift, metres of one standard deviation per metre of the way.
        most_drift: most that this makes of an object's place, metres.
        dynamic_memory: seconds after which what goes about by itself is forgotten, out of sight.
        patience: seconds of images with a wrong pose after which the map begins anew.

    Raises:
        BadRequestError: an argument is out of range.
    """

    def __init__(
        self,
        *,
        related: Related = same_label,
        most_objects: int = 2000,
        drift_share: float = 0.01,
        most_drift: float = 0.3,
        dynamic_memory: float = 10.0,
        patience: float = 3.0,
    ) -> None:
        numbers = (drift_share, most_drift, dynamic_memory, patience)
        if most_objects < 1 or not all(math.isfinite(one) and one >= 0 for one in numbers):
            raise BadRequestError(
                "an object map keeps at least one object, and drift, memory and patience are not "
                f"negative, not {most_objects}, {numbers}"
            )
        self._tracker = Tracker(
            related, most_objects, drift_share, most_drift, int(1e9 * dynamic_memory)
        )
        self._patience_ns = int(1e9 * patience)
        self._resets: list[str] = []
        self._backdrop = Backdrop()
        self._newest: dict[str, _Newest] = {}
        self._world_frame = ""
        self._viewer: Viewer | None = None
        self._frames, self._refused = 0, 0
        self._start_ns, self._stamp_ns = 0, 0
        self._doubted_ns, self._doubted, self._lost = 0, 0, False

    # What the map is told

    def update(self, frame: MapFrame) -> MapUpdate:
        """Work one image in and say what changed."""
        cleared = self._clear_for(frame)
        detected = tuple(at_border(thing, frame.camera) for thing in frame.detected)
        frame = replace(frame, detected=detected)
        newest = self._newest.get(frame.camera_name)
        if newest is not None and frame.stamp_ns <= newest.stamp_ns:
            late = (newest.stamp_ns - frame.stamp_ns) * 1e-9
            return self._unused(frame, f"the camera's newest image is {late:.3f} s newer")
        self._go(frame, newest)
        doubt = self._contradiction(frame)
        looks = self._tracker.look(frame)
        matches = self._tracker.match(frame)
        if not doubt and matches.displaced:
            doubt = f"everything seen again is {matches.shift:.2f} m from its place"
        if doubt and not self._out_of_patience(frame):
            self._refused += 1
            return self._unused(frame, f"{doubt}: the pose is wrong, and the image was not used")
        if doubt:
            cleared = f"the pose jumped ({doubt}) and stayed so: the map began anew"
            self.reset(cleared)
            self._world_frame = frame.world_frame
            self._go(frame, None)
            looks, matches = {}, self._tracker.match(frame)
        self._doubted = 0
        changes = self._tracker.work_in(frame, matches, looks)
        self._backdrop.add(frame)
        self._newest[frame.camera_name].shown = changes.shown
        self._frames += 1
        self._stamp_ns = max(self._stamp_ns, frame.stamp_ns)
        self._start_ns = self._start_ns or frame.stamp_ns
        return MapUpdate(
            frame.stamp_ns, frame.camera_name, True, changes.reason, cleared, tuple(changes.names),
            tuple(changes.added), tuple(changes.seen), tuple(changes.merged),
            tuple(changes.moved), tuple(changes.gone), tuple(changes.returned),
            tuple(changes.forgotten), matches.shift,
        )  # fmt: skip

    def reset(self, reason: str) -> None:
        """Forget everything; ids that were given are not given again."""
        self._resets = [*self._resets, reason][-_RESETS_KEPT:]
        self._clear()

    # What the map tells

    def snapshot(
        self, room: RoomLayout | None = None, around: tuple[Array, float] | None = None
    ) -> MapSnapshot:
        """Return what is known now: objects sure enough to be listed, and gone ones.

        Args:
            room: floor, walls and ceiling, to go with it.
            around: a place [3] in the world and metres: of objects that come so near to it alone,
                which is quick in a large map.
        """
        shown = self._visible()
        objects = []
        rows = self._tracker.rows
        for one, state in self._listed(rows if around is None else rows.around(*around), shown):
            drift = 0.0 if state is Presence.VISIBLE else self._tracker.drift(one.way)
            objects.append(one.as_seen(state, drift))
        listed = {one.id for one in objects}
        return MapSnapshot(
            tuple(objects), self._world_frame, self._stamp_ns, self._start_ns, room,
            self._viewer, frozenset(shown & listed),
            {camera: frozenset(names & listed) for camera, names in self._shown().items()},
        )  # fmt: skip

    def surface(self, name: str) -> Array:
        """Points [N, 3] of an object's surface, metres, world frame.

        Raises:
            BadRequestError: the map has no object of this id.
        """
        return np.array(self._known(name).cells.points, np.float64)

    def tracked(self, name: str) -> TrackedObject:
        """Return everything kept of an object, to be read only.

        Raises:
            BadRequestError: the map has no object of this id.
        """
        return self._known(name)

    def describe(self) -> dict[str, Any]:
        """Return facts for diagnostics."""
        states = [state for _, state in self._listed(self._tracker.rows, self._visible())]
        return {
            "world_frame": self._world_frame,
            "objects": len(states) - states.count(Presence.GONE),
            "visible": states.count(Presence.VISIBLE),
            "remembered": states.count(Presence.REMEMBERED),
            "gone": states.count(Presence.GONE),
            "unsure": len(self._tracker.rows) - len(states),
            "frames": self._frames,
            "frames_with_a_wrong_pose": self._refused,
            "way_m": round(self._tracker.way, 3),
            "bytes": self._tracker.rows.nbytes + self._backdrop.nbytes,
            "resets": tuple(self._resets),
        }

    # Files

    def save(self, path: Path) -> None:
        """Write the map: ``path`` as JSON, and its arrays beside it as ``.npz``.

        Raises:
            NoMapError: there is nothing to save yet.
            BadRequestError: the name does not end in .json.
            FileAccessError: the files cannot be written.
        """
        if not self._world_frame:
            raise NoMapError(
                "the object map has seen nothing yet: it has no world frame to be saved with"
            )
        tracker = self._tracker
        stored = map_file.StoredMap(
            self._world_frame, self._start_ns, self._stamp_ns, dict(tracker.counters),
            tuple(tracker.rows), tracker.way,
        )  # fmt: skip
        map_file.write_map(path, stored)

    def load(self, path: Path, world_frame: str) -> None:
        """Take over a saved map in place of this one; its objects are remembered.

        Args:
            path: of the JSON file.
            world_frame: the frame that poses refer to now.

        Raises:
            FileAccessError: a file is missing, damaged or of another layout.
            WrongFrameError: the map is of another world frame.
            BadRequestError: the name does not end in .json. This map is unchanged in all cases.
        """
        stored = map_file.read_map(path)
        if stored.world_frame != world_frame:
            raise WrongFrameError(
                f"{path} is a map in the frame '{stored.world_frame}', but poses are in "
                f"'{world_frame}' now: its places would mean nothing here; localise in "
                f"'{stored.world_frame}', or make a new map"
            )
        self.reset(f"loaded {path.name}")
        self._world_frame = world_frame
        self._tracker.way = stored.way
        self._start_ns, self._stamp_ns = stored.start_ns, stored.stamp_ns
        counters = self._tracker.counters
        for kind, number in stored.counters.items():
            counters[kind] = max(number, counters.get(kind, 0))
        for one in stored.objects:
            self._tracker.adopt(one)

    # Internals

    def _clear(self) -> None:
        self._tracker.clear()
        self._backdrop = Backdrop()
        self._newest.clear()
        self._world_frame, self._viewer = "", None
        self._frames = self._refused = 0
        self._start_ns = self._stamp_ns = 0
        self._doubted, self._lost = 0, False

    def _clear_for(self, frame: MapFrame) -> str:
        """Forget everything where time or world are others now; say why."""
        reason = ""
        newest = self._newest.get(frame.camera_name)
        if self._world_frame and frame.world_frame != self._world_frame:
            reason = f"the world frame is '{frame.world_frame}', not '{self._world_frame}'"
        elif newest is not None and frame.stamp_ns < newest.stamp_ns - _LATE_NS:
            back = (newest.stamp_ns - frame.stamp_ns) * 1e-9
            reason = f"time jumped back by {back:.1f} s"
        if reason:
            self.reset(reason)
        self._world_frame = frame.world_frame
        return reason

    def _go(self, frame: MapFrame, newest: _Newest | None) -> None:
        """Count the way and remember where the camera is."""
        place = frame.pose.translation
        if newest is not None:
            # Several cameras of one robot go the same way.
            step = float(np.linalg.norm(place - newest.place))
            self._tracker.way += step / len(self._newest)
            newest.stamp_ns, newest.place = frame.stamp_ns, place
        else:
            self._newest[frame.camera_name] = _Newest(frame.stamp_ns, place)
        forward = frame.pose.rotation[:, 2]
        x, y, z = (float(v) for v in place)
        self._viewer = Viewer(x, y, z, math.atan2(forward[1], forward[0]), frame.pose_sigma)

    def _unused(self, frame: MapFrame, reason: str) -> MapUpdate:
        return MapUpdate(
            frame.stamp_ns, frame.camera_name, False, reason,
            identified=("",) * len(frame.detected),
        )  # fmt: skip

    def _out_of_patience(self, frame: MapFrame) -> bool:
        if not self._doubted:
            self._doubted_ns = frame.stamp_ns
        self._doubted += 1
        lasting = frame.stamp_ns - self._doubted_ns >= self._patience_ns
        return lasting and self._doubted >= _JUMP_FRAMES

    def _contradiction(self, frame: MapFrame) -> str:
        """Say so where the image is not of the room at its pose.

        After such an image the next one has to show that poses are right again: somewhere else,
        single images happen to fit.
        """
        sigma = frame.pose_sigma + self._tracker.drift(0.0)
        agreement = self._backdrop.agreement(frame, sigma)
        if agreement is None:
            return "nothing known has come into view since" if self._lost else ""
        self._lost = agreement.wrong or (self._lost and not agreement.right)
        if self._lost:
            return f"only {agreement.fits:.0%} of the room that should be in view is there"
        return ""

    def _visible(self) -> set[str]:
        """Ids that the newest images show."""
        return set().union(*self._shown().values())

    def _shown(self) -> dict[str, set[str]]:
        """Ids that the newest image of each camera shows."""
        return {
            camera: newest.shown
            for camera, newest in self._newest.items()
            if self._stamp_ns - newest.stamp_ns <= _STALE_NS
        }

    def _listed(
        self, objects: Iterable[TrackedObject], shown: set[str]
    ) -> Iterator[tuple[TrackedObject, Presence]]:
        """Of objects those sure enough to be told of, and gone ones, with their states."""
        for one in objects:
            if one.gone:
                yield one, Presence.GONE
            elif one.confirmed and one.odds > existence.UNSURE:
                yield one, Presence.VISIBLE if one.id in shown else Presence.REMEMBERED

    def _known(self, name: str) -> TrackedObject:
        tracked = self._tracker.rows.get(name)
        if tracked is None:
            raise BadRequestError(f"the object map has no object {quoted(name)}")
        return tracked
