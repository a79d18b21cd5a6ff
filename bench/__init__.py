# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks against what people use otherwise: ``python -m bench``, or one by its name."""
