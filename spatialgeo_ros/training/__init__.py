# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nano networks' training: rendered data, three trainings, one command."""
