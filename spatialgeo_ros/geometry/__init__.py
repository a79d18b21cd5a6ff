# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras, poses, point maps, regions and measuring: metric geometry in numpy and OpenCV."""
