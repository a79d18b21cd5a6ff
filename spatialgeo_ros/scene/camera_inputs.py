# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judges what arrives from one camera: calibration, depth, and whether they belong together.

Every input is judged once per change, and the verdict is said in the same words wherever it
counts: in the result's ``degraded``, in the error of a request that needs it, in log and
diagnostics. What is wrong names the cure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.findings.finding import Finding, named
from spatialgeo_ros.geometry.calibration_cache import CalibrationCache
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.depth_readings import DepthReadings
from spatialgeo_ros.geometry.depth_sensor import DepthSensor
from spatialgeo_ros.geometry.depth_unit import judge_depth_unit
from spatialgeo_ros.geometry.plausibility import judge_calibration
from spatialgeo_ros.geometry.registration_plan import (
    Registration,
    RegistrationPlan,
    judge_registration,
)
from spatialgeo_ros.memory.frame import Frame

#: Begins the finding about depth that is not used.
DEPTH_IGNORED = "depth ignored: "
_NOTHING = "nothing can be measured: "
#: The unit of depth is judged on the first frames of a camera, then once in so many.
_FIRST_FRAMES, _EVERY = 3, 50


@dataclass(frozen=True)
class InputSettings:
    """What the user says about one camera.

    Attributes:
        sensor: noise, range and unit of its depth.
        depth_registered: the depth belongs to the image's pixels whatever its frame and its
            calibration say.
    """

    sensor: DepthSensor = field(default_factory=DepthSensor)
    depth_registered: bool = False


@dataclass(frozen=True, eq=False)
class JudgedInputs:
    """What of a frame may be used.

    Attributes:
        camera: calibration at the size of the image, or None: nothing can be measured.
        depth: at the image's pixels [H, W], or None.
        findings: what is wrong or assumed, with the cure.
    """

    camera: PinholeCamera | None
    depth: DepthReadings | None
    findings: tuple[Finding, ...]


class CameraInputs:
    """Remembers the verdicts about one camera. Not thread-safe."""

    def __init__(self, settings: InputSettings | None = None) -> None:
        """Judge a camera by what the user says about it."""
        self.settings = settings or InputSettings()
        self._calibrations = CalibrationCache()
        self._calibration: tuple[object, PinholeCamera | None, tuple[Finding, ...]] | None = None
        self._plan: tuple[tuple[object, ...], RegistrationPlan] | None = None
        self._unit: tuple[str | None, tuple[str, ...]] = (None, ())
        self._unit_key: tuple[object, ...] = ()
        self._frames = 0

    def judge(
        self, frame: Frame, gravity: npt.NDArray[np.float64] | None, camera_height: float | None
    ) -> JudgedInputs:
        """Judge a frame.

        Args:
            frame: as it was received.
            gravity: [3] direction of falling in the camera frame by pose or mount, or None.
            camera_height: above the floor by pose or mount, metres, or None.
        """
        camera, findings = self._camera(frame)
        findings += _all_named("calibration-doubtful", frame.remarks)
        depth, more = self._depth(frame, camera, gravity, camera_height)
        return JudgedInputs(camera, depth, findings + more)

    def _camera(self, frame: Frame) -> tuple[PinholeCamera | None, tuple[Finding, ...]]:
        if frame.model is None:
            why = frame.problems.get("calibration") or Finding(
                "camera-info-missing",
                f"no camera_info from camera '{frame.camera}': publish it beside the image",
            )
            return None, (named("calibration-refused", why).within(_NOTHING),)
        key = frame.model, frame.width, frame.height, frame.model_judged
        if self._calibration is None or self._calibration[0] != key:
            self._calibration = (key, *self._judged_calibration(frame, frame.model))
        return self._calibration[1:]

    def _judged_calibration(
        self, frame: Frame, model: PinholeCamera
    ) -> tuple[PinholeCamera | None, tuple[Finding, ...]]:
        remarks: tuple[str, ...] = ()
        if not frame.model_judged:
            refusal, remarks = judge_calibration(model, frame.width, frame.height)
            if refusal is not None:
                return None, (Finding("calibration-refused", f"{_NOTHING}{refusal}"),)
        if (model.width, model.height) != (frame.width, frame.height):
            model = model.resized(frame.width, frame.height)
        representative = self._calibrations.representative(model)
        return representative, _all_named("calibration-doubtful", remarks)

    def _depth(
        self,
        frame: Frame,
        camera: PinholeCamera | None,
        gravity: npt.NDArray[np.float64] | None,
        camera_height: float | None,
    ) -> tuple[DepthReadings | None, tuple[Finding, ...]]:
        if frame.depth is None:
            problem = frame.problems.get("depth")
            return None, (named("depth-unusable", problem),) if problem else ()
        if camera is None:
            return None, ()
        sensor = self.settings.sensor
        plan = self._planned(frame, camera)
        if plan.action is Registration.REFUSE:
            return None, (Finding("depth-not-registered", f"{DEPTH_IGNORED}{plan.words}"),)
        try:
            received = registered = DepthReadings(frame.depth, sensor.scale)
        except BadImageError as error:
            return None, (Finding("depth-unusable", f"{DEPTH_IGNORED}{error}"),)
        if plan.action is not Registration.REGISTERED:
            registered = DepthReadings(plan.apply(received.metres()))
        refusal, remarks = self._judged_unit(registered, received, camera, gravity, camera_height)
        if refusal is not None:
            return None, (Finding("depth-unit", f"{DEPTH_IGNORED}{refusal}"),)
        here = plan.action is Registration.REGISTER
        kind = "depth-registered-here" if here else "depth-frame-missing"
        done = (Finding(kind, plan.words),) if plan.words else ()
        return registered, done + _all_named("depth-unit", remarks)

    def _planned(self, frame: Frame, camera: PinholeCamera) -> RegistrationPlan:
        """Decide how depth comes to the image's pixels; anew where something changed."""
        depth = frame.depth
        assert depth is not None
        size = depth.shape[1], depth.shape[0]
        transform = frame.colour_from_depth
        key = (
            size,
            frame.depth_frame_id,
            frame.depth_model,
            (frame.width, frame.height),
            frame.frame_id,
            camera,
            None if transform is None else transform.matrix.tobytes(),
        )
        if self._plan is None or self._plan[0] != key:
            plan = judge_registration(
                size,
                frame.depth_frame_id or frame.frame_id,
                frame.depth_model,
                (frame.width, frame.height),
                frame.frame_id,
                camera,
                transform,
                self.settings.depth_registered,
            )
            self._plan = key, plan
        return self._plan[1]

    def _judged_unit(
        self,
        registered: DepthReadings,
        received: DepthReadings,
        camera: PinholeCamera,
        gravity: npt.NDArray[np.float64] | None,
        camera_height: float | None,
    ) -> tuple[str | None, tuple[str, ...]]:
        """Judge the unit of depth on the first frames, once in a while, and while it is refused."""
        key = received.shape, received.raw.dtype
        if key != self._unit_key:
            self._unit_key, self._frames = key, 0
        due = self._frames < _FIRST_FRAMES or self._frames % _EVERY == 0
        self._frames += 1
        if due or self._unit[0] is not None:
            sensor = self.settings.sensor
            self._unit = judge_depth_unit(
                registered, received.unit, sensor, camera, gravity, camera_height
            )
        return self._unit


def _all_named(id: str, texts: tuple[str, ...]) -> tuple[Finding, ...]:
    return tuple(named(id, text) for text in texts)
