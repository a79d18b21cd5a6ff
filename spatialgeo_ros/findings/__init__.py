# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a robot's inputs, graph and machine: names, causes and cures."""
