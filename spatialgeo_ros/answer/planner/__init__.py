# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Planners: language models that write the program of a question the grammar declines."""
