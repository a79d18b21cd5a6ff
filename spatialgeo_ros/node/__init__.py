# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 side: the managed node, and the executables that publish cameras."""
