# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words to meaning: nouns, questions, relations, and the sentences of answers."""
