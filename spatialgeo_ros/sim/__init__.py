# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A procedural furnished room and a robot camera in it, with exact ground truth."""
