# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read camera topics out of a ROS 2 bag (MCAP or db3) with the ``rosbags`` library, without ROS."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.recordings.vision_types import register_vision_types
from spatialgeo_ros.runtime.input_files import check_regular

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
#: Options of the commands that name a role's topic; every role can be named by replay's --topic.
BAG_OPTIONS: Mapping[str, str] = {
    "image": "--image-topic",
    "camera_info": "--camera-info-topic",
    "depth": "--depth-topic",
    "odometry": "--odom-topic",
    "detections": "--detections-topic",
}
_DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")
_SUFFIXES = (".mcap", ".db3")
#: Encapsulation (4 bytes) and the time of a header (8).
_HEADER_END = 12
_PACKED = (".mcap.zstd", ".db3.zstd")
#: Some 10,000 topics.
_MOST_METADATA_BYTES = 10_000_000
#: Last part of an image topic's name -> order of preference among topics of one stream.
_TRANSPORTS = {"compressedDepth": 1, "compressed": 2}


@dataclass(frozen=True)
class BagMessage:
    """One message of a bag: its role, topic and type, its time of recording and its CDR bytes."""

    role: str
    topic: str
    msgtype: str
    stamp_ns: int
    data: bytes

    def header_stamp_ns(self) -> int:
        """Return the stamp of the message's header, read without decoding it; 0 where it has none.

        Only for types that begin with a header.
        """
        if len(self.data) < _HEADER_END:
            return 0
        order = "<" if self.data[1] & 1 else ">"  # of the encapsulation
        seconds, nanoseconds = struct.unpack_from(f"{order}iI", self.data, 4)
        return int(seconds * 1_000_000_000 + nanoseconds)


class BagRecording:
    """A ROS 2 bag (a folder with ``metadata.yaml``, or one ``.mcap`` or ``.db3`` file).

    Topics are found by message type unless ``topics`` names them: the one colour image, the one
    depth image (by topic name or encoding; of a stream that is there raw and compressed the raw
    one), the calibrations beside them, odometry, TF. Where two could be meant nothing is guessed.

    Args:
        path: the bag.
        topics: role (a key of :data:`BAG_ROLES`) -> topic; an empty string leaves a role out.

    Raises:
        BadRequestError: the bag cannot be read, has no image topic, lacks a topic asked for, or
            has several for a role; names them and the option that chooses.
    """

    def __init__(self, path: str | Path, topics: Mapping[str, str] | None = None) -> None:
        try:
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise BadRequestError(
                "reading bags needs the Python package rosbags (pip install rosbags)"
            ) from error
        wanted = dict(topics or {})
        if unknown := set(wanted) - set(BAG_ROLES):
            raise BadRequestError(f"no such roles: {sorted(unknown)}; known: {list(BAG_ROLES)}")
        self._path = Path(path)
        _check(self._path)
        try:
            store = get_typestore(Stores.ROS2_JAZZY)
            register_vision_types(store)
            self._reader = AnyReader([self._path], default_typestore=store)
            self._reader.open()
        # AnyReaderError, and of damaged files whatever SQLite, YAML or struct raise.
        except Exception as error:
            raise BadRequestError(
                f"cannot read the bag {path}: {_first_line(error)}; where its recording broke off, "
                "`ros2 bag reindex` may mend it"
            ) from error
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
        for connection, stamp, data in self._read(list(chosen.values())):
            for role in roles[connection.id]:
                yield BagMessage(role, connection.topic, connection.msgtype, stamp, data)

    def _read(self, connections: Sequence[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
        try:
            for connection, stamp, data in self._reader.messages(connections=connections):
                yield connection, stamp, bytes(data)
        except Exception as error:  # as in the constructor
            raise BadRequestError(
                f"the bag {self._path} is damaged: {_first_line(error)}; see `ros2 bag reindex`"
            ) from error

    def decode(self, message: BagMessage) -> Any:
        """Return a message's fields, named as in the ROS class of its type.

        Raises:
            BadRequestError: its bytes are not of its type.
        """
        return self._decoded(message.topic, message.msgtype, message.data)

    def _decoded(self, topic: str, msgtype: str, data: bytes) -> Any:
        try:
            return self._reader.deserialize(data, msgtype)
        except Exception as error:  # of many kinds: what it read as a length, a text, an enum
            raise BadRequestError(
                f"the bag {self._path} is damaged: a message on {topic} is no {msgtype} "
                f"({_first_line(error)})"
            ) from error

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
        guesses: dict[str, list[Connection]] = {}
        for topic in sorted(by_topic):
            guess = self._guess(by_topic[topic])
            if guess and guess not in wanted:
                guesses.setdefault(guess, []).append(by_topic[topic])
        for role, found in guesses.items():
            self._roles[role] = self._only(role, found)
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
            for _, _, data in self._read([connection]):
                message = self._decoded(connection.topic, connection.msgtype, data)
                return message.encoding in _DEPTH_ENCODINGS
        return "depth" in connection.topic.lower()

    def _only(self, role: str, found: Sequence[Connection]) -> Connection:
        """Return the one topic of a role, of those that its type allows.

        Raises:
            BadRequestError: it is one of several.
        """
        # A topic that was recorded and never published is no choice beside one that was.
        spoken = [one for one in found if one.msgcount] or list(found)
        streams: dict[str, Connection] = {}
        for connection in sorted(spoken, key=lambda one: _TRANSPORTS.get(_last(one.topic), 0)):
            base = connection.topic
            if _last(base) in _TRANSPORTS:
                base = base.rpartition("/")[0]
            streams.setdefault(base, connection)
        if len(streams) == 1:
            return next(iter(streams.values()))
        option = BAG_OPTIONS.get(role, f"--topic {role}=TOPIC")
        names = ", ".join(sorted(one.topic for one in streams.values()))
        raise BadRequestError(
            f"{self._path} has several topics that could be the {role.replace('_', ' ')}: {names}; "
            f"choose one with {option}, or leave it out with an empty name"
        )


def is_bag(path: Path) -> bool:
    """Tell whether a path is meant to be a bag, whole or not: by suffix, or by what it holds."""
    if path.is_dir():
        return (path / "metadata.yaml").exists() or bool(_storage_files(path))
    return path.suffix in (*_SUFFIXES, ".bag") or path.name.endswith(_PACKED)


def _storage_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.name.endswith((*_SUFFIXES, *_PACKED)))


def _check(path: Path) -> None:
    """Refuse what is no bag that can be read, each kind with its own cure.

    Raises:
        BadRequestError: says what it is.
    """
    if path.suffix == ".bag":
        raise BadRequestError(
            f"{path} is a bag of ROS 1: convert it with `rosbags-convert --src {path} --dst "
            f"{path.with_suffix('')}` (pip install rosbags)"
        )
    try:
        files = [path]
        if path.is_dir():
            metadata, files = path / "metadata.yaml", _storage_files(path)
            if not metadata.exists() and files:
                raise BadRequestError(
                    f"{path} has no metadata.yaml, so its recording was not ended: run `ros2 bag "
                    f"reindex {path}`, or give one file: {files[0]}"
                )
            if not metadata.exists():
                raise BadRequestError(f"{path} is no bag: it has no metadata.yaml")
            if metadata.stat().st_size > _MOST_METADATA_BYTES:
                raise BadRequestError(f"{metadata} is too large to be that of a bag")
            files = [metadata, *files]
        for file in files:
            check_regular(os.stat(file), file, BadRequestError)
    except FileNotFoundError as error:
        raise BadRequestError(f"{error.filename} does not exist") from error
    except OSError as error:
        raise BadRequestError(f"{error.filename} cannot be read: {error.strerror}") from error
    if not path.is_dir() and not is_bag(path):
        raise BadRequestError(
            f"{path} is no bag: expected a folder with metadata.yaml, or one .mcap or .db3 file"
        )


def _last(topic: str) -> str:
    return topic.rpartition("/")[2]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0][:200]


def _calibration_names(topic: str) -> list[str]:
    """Where the CameraInfo of an image topic can be: beside it, or beside its raw topic."""
    parts = topic.rstrip("/").split("/")
    return ["/".join([*parts[:end], "camera_info"]) for end in range(len(parts) - 1, 0, -1)]
