# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What catkin, colcon, bloom and rosdep read of this package, read by their own code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

catkin_package = pytest.importorskip("catkin_pkg.package", reason="needs catkin_pkg")
catkin_changelog = pytest.importorskip("catkin_pkg.changelog", reason="needs docutils too")
catkin_version = pytest.importorskip("catkin_pkg.package_version")

REPOSITORY = Path(__file__).resolve().parents[2]
# Keys of rosdistro (rosdep/base.yaml, rosdep/python.yaml) that are packages of Debian and Ubuntu in
# every supported distribution. A key that calls pip can neither be released nor be installed on
# Ubuntu from 24.04 on.
ROSDEP_PACKAGES = {
    "python3-hypothesis",
    "python3-numpy",
    "python3-opencv",
    "python3-pil",
    "python3-pytest",
    "python3-scipy",
    "python3-tqdm",
    "python3-yaml",
}
# Packages released into Humble, Jazzy, Kilted and Lyrical (their distribution.yaml).
ROS_PACKAGES = {
    "action_msgs", "ament_cmake", "ament_cmake_pytest", "ament_cmake_python", "ament_index_python",
    "builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "launch", "launch_ros",
    "launch_testing", "launch_testing_ament_cmake", "launch_testing_ros", "lifecycle_msgs",
    "nav_msgs", "rcl_interfaces", "rclpy", "ros2launch", "rosbag2_py", "rosgraph_msgs",
    "rosidl_default_generators", "rosidl_default_runtime", "rviz2", "sensor_msgs", "std_msgs",
    "std_srvs", "tf2_msgs", "tf2_ros_py", "vision_msgs", "visualization_msgs",
}  # fmt: skip


@pytest.fixture(scope="module")
def package():
    return catkin_package.parse_package(str(REPOSITORY))


def test_package_xml_is_valid_without_a_warning():
    warnings: list[str] = []
    catkin_package.parse_package(str(REPOSITORY), warnings=warnings).validate(warnings)
    assert warnings == []


def test_who_to_ask_and_where_is_named(package):
    assert package.package_format == 3
    assert {url.type for url in package.urls} == {"website", "repository", "bugtracker"}
    assert all(url.url.startswith("https://") for url in package.urls)
    assert [licence.file for licence in package.licenses] == ["LICENSE"]
    licence = (REPOSITORY / "LICENSE").read_text()
    assert licence.lstrip().startswith("Apache License") and "Version 2.0" in licence


def test_every_key_is_one_that_rosdep_finds_in_all_distributions(package):
    groups = ("buildtool_depends", "build_depends", "exec_depends", "test_depends")
    keys = {depend.name for group in groups for depend in getattr(package, group)}
    assert keys - ROS_PACKAGES - ROSDEP_PACKAGES == set()


def test_no_middleware_is_forced_on_anybody(package):
    """Users of Cyclone DDS or Zenoh install this package without Fast DDS."""
    assert not [d.name for d in package.exec_depends if d.name.startswith("rmw_")]


def test_generated_interfaces_are_declared(package):
    assert {d.name for d in package.member_of_groups} == {"rosidl_interface_packages"}
    assert "rosidl_default_generators" in {d.name for d in package.buildtool_depends}
    assert "rosidl_default_runtime" in {d.name for d in package.exec_depends}
    assert package.get_build_type() == "ament_cmake"


def test_what_cmake_looks_for_is_declared(package):
    text = (REPOSITORY / "CMakeLists.txt").read_text()
    wanted = set(re.findall(r"find_package\((\w+)", text))
    groups = ("buildtool_depends", "build_depends", "test_depends")
    declared = {depend.name for group in groups for depend in getattr(package, group)}
    # a part of ament_cmake, which depends on it
    assert wanted - declared <= {"ament_cmake_python"}


def released(text: str, folder: Path) -> list[tuple[str, int]]:
    """Do to a changelog what ``catkin_prepare_release`` does, and read it: versions, and items."""
    path = folder / "CHANGELOG.rst"
    label = catkin_version.get_forthcoming_label(text)
    if label is None:  # released at this commit
        changelog = catkin_changelog.Changelog("spatialgeo_ros")
        catkin_changelog.populate_changelog_from_rst(changelog, text)
        newest = [version for version, _, _ in changelog.foreach_version()][:1]
        assert newest == [catkin_package.parse_package(str(REPOSITORY)).version], (
            "neither a section 'Forthcoming' nor one of this version with its date"
        )
        return [(newest[0], len(re.findall(r"^\* ", text, re.M)))]
    changelog = catkin_changelog.Changelog("spatialgeo_ros")
    catkin_changelog.populate_changelog_from_rst(changelog, text)
    entry = {"spatialgeo_ros": (str(path), changelog, label)}
    catkin_version.update_changelog_sections(entry, "9.9.9")
    read = catkin_changelog.get_changelog_from_path(str(folder), "spatialgeo_ros")
    return [
        (version, sum(len(list(part)) for part in content if hasattr(part, "bullets")))
        for version, _, content in read.foreach_version()
    ]


def test_the_changelog_can_be_released_by_catkin_tools(tmp_path):
    text = (REPOSITORY / "CHANGELOG.rst").read_text()
    # Older versions keep their dates; bloom reads all of them.
    versions = released(text, tmp_path)
    if "Forthcoming" in text:
        assert versions[0][0] == "9.9.9"
    assert sum(items for _, items in versions) == len(re.findall(r"^\* ", text, re.M))


def test_a_heading_that_catkin_tools_do_not_read_is_found(tmp_path):
    """The fault that was: to them "0.1.0 (unreleased)" is neither a version nor what comes."""
    text = (REPOSITORY / "CHANGELOG.rst").read_text()
    wrong = text.replace("Forthcoming\n-----------\n", "0.1.0 (unreleased)\n------------------\n")
    assert wrong != text
    with pytest.raises(AssertionError, match="Forthcoming"):
        released(wrong, tmp_path)


def test_the_changelog_is_plain_restructured_text(package):
    """rst of a wrong indent becomes a block quote or an error in the tools' release notes."""
    core = pytest.importorskip("docutils.core")
    text = (REPOSITORY / "CHANGELOG.rst").read_text()
    settings = {"report_level": 5, "halt_level": 5}
    tree = core.publish_doctree(text, settings_overrides=settings)
    messages = [str(m.astext()) for m in tree.findall() if m.tagname == "system_message"]
    assert messages == []
    lists = [node for node in tree.findall() if node.tagname == "bullet_list"]
    assert sum(len(node.children) for node in lists) == len(re.findall(r"^ *\* ", text, re.M))
