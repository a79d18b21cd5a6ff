# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The language model's side: prompts, tokenizers, the token stream, reading what it said."""
