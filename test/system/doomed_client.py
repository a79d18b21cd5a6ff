#!/usr/bin/env python3
# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An action client that is killed in the middle of its answer: ``doomed_client.py ACTION``.

It prints a line at each feedback. One thread sends and spins.
"""

import sys

import rclpy
from rclpy.action import ActionClient
from spatialgeo_ros.action import AskSpatial

rclpy.init()
node = rclpy.create_node("doomed_client")
client = ActionClient(node, AskSpatial, sys.argv[1])
client.wait_for_server()
goal = AskSpatial.Goal(question="slow tale for a client that dies")
future = client.send_goal_async(goal, lambda feedback: print(feedback.feedback.tokens, flush=True))
rclpy.spin_until_future_complete(node, future)
future.result().get_result_async()
rclpy.spin(node)
