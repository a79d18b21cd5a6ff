# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading what was recorded: bags, videos, folders of frames, trajectories."""
