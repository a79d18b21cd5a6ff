# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles, shared memory, kernel buffers and processes, judged on made-up machines."""

from __future__ import annotations

import os

import pytest

from spatialgeo_ros.doctor import middleware
from spatialgeo_ros.doctor.middleware import RosProcess

FAST, CYCLONE = "rmw_fastrtps_cpp", "rmw_cyclonedds_cpp"
MB = 1 << 20


def ids(findings) -> list[str]:
    return [finding.id for finding in findings]


def test_the_shipped_profile_is_good(repository):
    profile = str(repository / "config" / "fastdds.xml")
    assert middleware.segment_size(profile) == 32 * MB
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        assert not ids(middleware.profile_findings({name: profile}, FAST))
    assert not ids(middleware.profile_findings({}, CYCLONE))


def test_profiles_that_are_missing_or_no_use(tmp_path):
    def with_profile(text: str) -> list[str]:
        path = tmp_path / "profile.xml"
        path.write_text(text)
        environment = {"FASTRTPS_DEFAULT_PROFILES_FILE": str(path)}
        return ids(middleware.profile_findings(environment, FAST))

    assert ids(middleware.profile_findings({}, FAST)) == ["dds-profile-missing"]
    assert ids(middleware.profile_findings({}, "")) == ["dds-profile-missing"]
    assert with_profile("<dds/>") == ["dds-profile-missing"], "the usual segment"
    assert with_profile("<dds") == ["dds-profile-unreadable"]
    nowhere = {"FASTDDS_DEFAULT_PROFILES_FILE": str(tmp_path / "nosuch.xml")}
    (finding,) = middleware.profile_findings(nowhere, FAST)
    assert finding.id == "dds-profile-unreadable"
    assert "nosuch.xml" in finding


@pytest.mark.parametrize(
    ("free", "total", "expected"),
    [(500, 512, []), (60, 64, []), (60, 63, ["shm-small"]), (20, 512, ["shm-small"])],
)
def test_room_for_segments(free, total, expected):
    found = list(middleware.shared_memory_findings(free * MB, total * MB, 32 * MB))
    assert ids(found) == expected
    assert all("--shm-size" in finding for finding in found)


def test_receive_buffers():
    assert not ids(middleware.receive_buffer_findings(4 * MB, CYCLONE))
    assert ids(middleware.receive_buffer_findings(212992, CYCLONE)) == ["rmem-small"]
    assert ids(middleware.receive_buffer_findings(212992, FAST)) == ["rmem-small-remote"]


def process(
    pid: int = 7, rmw: str = FAST, domain: str = "0", profile: str = "/p.xml"
) -> RosProcess:
    return RosProcess(pid, "driver", rmw, domain, profile)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (process(), []),
        (process(rmw=CYCLONE), ["rmw-differs"]),
        (process(rmw=CYCLONE, domain="3"), []),
        (process(rmw=""), []),
        (process(profile=""), ["dds-profile-differs"]),
        (process(profile="", domain="3"), []),
    ],
)
def test_processes_that_differ(other, expected):
    own = process(pid=1)
    assert ids(middleware.process_findings([other], own)) == expected


def test_two_others_that_differ_from_each_other():
    others = [process(2, FAST), process(3, CYCLONE)]
    (finding,) = middleware.process_findings(others, process(1, FAST))
    assert "rmw_cyclonedds_cpp and rmw_fastrtps_cpp" in finding
    assert "driver (3)" in finding


def fake_process(folder, pid: int, maps: str, environ: bytes) -> None:
    entry = folder / str(pid)
    entry.mkdir()
    (entry / "maps").write_text(maps)
    (entry / "comm").write_text("camera_node\n")
    (entry / "environ").write_bytes(environ)


def test_processes_are_read_from_proc(tmp_path):
    ros = "7f r-xp /opt/ros/jazzy/lib/librcl.so\n7f r-xp /opt/ros/jazzy/lib/{}.so\n"
    environ = b"HOME=/root\0ROS_DOMAIN_ID=5\0FASTDDS_DEFAULT_PROFILES_FILE=/a.xml\0"
    fake_process(tmp_path, 11, ros.format("librmw_fastrtps_cpp"), environ)
    fake_process(tmp_path, 12, ros.format("librmw_cyclonedds_cpp"), b"")
    fake_process(tmp_path, 13, "7f r-xp /usr/lib/libc.so.6\n", environ)
    fake_process(tmp_path, os.getpid(), ros.format("librmw_fastrtps_cpp"), b"")
    (tmp_path / "14").mkdir()  # ended meanwhile
    (tmp_path / "self").mkdir()
    assert middleware.ros_processes(tmp_path) == [
        RosProcess(11, "camera_node", FAST, "5", "/a.xml"),
        RosProcess(12, "camera_node", CYCLONE, "0", ""),
    ]
    assert middleware.other_domains(middleware.ros_processes(tmp_path), "0").endswith(" 5")
    assert middleware.other_domains([], "0") == ""
