# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated robot: its camera as ROS topics, ground truth, and the demo."""
