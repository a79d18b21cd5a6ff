# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded cameras as live topics, and what publishes frames as a camera driver does."""
