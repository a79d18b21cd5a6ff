# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the networks of a profile once, so that the first request is not slower than the rest."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from spatialgeo_ros.errors import CancelledError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.networks.interface import Networks, Question


def warm_up(networks: Networks) -> None:
    """Run every network once; nothing is sent to a server that speaks for the profile."""
    camera = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)
    image = np.full((480, 640, 3), 127, np.uint8)
    view = View(image, camera, networks.nominal_mount)
    mask = np.zeros((480, 640), bool)
    mask[200:300, 200:300] = True
    networks.unfamiliar(view)
    if networks.has_geometry:
        networks.depth(view)
    if networks.has_grounding:
        names = networks.vocabulary.names() or ("chair",)
        networks.similarity(view, (*names, *networks.background_names))
    if networks.speaks_elsewhere:
        return
    if networks.has_language and networks.canonical_only:
        question = "how far is the object <region> from the camera ?"
        networks.answer(view, Question(question, [mask], "camera_distance"))
    elif networks.has_language:
        said: list[str] = []
        with suppress(CancelledError):  # one token warms up what a whole answer needs
            free = Question(
                "How far is the wall?", on_token=said.append, cancelled=lambda: bool(said)
            )
            networks.answer(view, free)
