# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Renders a room with MuJoCo, in software where need be: colour, depth, object index per pixel."""

from __future__ import annotations

import importlib
import math
import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.sim.furniture import MATERIALS
from spatialgeo_ros.sim.room import Room

_NEAR, _FAR = 0.05, 30.0
# MuJoCo's camera looks along -z with y up; REP-103's optical frame looks along +z with y down.
_OPTICAL_TO_GL = np.diag([1.0, -1.0, -1.0])
_UPRIGHT = (1.0, 0.0, 0.0, 0.0)  # a turn that leaves everything as it is


#: Of identity colours that no geom has.
_NO_SUCH_CODE = -2


class RendererError(RuntimeError):
    """What was rendered cannot be used; the message says why."""


class RendererUnavailableError(RuntimeError):
    """No OpenGL could be started; the message names the packages to install."""


@dataclass(frozen=True)
class Rendered:
    """What the simulated camera sees.

    Attributes:
        rgb: [H, W, 3] uint8.
        depth: [H, W] float32, metres along the optical axis, NaN where nothing was hit.
        segmentation: [H, W] int16, index into ``room.objects``, -1 for the room itself.
        material: [H, W] uint8, index into :data:`spatialgeo_ros.sim.furniture.MATERIALS`.
    """

    rgb: np.ndarray
    depth: np.ndarray
    segmentation: np.ndarray
    material: np.ndarray


_INSTALL = (
    "install a software renderer: `apt-get install libegl1 libgl1-mesa-dri`, or `apt-get install "
    "libosmesa6` and set MUJOCO_GL=osmesa"
)


def _import_mujoco() -> tuple[Any, Any]:
    """Import MuJoCo and the class of an off-screen OpenGL context, or say what to install."""
    if sys.platform.startswith("linux"):
        os.environ.setdefault("MUJOCO_GL", "egl")
        if os.environ["MUJOCO_GL"] == "egl":
            os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    try:
        import mujoco

        if not sys.platform.startswith("linux"):
            return mujoco, mujoco.GLContext
        # By name: mujoco.GLContext is what MUJOCO_GL said when somebody first imported MuJoCo.
        backend = importlib.import_module(f"mujoco.{os.environ['MUJOCO_GL']}")
        return mujoco, backend.GLContext
    except ImportError as error:
        raise RendererUnavailableError(
            f"MuJoCo cannot render here ({error}): `pip install mujoco`, and {_INSTALL}."
        ) from error
    except (AttributeError, RuntimeError) as error:  # PyOpenGL without its native library
        raise RendererUnavailableError(f"no off-screen OpenGL ({error}): {_INSTALL}.") from error


def _rgba(rgb: tuple[float, float, float]) -> str:
    return f'rgba="{rgb[0]:.3f} {rgb[1]:.3f} {rgb[2]:.3f} 1"'


def _numbers(values: Any) -> str:
    return " ".join(f"{v:.4f}" for v in values)


def room_to_mjcf(room: Room, width: int, height: int, samples: int, shadows: bool) -> str:
    """Describe the room as MJCF. Geoms of object ``i`` are called ``o<i>_<part>``."""
    w, d, h = room.width / 2, room.depth / 2, room.height
    dark = tuple(c * 0.86 for c in room.floor_rgb)
    floor_repeat = 1.0 / room.floor_pattern if room.floor_pattern > 0 else 1.0
    second = dark if room.floor_pattern > 0 else room.floor_rgb
    shadow = "true" if shadows else "false"
    ambient, diffuse = room.light
    wall_dark = tuple(c * 0.93 for c in room.wall_rgb)
    ceiling = tuple(min(1.0, c * 1.15) for c in room.wall_rgb)
    lines = [
        "<mujoco><compiler angle='radian'/>",
        f'<visual><global offwidth="{width}" offheight="{height}"/>'
        f'<quality offsamples="{samples}" shadowsize="1024"/>'
        f'<headlight ambient="{ambient:.3f} {ambient:.3f} {ambient:.3f}" diffuse="0.25 0.25 0.25" '
        f'specular="0 0 0"/><map znear="{_NEAR}" zfar="{_FAR}"/></visual><statistic extent="1"/>',
        f'<asset><texture name="tf" type="2d" builtin="checker" width="64" height="64" '
        f'rgb1="{_numbers(room.floor_rgb)}" rgb2="{_numbers(second)}"/>'
        f'<material name="floor" texture="tf" texuniform="true" '
        f'texrepeat="{floor_repeat:.3f} {floor_repeat:.3f}" specular="0.1" reflectance="0"/>'
        f'<texture name="tw" type="2d" builtin="gradient" width="32" height="64" '
        f'rgb1="{_numbers(room.wall_rgb)}" rgb2="{_numbers(wall_dark)}"/>'
        '<material name="wall" texture="tw" specular="0"/></asset><worldbody>',
        f'<light pos="{w * 0.4:.3f} {-d * 0.3:.3f} {h - 0.1:.3f}" dir="-0.2 0.2 -1" '
        f'directional="false" castshadow="{shadow}" cutoff="85" exponent="0.5" '
        f'diffuse="{diffuse:.3f} {diffuse:.3f} {diffuse * 0.95:.3f}" specular="0.1 0.1 0.1"/>',
        f'<light pos="{-w * 0.5:.3f} {d * 0.4:.3f} {h - 0.1:.3f}" dir="0.2 -0.2 -1" '
        f'castshadow="false" cutoff="85" exponent="0.5" diffuse="{diffuse * 0.5:.3f} '
        f'{diffuse * 0.5:.3f} {diffuse * 0.5:.3f}" specular="0 0 0"/>',
        '<camera name="camera" pos="0 0 1"/>',
        f'<geom name="floor" type="box" size="{w:.4f} {d:.4f} 0.05" pos="0 0 -0.05" '
        'material="floor"/>',
        f'<geom name="ceiling" type="box" size="{w:.4f} {d:.4f} 0.05" pos="0 0 {h + 0.05:.4f}" '
        f"{_rgba((ceiling[0], ceiling[1], ceiling[2]))}/>",
    ]
    for k, (x, y, hx, hy) in enumerate(
        [(0, d + 0.05, w, 0.05), (0, -d - 0.05, w, 0.05), (w + 0.05, 0, 0.05, d),
         (-w - 0.05, 0, 0.05, d)]
    ):  # fmt: skip
        lines.append(
            f'<geom name="wall{k}" type="box" size="{hx:.4f} {hy:.4f} {h / 2:.4f}" '
            f'pos="{x:.4f} {y:.4f} {h / 2:.4f}" material="wall"/>'
        )
    for k, flat in enumerate(room.decorations):
        lines.append(
            f'<geom name="d{k}" type="box" size="{_numbers(flat.half)}" '
            f'pos="{_numbers(flat.position)}" euler="0 0 {flat.yaw:.4f}" {_rgba(flat.rgb)}/>'
        )
    for i, thing in enumerate(room.objects):
        lines.append(
            f'<body pos="{thing.centre[0]:.4f} {thing.centre[1]:.4f} 0" '
            f'euler="0 0 {thing.yaw:.5f}">'
        )
        for j, part in enumerate(thing.parts):
            size = part.half[1:] if part.shape == "cylinder" else part.half
            turn = "" if part.turn == _UPRIGHT else f'quat="{_numbers(part.turn)}" '
            lines.append(
                f'<geom name="o{i}_{j}" type="{part.shape}" size="{_numbers(size)}" '
                f'pos="{_numbers(part.position)}" {turn}{_rgba(part.rgb)}/>'
            )
        lines.append("</body>")
    lines.append("</worldbody></mujoco>")
    return "\n".join(lines)


class SceneRenderer:
    """Renders MuJoCo scenes that have a camera, at one resolution. For one thread: the maker's.

    Args:
        width, height: of the image, pixels.
        samples: multi-sampling per pixel of the colour image (0 = off).
        shadows: cast shadows (several times slower in software).

    Raises:
        RendererUnavailableError: no off-screen OpenGL; the message names the packages.
    """

    def __init__(self, width: int, height: int, samples: int = 4, shadows: bool = False) -> None:
        self._mujoco, gl_context = _import_mujoco()
        self.width, self.height = width, height
        self._samples, self._shadows = samples, shadows
        self._context: Any = None
        self._label_context: Any = None
        try:
            self._gl = gl_context(width, height)
            self._gl.make_current()
        except Exception as error:  # each GL binding raises its own kinds
            raise RendererUnavailableError(
                f"off-screen OpenGL does not start ({error}): {_INSTALL}."
            ) from error

    def show(self, model: Any) -> None:
        """Change to another ``MjModel`` (about 0.1 s)."""
        mujoco = self._mujoco
        self._gl.make_current()  # another renderer of this process may be current
        self._free()
        self._model = model
        self._data = mujoco.MjData(self._model)
        mujoco.mj_forward(self._model, self._data)
        self._scene = mujoco.MjvScene(self._model, maxgeom=self._model.ngeom + 50)
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = 0
        self._rect = mujoco.MjrRect(0, 0, self.width, self.height)
        self._context = self._made_context()
        # Identities in a buffer without samples: where samples are averaged when they are read, as
        # NVIDIA's driver does, the mean of two things' colours is a third thing's.
        samples = int(self._model.vis.quality.offsamples)
        self._label_context = self._context
        if samples:
            self._model.vis.quality.offsamples = 0
            self._label_context = self._made_context()
            self._model.vis.quality.offsamples = samples
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = self._shadows

    def _made_context(self) -> Any:
        mujoco = self._mujoco
        context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        return context

    def _draw_with(self, context: Any) -> None:
        mujoco = self._mujoco
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
        mujoco.mjr_render(self._rect, self._scene, context)

    def _free(self) -> None:
        if self._context is not None:
            self._context.free()
            if self._label_context is not self._context:
                self._label_context.free()
        self._context = self._label_context = None

    def picture(self, world_from_camera: Pose, camera: PinholeCamera) -> np.ndarray:
        """Render the colour image [H, W, 3] uint8 of one view.

        Args:
            world_from_camera: pose of the optical frame in the world.
            camera: intrinsics; square pixels, principal point in the image centre, no distortion.

        Raises:
            ValueError: when ``camera`` is not of that form or of another size than the renderer.
        """
        centred = (
            abs(camera.cx - (self.width - 1) / 2) < 1 and abs(camera.cy - (self.height - 1) / 2) < 1
        )
        if (camera.width, camera.height) != (self.width, self.height) or not centred:
            raise ValueError(
                f"the renderer is {self.width}x{self.height} with a centred principal point; got "
                f"{camera.width}x{camera.height} with ({camera.cx:.1f}, {camera.cy:.1f})"
            )
        mujoco = self._mujoco
        self._gl.make_current()
        self._model.cam_fovy[0] = math.degrees(2 * math.atan(self.height / 2 / camera.fy))
        self._data.cam_xpos[0] = world_from_camera.translation
        self._data.cam_xmat[0] = (world_from_camera.rotation @ _OPTICAL_TO_GL).reshape(-1)
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, None, self._camera,
            mujoco.mjtCatBit.mjCAT_ALL, self._scene,
        )  # fmt: skip
        rgb = np.empty((self.height, self.width, 3), np.uint8)
        self._draw_with(self._context)
        mujoco.mjr_readPixels(rgb, None, self._rect, self._context)
        return np.ascontiguousarray(rgb[::-1])

    def close(self) -> None:
        """Free the OpenGL context."""
        if self._context is not None:
            self._gl.make_current()
            self._free()
            self._gl.free()


class RoomRenderer(SceneRenderer):
    """Renders one room at one resolution. Not thread-safe: use it on the thread that made it.

    Args:
        room: what to render; :meth:`load` changes to another room.
        width, height: of the image, pixels.
        samples: multi-sampling per pixel of the colour image (0 = off).
        shadows: cast shadows (several times slower in software).

    Raises:
        RendererUnavailableError: no off-screen OpenGL; the message names the packages.
    """

    def __init__(
        self, room: Room, width: int, height: int, samples: int = 4, shadows: bool = False
    ) -> None:
        super().__init__(width, height, samples, shadows)
        self.load(room)

    def load(self, room: Room) -> None:
        """Change to another room (about 0.1 s)."""
        mujoco = self._mujoco
        self.room = room
        text = room_to_mjcf(room, self.width, self.height, self._samples, self._shadows)
        self.show(mujoco.MjModel.from_xml_string(text))
        owner = np.full(self._model.ngeom, -1, np.int16)
        material = np.zeros(self._model.ngeom, np.uint8)
        for geom in range(self._model.ngeom):
            name = self._model.geom(geom).name
            if name.startswith("o"):
                thing, part = (int(number) for number in name[1:].split("_"))
                owner[geom] = thing
                material[geom] = MATERIALS.index(room.objects[thing].parts[part].material)
        self._owner, self._material = owner, material

    def render(self, world_from_camera: Pose, camera: PinholeCamera) -> Rendered:
        """Render colour, depth and object index of one view; see :meth:`picture`.

        Raises:
            ValueError: as :meth:`picture`.
        """
        rgb = self.picture(world_from_camera, camera)
        raw = np.empty((self.height, self.width), np.float32)
        colours, table = self._render_identities(raw)
        geom = decode_identities(colours, table)[::-1]
        # Reversed z-buffer: raw = near (far - z) / (z (far - near)).
        z = _NEAR * _FAR / (_NEAR + raw[::-1].astype(np.float64) * (_FAR - _NEAR))
        depth = np.where(geom >= 0, z, np.nan).astype(np.float32)
        # The last entry is that of geom -1: nothing was hit.
        index = np.append(self._owner, np.int16(-1))[geom]
        material = np.append(self._material, np.uint8(0))[geom]
        return Rendered(rgb, depth, index, material)

    def render_objects(
        self, world_from_camera: Pose, camera: PinholeCamera
    ) -> tuple[np.ndarray, np.ndarray]:
        """Render colour [H, W, 3] and object index [H, W] alone, in less time than :meth:`render`.

        Raises:
            ValueError: as :meth:`picture`.
        """
        rgb = self.picture(world_from_camera, camera)
        colours, table = self._render_identities(None)
        owners = np.where(table >= 0, np.append(self._owner, np.int16(-1))[table], table)
        index = decode_identities(colours, owners.astype(np.int16))
        return rgb, np.ascontiguousarray(index[::-1])

    def _render_identities(self, raw: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Identity colours, bottom up, and the geom of each code, for :func:`decode_identities`.

        Args:
            raw: gets the z-buffer of the same pass, bottom up.
        """
        mujoco = self._mujoco
        flags = self._scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = True
        flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
        ids = np.empty((self.height, self.width, 3), np.uint8)
        try:
            self._draw_with(self._label_context)
            mujoco.mjr_readPixels(ids, raw, self._rect, self._label_context)
        finally:
            flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = False
            flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = False
        table = np.full(65536, _NO_SUCH_CODE, np.int32)
        table[0] = -1
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.segid >= 0:
                is_geom = geom.objtype == mujoco.mjtObj.mjOBJ_GEOM
                table[geom.segid + 1] = geom.objid if is_geom else -1
        return ids, table


def decode_identities(colours: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Turn identity colours into what a table says of their codes.

    Args:
        colours: [H, W, 3] uint8; a code is red plus 256 times green.
        table: [65536] what each code stands for, ``_NO_SUCH_CODE`` for codes of nothing.

    Raises:
        RendererError: a colour is none that was drawn.
    """
    code = colours[..., 0] | (colours[..., 1].astype(np.uint16) << 8)
    found = table[code]
    wrong = int((found == _NO_SUCH_CODE).sum())
    if wrong or colours[..., 2].any():
        raise RendererError(
            f"{wrong} of {code.size} pixels have identity colours that were not drawn: the OpenGL "
            "driver blends or dithers them; use another driver (MUJOCO_GL=osmesa, or Mesa's EGL)"
        )
    return found
