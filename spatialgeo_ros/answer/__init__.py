# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a question in words to the finished answer: measured part, language model, verdict."""
