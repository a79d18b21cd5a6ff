# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LLaVA-1.5 and SpatialGeo from every published layout."""
