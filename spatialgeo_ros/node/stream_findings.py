# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a stream of images by its rates and stamps, with the cure."""

from __future__ import annotations

import os
from collections.abc import Iterator

import rclpy

from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.node.compatibility import fast_dds_profile_variables
from spatialgeo_ros.node.stream_statistics import StreamStatistics

# Seconds that an image may be older than the clock (a slow transport, or a clock that is not
# synchronised: TF and odometry are looked up at its stamp) and newer (rounding, jitter there).
_OLDEST, _NEWEST = 1.0, 0.1
_SLOWEST = 1.0  # Hz


def judge_stamps(images: StreamStatistics, topic: str) -> Iterator[Finding]:
    """Yield what is wrong with the rate and the stamps of the images on a topic."""
    if images.loses_messages():
        stamped = images.stamp_rate() or 0.0
        yield Finding(
            "images-lost",
            f"{images.rate():.1f} Hz received of {stamped:.1f} Hz published: {loss_cure()}",
        )
    if images.stands_still():
        yield Finding(
            "stamps-still",
            f"the stamps on {topic} stand still: the driver must stamp each image anew",
        )
    if images.has_zero_stamps():
        yield Finding(
            "stamps-zero",
            f"the stamps on {topic} are zero: without them there is no pose, no pairing and no "
            "age; the driver must stamp its images",
        )


def judge_clock(behind: list[float], topic: str, simulated: bool) -> Iterator[Finding]:
    """Yield what is wrong between the stamps of a topic and the clock.

    Args:
        behind: By how many seconds each of some messages was older than the clock as it arrived.
        topic: Of the messages.
        simulated: The clock is that of /clock.
    """
    if not behind:
        return
    typical = sorted(behind)[len(behind) // 2]
    if -_NEWEST <= typical <= _OLDEST:
        return
    which = "/clock" if simulated else "this machine's clock"
    side = f"{typical:.1f} s behind" if typical > 0 else f"{-typical:.1f} s ahead of"
    cure = "synchronise the clocks of both machines (chrony)"
    if simulated:
        cure = "let the publisher take its time from /clock, too (use_sim_time)"
    elif abs(typical) > 3600:
        cure = "of a recording or a simulator, set use_sim_time to true and publish /clock"
    yield Finding("stamps-clock", f"the stamps on {topic} are {side} {which}: {cure}")


def judge_rate(images: StreamStatistics, topic: str) -> Iterator[Finding]:
    """Yield that images come slower than a robot can use."""
    rate = images.stamp_rate() or images.rate()
    if 0 < rate < _SLOWEST:
        yield Finding(
            "images-slow",
            f"{rate:.2f} images a second come on {topic}: raise the driver's frame rate; answers "
            "are as old as the newest image, and max_frame_age refuses older ones",
        )


def loss_cure() -> str:
    """Say what helps against images that do not arrive, with the middleware in use."""
    lost = "images are lost before they arrive"
    middleware = rclpy.get_rmw_implementation_identifier()
    if "fastrtps" in middleware:
        variables = fast_dds_profile_variables()
        if any(os.environ.get(name) for name in variables):
            return (
                f"{lost}; a Fast DDS profile is set here: start the publisher with the same one, "
                "or set image_transport to compressed"
            )
        return (
            f"{lost}; start publisher and node with {' and '.join(variables)} set to "
            "share/spatialgeo_ros/config/fastdds.xml, whose shared-memory segment holds whole "
            "images"
        )
    if "cyclonedds" in middleware:
        return (
            f"{lost}; raise the kernel's net.core.rmem_max and Cyclone DDS's SocketReceiveBuffer"
            "Size, or set image_transport to compressed"
        )
    return f"{lost}; raise the buffers of {middleware}, or set image_transport to compressed"
