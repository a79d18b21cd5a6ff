# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the package runs on: the files it ships with, wherever it is installed."""
