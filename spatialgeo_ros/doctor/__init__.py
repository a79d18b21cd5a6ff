# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo doctor``: what is wrong with the running graph and the machine, and the cure."""
