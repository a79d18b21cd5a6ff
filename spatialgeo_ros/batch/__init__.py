# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings as tables: the whole pipeline over every frame of a bag, and over many bags."""
