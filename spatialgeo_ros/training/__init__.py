# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
