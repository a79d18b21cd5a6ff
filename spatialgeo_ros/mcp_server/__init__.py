# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tools for language-model agents over the Model Context Protocol, on a running node or a file."""
