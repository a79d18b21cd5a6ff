#!/usr/bin/env bash
# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Puts ROS 2, the environment with PyTorch and the workspace on the paths, and runs the command.

set -eo pipefail # not -u: ROS's setup files read variables that may be unset
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /opt/venv/bin/activate
source /workspace/install/setup.bash
exec "$@"
