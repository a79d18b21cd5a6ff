# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo: a simulated robot drives through a room and is asked where things are."""
