# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Renders boxes full of random, textured things: scenes that are none of the furnished rooms.

Same renderer, other world: what tells these images from rooms is what they show, not how they were
made (domain randomisation, Tobin et al. 2017, used here for what the networks do not know).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.sim.renderer import SceneRenderer
from spatialgeo_ros.sim.rig import camera_pose, default_camera
from spatialgeo_ros.training.textures import random_colour, random_surface

_MATERIALS, _TEXELS = 14, 128
_SHAPES = ("box", "box", "cylinder", "sphere", "capsule", "ellipsoid")


_Numbers = Sequence[float] | NDArray[np.floating]


def _numbers(values: _Numbers) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def clutter_mjcf(
    rng: np.random.Generator, width: int, height: int
) -> tuple[str, tuple[float, float, float]]:
    """Describe a closed box with 10 to 90 things in it.

    Returns:
        MJCF whose textures are still blank, and half width, half depth and height in metres.
    """
    w, d, h = (float(v) for v in rng.uniform((1.5, 1.5, 2.0), (5.0, 5.0, 4.0)))
    ambient = _numbers(rng.uniform(0.1, 0.6, 3))
    diffuse = rng.uniform(0.0, 0.6)
    lines = [
        '<mujoco><compiler angle="radian"/><visual>'
        f'<global offwidth="{width}" offheight="{height}"/>'
        '<quality offsamples="0" shadowsize="1024"/>'
        f'<headlight ambient="{ambient}" diffuse="{_numbers([diffuse, 0.3, 0.3])}"/>'
        '<map znear="0.02" zfar="40"/></visual><statistic extent="1"/><asset>'
    ]
    for k in range(_MATERIALS):
        across = rng.uniform(0.5, 4.0)
        repeat = _numbers([across, across * rng.choice([1.0, 0.5, 2.0])])
        uniform = "true" if rng.random() < 0.7 else "false"
        gloss, shine = rng.uniform(0, 1, 2)
        lines.append(
            f'<texture name="t{k}" type="2d" builtin="flat" width="{_TEXELS}" height="{_TEXELS}" '
            f'rgb1="1 1 1"/><material name="m{k}" texture="t{k}" texuniform="{uniform}" '
            f'texrepeat="{repeat}" specular="{gloss:.2f}" shininess="{shine:.2f}" '
            f'reflectance="{rng.choice([0.0, 0.0, 0.0, 0.2]):.1f}"/>'
        )
    lines.append("</asset><worldbody>")
    for k in range(int(rng.integers(1, 4))):
        stands = _numbers((rng.uniform(-w, w), rng.uniform(-d, d), rng.uniform(1, h)))
        towards = _numbers((rng.normal(), rng.normal(), -1.0))
        tone = rng.uniform(0.2, 0.8) * np.array([1.0, rng.uniform(0.7, 1), rng.uniform(0.6, 1.1)])
        lines.append(
            f'<light pos="{stands}" dir="{towards}" castshadow="{"false" if k else "true"}" '
            f'diffuse="{_numbers(tone)}" specular="0.3 0.3 0.3" '
            f'cutoff="{rng.uniform(40, 90):.0f}"/>'
        )
    lines.append('<camera name="camera" pos="0 0 1"/>')
    walls: tuple[tuple[_Numbers, _Numbers], ...] = (
        ((0, 0, -0.05), (w, d, 0.05)), ((0, 0, h + 0.05), (w, d, 0.05)),
        ((0, d + 0.05, h / 2), (w, 0.05, h / 2)), ((0, -d - 0.05, h / 2), (w, 0.05, h / 2)),
        ((w + 0.05, 0, h / 2), (0.05, d, h / 2)), ((-w - 0.05, 0, h / 2), (0.05, d, h / 2)),
    )  # fmt: skip
    for place, half in walls:
        lines.append(_geom(rng, "box", place, half, (0.0, 0.0, 0.0)))
    largest = rng.uniform(0.1, 0.9)
    for _ in range(int(rng.integers(10, 90))):
        size = np.exp(rng.uniform(math.log(0.02), math.log(largest), 3))
        # On the ground, on something as high as a table, or anywhere.
        z = rng.choice([size[2], 0.7 + size[2], rng.uniform(0, 0.8 * h)])
        turn = rng.uniform(-3, 3, 3) * (1.0 if rng.random() < 0.4 else np.array([0.0, 0.0, 1.0]))
        where = (rng.uniform(-w, w), rng.uniform(-d, d), z)
        lines.append(_geom(rng, str(rng.choice(_SHAPES)), where, size, turn))
    lines.append("</worldbody></mujoco>")
    return "\n".join(lines), (w, d, h)


def _geom(
    rng: np.random.Generator, shape: str, place: _Numbers, half: _Numbers, turn: _Numbers
) -> str:
    if rng.random() < 0.7:
        look = f'material="m{rng.integers(_MATERIALS)}"'
    else:
        look = f'rgba="{_numbers(random_colour(rng))} 1"'
    return (
        f'<geom type="{shape}" pos="{_numbers(place)}" size="{_numbers(half)}" '
        f'euler="{_numbers(turn)}" {look}/>'
    )


class ClutterRenderer(SceneRenderer):
    """Renders scenes of random things; see :class:`SceneRenderer`."""

    def draw(self, rng: np.random.Generator) -> None:
        """Change to another random scene."""
        text, self._room = clutter_mjcf(rng, self.width, self.height)
        model = self._mujoco.MjModel.from_xml_string(text)
        texels = _TEXELS * _TEXELS * 3
        for start in model.tex_adr:
            surface = random_surface(rng, _TEXELS, _TEXELS)
            model.tex_data[start : start + texels] = (surface * 255).astype(np.uint8).reshape(-1)
        self._shadows = bool(rng.random() < 0.5)
        self.show(model)
        base = default_camera(self.width, self.height)
        f = base.fx * float(rng.uniform(0.7, 1.45))
        self._lens = PinholeCamera(base.width, base.height, f, f, base.cx, base.cy)

    def snapshot(self, rng: np.random.Generator) -> np.ndarray:
        """Render the scene [H, W, 3] uint8 from a random place in it."""
        w, d, _ = self._room
        pose = camera_pose(
            float(rng.uniform(-0.9, 0.9)) * w, float(rng.uniform(-0.9, 0.9)) * d,
            float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(0.3, 1.8)),
            math.radians(rng.normal(10, 18)), math.radians(rng.normal(0, 4)),
        )  # fmt: skip
        return self.picture(pose, self._lens)
