# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The feedback of one action goal: what is being done, and the words as they come."""

from __future__ import annotations

from rclpy.action.server import ServerGoalHandle

from spatialgeo_ros.action import AskSpatial
from spatialgeo_ros.msg import SpatialAnswer

Feedback = AskSpatial.Feedback


class Progress:
    """Publishes the feedback of one goal. One lane after the other calls it."""

    def __init__(self, goal: ServerGoalHandle) -> None:
        """Report on ``goal``."""
        self._goal = goal
        self._feedback = Feedback()

    def state(self, state: int) -> None:
        """Say what is being done now, one of ``Feedback.STATE_*``."""
        self._feedback.state = state
        self._feedback.token = ""
        self._goal.publish_feedback(self._feedback)

    def measured(self, answer: SpatialAnswer) -> None:
        """Pass the measured part on, once."""
        self._feedback.measured = [answer]
        self.state(Feedback.STATE_GENERATING)
        self._feedback.measured = []

    def token(self, token: str) -> None:
        """Pass a piece of text on."""
        self._feedback.state = Feedback.STATE_GENERATING
        self._feedback.token = token
        self._feedback.partial_text += token
        self._feedback.tokens += 1
        self._goal.publish_feedback(self._feedback)
