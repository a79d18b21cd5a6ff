# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tools need of whoever sees: a node over ROS, or the facade on files."""

from __future__ import annotations

from typing import Protocol

from spatialgeo_ros.mcp_server.results import (
    ApproachChoices,
    Length,
    SpatialReply,
    ThingList,
)


class Robot(Protocol):
    """Somebody who sees a scene. Calls come one at a time.

    ``target_frame`` is the frame that places are wanted in; "" for the usual one: points of lengths
    in the camera's, objects and poses in the world's.

    Raises:
        SpatialGeoError: a request cannot be served; the message says why and what to do.
    """

    def describe(self) -> str:
        """Who it is, in a sentence."""

    def ask(self, question: str, session: str, target_frame: str = "") -> SpatialReply:
        """Answer a question in plain English."""

    def run_query(self, program: str, session: str, target_frame: str = "") -> SpatialReply:
        """Run a program, JSON by the published schema."""

    def list_objects(self, include_gone: bool, target_frame: str = "") -> ThingList:
        """List the objects of the map."""

    def find(self, phrase: str, target_frame: str = "") -> ThingList:
        """Find what a phrase means among the objects of the map, the nearest first."""

    def measure(self, first: str, second: str, kind: str, target_frame: str = "") -> list[Length]:
        """Measure on or between things in the newest image."""

    def approach(
        self, target: str, stand_off_m: float, robot_radius_m: float, target_frame: str = ""
    ) -> ApproachChoices:
        """Say where the base can stand to reach an object, by its id or a phrase."""

    def look(self, phrases: list[str]) -> bytes:
        """Return the newest image as PNG, with what the phrases mean drawn on it."""

    def close(self) -> None:
        """Let everything go."""
