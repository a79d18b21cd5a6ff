# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MoGe 1 and MoGe-2: networks, official checkpoints, focal length and shift."""
