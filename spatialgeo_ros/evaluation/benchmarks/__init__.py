# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of the published benchmarks, each by its own protocol; no model runs in here."""
