# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of weights: where they come from, how they are verified, and how tensors are read."""
