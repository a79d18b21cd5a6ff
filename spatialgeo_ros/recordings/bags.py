# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read camera topics out of a ROS 2 bag (MCAP or db3) with the ``rosbags`` library, without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from spatialgeo_ros.errors import BadRequestError

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

#: Roles a bag's topics can play, and the message types that can play them.
BAG_ROLES: Mapping[str, tuple[str, ...]] = {
    "image": ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"),
    "camera_info": ("sensor_msgs/msg/CameraInfo",),
    "depth": ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"),
    "depth_camera_info": ("sensor_msgs/msg/CameraInfo",),
    "odometry": ("nav_msgs/msg/Odometry",),
    "detections": ("vision_msgs/msg/Detection2DArray",),
    "tf": ("tf2_msgs/msg/TFMessage",),
    "tf_static": ("tf2_msgs/msg/TFMessage",),
}
_DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")


@dataclass(frozen=True)
class BagMessage:
    """One message of a bag: its role, topic and type, its time of recording and its CDR bytes."""

    role: str
    topic: str
    msgtype: str
    stamp_ns: int
    data: bytes


class BagRecording:
    """A ROS 2 bag (a folder with ``metadata.yaml``, or one ``.mcap`` or ``.db3`` file).

    Topics are found by message type unless ``topics`` names them: the first colour image, the
    first depth image (by topic name or encoding), the calibrations beside them, odometry, TF.

    Args:
        path: the bag.
        topics: role (a key of :data:`BAG_ROLES`) -> topic; an empty string leaves a role out.

    Raises:
        BadRequestError: the bag cannot be read, has no image topic, or lacks a topic asked for.
    """

    def __init__(self, path: str | Path, topics: Mapping[str, str] | None = None) -> None:
        try:
            from rosbags.highlevel import AnyReader, AnyReaderError
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise BadRequestError(
                "reading bags needs the Python package rosbags (pip install rosbags)"
            ) from error
        wanted = dict(topics or {})
        if unknown := set(wanted) - set(BAG_ROLES):
            raise BadRequestError(f"no such roles: {sorted(unknown)}; known: {list(BAG_ROLES)}")
        try:
            store = get_typestore(Stores.ROS2_JAZZY)
            self._reader = AnyReader([Path(path)], default_typestore=store)
            self._reader.open()
        except (AnyReaderError, OSError) as error:
            raise BadRequestError(f"cannot read the bag {path}: {error}") from error
        self._roles: dict[str, Connection] = {}
        try:
            self._assign(wanted)
        except BaseException:
            self._reader.close()
            raise
        if not self._roles.keys() & {"image", "depth"}:
            names = sorted(f"{c.topic} [{c.msgtype}]" for c in self._reader.connections)
            self._reader.close()
            raise BadRequestError(f"no image topic in {path}; it has {', '.join(names)}")

    def __enter__(self) -> BagRecording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the bag's files."""
        self._reader.close()

    @property
    def topics(self) -> dict[str, str]:
        """The topic that plays each role."""
        return {role: connection.topic for role, connection in self._roles.items()}

    @property
    def types(self) -> dict[str, str]:
        """The message type of each role."""
        return {role: connection.msgtype for role, connection in self._roles.items()}

    def messages(self) -> Iterator[BagMessage]:
        """Yield the messages of all roles in the order they were recorded.

        A topic that plays two roles (one calibration of colour and depth) comes once for each.
        """
        roles: dict[int, list[str]] = {}
        for role, connection in self._roles.items():
            roles.setdefault(connection.id, []).append(role)
        chosen = {connection.id: connection for connection in self._roles.values()}
        for connection, stamp, data in self._reader.messages(connections=chosen.values()):
            for role in roles[connection.id]:
                yield BagMessage(role, connection.topic, connection.msgtype, stamp, bytes(data))

    def decode(self, message: BagMessage) -> Any:
        """Return a message's fields, named as in the ROS class of its type."""
        return self._reader.deserialize(message.data, message.msgtype)

    def _assign(self, wanted: Mapping[str, str]) -> None:
        by_topic = {connection.topic: connection for connection in self._reader.connections}
        for role, topic in wanted.items():
            if not topic:
                continue
            if topic not in by_topic or by_topic[topic].msgtype not in BAG_ROLES[role]:
                raise BadRequestError(
                    f"the bag has no topic {topic} of type {' or '.join(BAG_ROLES[role])}"
                )
            self._roles[role] = by_topic[topic]
        for topic in sorted(by_topic):
            guess = self._guess(by_topic[topic])
            if guess and guess not in wanted:
                self._roles.setdefault(guess, by_topic[topic])
        for role, image in (("camera_info", "image"), ("depth_camera_info", "depth")):
            if role in wanted or image not in self._roles:
                continue
            for name in _calibration_names(self._roles[image].topic):
                if name in by_topic and by_topic[name].msgtype in BAG_ROLES[role]:
                    self._roles[role] = by_topic[name]
                    break

    def _guess(self, connection: Connection) -> str | None:
        if connection.msgtype in BAG_ROLES["image"]:
            return "depth" if self._is_depth(connection) else "image"
        if connection.msgtype in BAG_ROLES["tf"]:
            return "tf_static" if connection.topic.endswith("tf_static") else "tf"
        for role in ("odometry", "detections"):
            if connection.msgtype in BAG_ROLES[role]:
                return role
        return None

    def _is_depth(self, connection: Connection) -> bool:
        if connection.msgtype.endswith("/Image"):
            for _, _, data in self._reader.messages(connections=[connection]):
                message: Any = self._reader.deserialize(data, connection.msgtype)
                return message.encoding in _DEPTH_ENCODINGS
        return "depth" in connection.topic.lower()


def _calibration_names(topic: str) -> list[str]:
    """Where the CameraInfo of an image topic can be: beside it, or beside its raw topic."""
    parts = topic.rstrip("/").split("/")
    return ["/".join([*parts[:end], "camera_info"]) for end in range(len(parts) - 1, 0, -1)]
