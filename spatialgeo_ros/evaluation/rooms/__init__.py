# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VSI-Bench's eight kinds of question, about simulated rooms that a robot has driven through."""
