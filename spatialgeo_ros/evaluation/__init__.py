# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good the networks and the measurements are, on rooms that were never trained on."""
