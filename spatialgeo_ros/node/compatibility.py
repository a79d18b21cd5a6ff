# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every difference between the ROS 2 distributions that this package meets, in one place.

Humble, Jazzy, Kilted and Lyrical (docs/distributions.md). What is there is asked, not the
distribution's name: a workspace may hold newer packages than its distribution. ROS is imported
where it is needed, so that this file can be read, and its rules tested, without it.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadImageError, quoted

Message = TypeVar("Message")

#: Variables that name a Fast DDS profile: of Fast DDS 2 (Humble, Jazzy) and 3 (Kilted, Lyrical).
#: Version 2 does not know the second name. Kilted's rmw_fastrtps still takes the first, and warns
#: of it in every process, also where both are set.
FAST_DDS_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_FAST_DDS_LIBRARIES = ("libfastrtps.so", "libfastdds.so")


# QoS events


def subscription_event_callbacks(**callbacks: Callable[[Any], None]) -> Any:
    """Make rclpy's ``SubscriptionEventCallbacks``.

    QoS events became middleware events in Iron, and moved from ``rclpy.qos_event``.
    """
    try:
        from rclpy.event_handler import SubscriptionEventCallbacks
    except ImportError:  # Humble
        from rclpy.qos_event import SubscriptionEventCallbacks
    return SubscriptionEventCallbacks(**callbacks)


# Executors


def rclpy_bindings() -> Any:
    """Return rclpy's bindings to C, of which a wait set of one's own is made.

    They are no public interface; Humble to Kilted have the same wait set, errors and handles.
    """
    from rclpy.impl.implementation_singleton import rclpy_implementation

    return rclpy_implementation


# Parameters


def follow_parameters(
    node: Any,
    validate: Callable[[list[Any]], Any],
    update: Callable[[list[Any]], None],
) -> None:
    """Call ``validate`` before parameters change and ``update`` after they did.

    Humble has no callback after the change: there ``update`` is called with what is about to be
    set, at the end of the check. It must be registered last, so that no later check refuses.

    Args:
        node: rclpy's Node.
        validate: Returns a ``rcl_interfaces/SetParametersResult``.
        update: Applies the new values.
    """
    if hasattr(node, "add_post_set_parameters_callback"):
        node.add_on_set_parameters_callback(validate)
        node.add_post_set_parameters_callback(update)
        return

    def validate_and_update(changes: list[Any]) -> Any:
        result = validate(changes)
        if result.successful:
            update(changes)
        return result

    node.add_on_set_parameters_callback(validate_and_update)


# Bytes of messages


def message_that_takes_over(cls: type[Message]) -> Message:
    """Make an empty message whose ``uint8[]`` fields take an ``array.array`` over, uncopied.

    From Jazzy on a message has a switch for the checks of its fields: with them it takes such an
    array as it is, without them it copies. Humble has no such switch and always takes it.
    """
    switch = "_check_fields" in getattr(cls, "__slots__", ())
    return cls(check_fields=True) if switch else cls()  # type: ignore[call-arg]


def subscription_options(node: Any) -> dict[str, Any]:
    """Return keywords of ``create_subscription`` that keep the bytes of messages in main memory.

    In Lyrical the bytes of a message may stay on a GPU (``rosidl_buffer.Buffer``) for subscribers
    that accept this; rclpy's default is the same, and is said here so that it stays so.
    """
    known = inspect.signature(node.create_subscription).parameters
    return {"acceptable_buffer_backends": "cpu"} if "acceptable_buffer_backends" in known else {}


def bytes_of(data: Any, what: str) -> npt.NDArray[np.uint8]:
    """View the value of a ``uint8[]`` field as flat uint8, without a copy where that is possible.

    It is an ``array.array`` in every distribution, bytes or a numpy array in messages from files,
    and may be a ``rosidl_buffer.Buffer`` of another memory in Lyrical, which is copied from there.

    Args:
        data: The field's value.
        what: Name of the message for the error.

    Raises:
        BadImageError: The bytes lie where they cannot be read from.
    """
    if isinstance(data, (list, tuple)):
        return np.array(data, np.uint8)
    backend = getattr(data, "backend_type", None)
    if backend is None:
        return np.frombuffer(data, np.uint8)
    try:
        return np.frombuffer(data.to_array(), np.uint8)
    except Exception as error:  # each backend raises its own
        raise BadImageError(
            f"the bytes of {what} are in memory of the backend {quoted(str(backend))} and cannot "
            f"be copied from there ({quoted(str(error))}): let its publisher use the cpu backend, "
            "or install the backend's package here"
        ) from error


# vision_msgs


def box_centre(box: Any) -> tuple[float, float]:
    """Return the centre of a ``vision_msgs/BoundingBox2D``, px.

    ``center.position.x`` since vision_msgs 4 (all of Humble to Lyrical); ``center.x`` before (built
    from an older branch, or recorded with it).
    """
    centre = getattr(box.center, "position", box.center)
    return float(centre.x), float(centre.y)


def hypothesis(result: Any) -> tuple[str, float]:
    """Return the class and the score of a ``vision_msgs/ObjectHypothesisWithPose``.

    ``hypothesis.class_id`` since vision_msgs 3, ``id`` before (Foxy).
    """
    part = getattr(result, "hypothesis", result)
    name = part.class_id if hasattr(part, "class_id") else part.id
    return str(name), float(part.score)


# Middleware


def fast_dds_profile_variables(
    maps: Path = Path("/proc/self/maps"), environment: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """Return the variable that names a profile for the Fast DDS of this process, or of ROS 2 here.

    Args:
        maps: What this process has loaded; Fast DDS is among it after ``rclpy.init``.
        environment: Whose search path for libraries tells what is installed, where none is loaded.

    Returns:
        One name; both where there is no Fast DDS, or one of each version.
    """
    try:
        loaded = maps.read_text()
    except OSError:  # no Linux
        loaded = ""
    found = [library in loaded for library in _FAST_DDS_LIBRARIES]
    if not any(found):
        folders = [Path(one) for one in environment.get("LD_LIBRARY_PATH", "").split(":") if one]
        found = [
            any((folder / library).exists() for folder in folders)
            for library in _FAST_DDS_LIBRARIES
        ]
    names = [name for name, there in zip(FAST_DDS_PROFILES, found, strict=True) if there]
    return tuple(names) or FAST_DDS_PROFILES


def keep_on_this_machine(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables that keep nodes started from now on from being heard elsewhere.

    Humble knows ``ROS_LOCALHOST_ONLY`` only; later distributions call that one deprecated.
    """
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    if environment.get("ROS_DISTRO") == "humble":
        environment["ROS_LOCALHOST_ONLY"] = "1"
