#!/usr/bin/env python3
# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The real node with fake networks, as an executable. SIGUSR1 prints every thread's stack."""

import faulthandler
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from fake_networks import fake_perception

from spatialgeo_ros.node.spatialgeo_node import main

faulthandler.register(signal.SIGUSR1)
main(perception_factory=fake_perception)
