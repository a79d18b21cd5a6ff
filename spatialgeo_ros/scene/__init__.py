# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The geometry side of the facade: observe a frame, find and recall objects, measure."""
