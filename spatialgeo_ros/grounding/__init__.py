# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a noun phrase to pixels in one image: detections, CLIP patches."""
