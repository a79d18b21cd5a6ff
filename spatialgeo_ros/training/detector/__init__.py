# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of the nano detector: an OWL-ViT of a few megabytes for the simulated rooms."""
