# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``bench.gpu`` measures; a function of each part's name gives its outcome."""
