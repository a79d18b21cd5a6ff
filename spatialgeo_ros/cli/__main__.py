# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m spatialgeo_ros.cli``: the command where no script is installed."""

import sys

from spatialgeo_ros.cli import main

sys.exit(main())
