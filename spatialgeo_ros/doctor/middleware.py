# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What carries the messages on this machine: profile, shared memory, kernel buffers."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.node.compatibility import FAST_DDS_PROFILES, fast_dds_profile_variables

_USUAL_SEGMENT = 512 << 10  # bytes, of Fast DDS without a profile
_LEAST_RECEIVE_BUFFER = 2 << 20  # bytes, that hold one image of 640x480
_MOST_PROFILE = 1 << 20  # bytes of a file that is read
_MOST_PROCESSES = 2000
SHARE_PROFILE = "share/spatialgeo_ros/config/fastdds.xml"


@dataclass(frozen=True)
class RosProcess:
    """A process of this user that has ROS 2 loaded.

    Attributes:
        pid: Of the process.
        name: Of its program.
        middleware: Such as "rmw_fastrtps_cpp"; "" where none is loaded yet.
        domain: Its ROS_DOMAIN_ID.
        profile: Its Fast DDS profile; "" where none is set.
    """

    pid: int
    name: str
    middleware: str
    domain: str
    profile: str


def profile_of(environment: Mapping[str, str]) -> str:
    """Path of the Fast DDS profile that an environment names; "" where it names none."""
    return next((environment[name] for name in FAST_DDS_PROFILES if environment.get(name)), "")


def segment_size(profile: str) -> int:
    """Bytes of the shared-memory segment that a profile asks for.

    Raises:
        ValueError: The file cannot be read, or is no XML; the text says which.
    """
    path = Path(profile.removeprefix("file://"))
    try:
        if path.stat().st_size > _MOST_PROFILE:
            raise ValueError(f"{path} is too large to be a profile")
        root = ElementTree.fromstring(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is no XML: {error}") from None
    sizes = [int(e.text or 0) for e in root.iter() if e.tag.rsplit("}", 1)[-1] == "segment_size"]
    return max(sizes, default=_USUAL_SEGMENT)


def profile_findings(environment: Mapping[str, str], middleware: str) -> Iterator[Finding]:
    """Yield what is wrong with the Fast DDS profile of this shell, where Fast DDS is in use.

    Args:
        environment: Of this process.
        middleware: Such as "rmw_fastrtps_cpp"; "" for the default, which it is.
    """
    if middleware and "fastrtps" not in middleware:
        return
    profile = profile_of(environment)
    where = " and ".join(fast_dds_profile_variables())
    if not profile:
        yield Finding(
            "dds-profile-missing",
            "no Fast DDS profile is set here: its shared-memory segment of 512 kB is smaller than "
            f"an image, and best-effort images are lost; set {where} to {SHARE_PROFILE} in every "
            "shell that starts publishers and nodes",
        )
        return
    try:
        size = segment_size(profile)
    except ValueError as error:
        yield Finding(
            "dds-profile-unreadable",
            f"the Fast DDS profile that is set cannot be used: {error}; set {where} to "
            f"{SHARE_PROFILE}",
        )
        return
    if size <= _USUAL_SEGMENT:
        yield Finding(
            "dds-profile-missing",
            f"the Fast DDS profile {profile} leaves the shared-memory segment at {size >> 10} kB, "
            f"less than an image; add the segment_size of {SHARE_PROFILE}",
        )


def shared_memory_findings(free: int, total: int, segment: int) -> Iterator[Finding]:
    """Yield that the segments of publishers and nodes do not fit into /dev/shm.

    Args:
        free: Bytes free in /dev/shm.
        total: Its size.
        segment: Bytes that each process asks for.
    """
    needed = 2 * segment  # of a camera driver and the node
    if total < needed or free < segment:
        yield Finding(
            "shm-small",
            f"/dev/shm has {free >> 20} MB free of {total >> 20}, and each process with images "
            f"wants a segment of {segment >> 20} MB: start the container with --shm-size=512m or "
            "--ipc=host, or remove what is left in /dev/shm",
        )


def receive_buffer_findings(rmem_max: int, middleware: str) -> Iterator[Finding]:
    """Yield that the kernel's largest receive buffer does not hold an image over UDP.

    Args:
        rmem_max: net.core.rmem_max, bytes.
        middleware: In use; Fast DDS needs it for other machines only.
    """
    if rmem_max >= _LEAST_RECEIVE_BUFFER:
        return
    local = "cyclonedds" in middleware
    yield Finding(
        "rmem-small" if local else "rmem-small-remote",
        f"net.core.rmem_max is {rmem_max >> 10} kB: images "
        + ("are" if local else "from other machines will be")
        + " lost between socket and node; sudo sysctl -w net.core.rmem_max=8388608",
    )


def process_findings(processes: list[RosProcess], own: RosProcess) -> Iterator[Finding]:
    """Yield in what the ROS processes of one domain on this machine differ.

    Args:
        processes: That run beside this one.
        own: This one.
    """
    same = [one for one in processes if one.domain == own.domain]
    middlewares = {one.middleware for one in (*same, own) if one.middleware}
    if len(middlewares) > 1:
        named = ", ".join(f"{one.name} ({one.pid}): {one.middleware}" for one in same[:6])
        yield Finding(
            "rmw-differs",
            f"processes of ROS_DOMAIN_ID {own.domain} run on {' and '.join(sorted(middlewares))} "
            f"(here {own.middleware}; {named}): messages between them are lost or damaged; set "
            "RMW_IMPLEMENTATION to the same everywhere",
        )
    elif "fastrtps" in own.middleware:
        bare = [one for one in same if one.middleware and not one.profile]
        if own.profile and bare:
            named = ", ".join(f"{one.name} ({one.pid})" for one in bare[:6])
            yield Finding(
                "dds-profile-differs",
                f"a Fast DDS profile is set here, but not for {named}: what they publish passes "
                f"through segments of 512 kB; set {' and '.join(fast_dds_profile_variables())} to "
                f"{profile_of(os.environ)} there too",
            )


def other_domains(processes: list[RosProcess], domain: str) -> str:
    """Say which other domains this user's processes are in; "" where there are none."""
    others = sorted({one.domain for one in processes} - {domain})
    return f"; processes here run in ROS_DOMAIN_ID {', '.join(others)}" if others else ""


def ros_processes(folder: Path = Path("/proc")) -> list[RosProcess]:
    """Return the processes of this user that have ROS 2 loaded, this one not among them."""
    found = []
    for entry in sorted(folder.iterdir())[:_MOST_PROCESSES]:
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            maps = (entry / "maps").read_text(errors="replace")
            if "/librcl.so" not in maps and "/librcl-" not in maps:
                continue
            found.append(
                _process(
                    int(entry.name),
                    (entry / "comm").read_text(errors="replace").strip(),
                    maps,
                    (entry / "environ").read_bytes(),
                )
            )
        except OSError:  # ended, or another user's
            continue
    return found


def this_process(middleware: str) -> RosProcess:
    """Return what would be found of this process."""
    environment = os.environ
    return RosProcess(
        os.getpid(), "this shell", middleware, _domain(environment), profile_of(environment)
    )


def _process(pid: int, name: str, maps: str, environ: bytes) -> RosProcess:
    loaded = re.search(r"/lib(rmw_(?:fastrtps|cyclonedds|zenoh|connext)\w*?)(?:-\w+)?\.so", maps)
    pairs = (one.partition("=") for one in environ.decode(errors="replace").split("\0"))
    environment = {key: value for key, _, value in pairs}
    middleware = loaded[1] if loaded else ""
    # The shared part of Fast DDS's two variants is no variant.
    middleware = "rmw_fastrtps_cpp" if middleware == "rmw_fastrtps_shared_cpp" else middleware
    return RosProcess(pid, name, middleware, _domain(environment), profile_of(environment))


def _domain(environment: Mapping[str, str]) -> str:
    return environment.get("ROS_DOMAIN_ID") or "0"


def middleware_facts(environment: Mapping[str, str], middleware: str) -> dict[str, Any]:
    """Return what is set for the middleware."""
    return {
        "RMW": middleware or "not loaded",
        "ROS_DISTRO": environment.get("ROS_DISTRO", "not set"),
        "ROS_DOMAIN_ID": _domain(environment),
        "discovery": environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
        or ("localhost" if environment.get("ROS_LOCALHOST_ONLY") == "1" else "subnet"),
        "Fast DDS profile": profile_of(environment) or "none",
    }


def middleware_findings(
    environment: Mapping[str, str], middleware: str, processes: list[RosProcess]
) -> Iterator[Finding]:
    """Yield everything that is wrong with what carries the messages here.

    Args:
        environment: Of this process.
        middleware: In use.
        processes: See :func:`ros_processes`.
    """
    yield from profile_findings(environment, middleware)
    profile = profile_of(environment)
    if not middleware or "fastrtps" in middleware:
        try:
            segment = segment_size(profile) if profile else _USUAL_SEGMENT
            disk = os.statvfs("/dev/shm")
        except (ValueError, OSError):  # the profile is a finding of its own; no shared memory
            pass
        else:
            size = disk.f_frsize
            yield from shared_memory_findings(disk.f_bavail * size, disk.f_blocks * size, segment)
    try:
        rmem_max = int(Path("/proc/sys/net/core/rmem_max").read_text())
    except (OSError, ValueError):  # no Linux
        pass
    else:
        yield from receive_buffer_findings(rmem_max, middleware)
    yield from process_findings(processes, this_process(middleware))
