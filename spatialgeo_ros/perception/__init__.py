# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one facade, used by node, command and evaluation: frames in, metres and answers out."""

from spatialgeo_ros.perception.facade import Perception
from spatialgeo_ros.perception.results import Answer, LocatedObject, Mount, Observation

__all__ = ["Answer", "LocatedObject", "Mount", "Observation", "Perception"]
