# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions, prompts, tokens and answers: everything about words, nothing about pixels."""
