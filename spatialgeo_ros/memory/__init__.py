# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames, the newest-frame slot, voxel coverage and which frames are worth keeping."""
