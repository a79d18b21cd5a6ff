# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ask a robot where things are, and get metres back."""

from pkgutil import extend_path

# The generated msg, srv and action modules are in the workspace's install folder. When the sources
# are imported from a checkout (tests, development), both folders together are this package.
__path__ = extend_path(__path__, __name__)
