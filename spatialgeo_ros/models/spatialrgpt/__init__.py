# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialRGPT (Cheng et al. 2024, arXiv 2406.01584): regions go in as tokens, words come out."""
