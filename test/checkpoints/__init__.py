# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writers of tiny random-weight checkpoints in the official on-disk layouts."""
