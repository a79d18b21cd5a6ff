# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The managed node ``spatialgeo``: its lifecycle, parameters and time; the parts do the work."""

from __future__ import annotations

import functools
import math
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import State, TransitionCallbackReturn

from spatialgeo_ros.errors import CancelledError, SpatialGeoError
from spatialgeo_ros.node.allocator import give_back_memory
from spatialgeo_ros.node.cameras import CameraInput
from spatialgeo_ros.node.configured_node import ConfiguredNode
from spatialgeo_ros.node.depth_transforms import DepthTransforms
from spatialgeo_ros.node.diagnostics import Diagnostics
from spatialgeo_ros.node.frame_decoder import FrameAssembler
from spatialgeo_ros.node.grounding_schedule import GroundingSchedule
from spatialgeo_ros.node.lane_client import LaneClient
from spatialgeo_ros.node.lanes import Lanes
from spatialgeo_ros.node.lifecycle_service import (
    answer_refused_transitions,
    release_state_machine,
)
from spatialgeo_ros.node.log_bridge import LogBridge
from spatialgeo_ros.node.look import Look, Purpose
from spatialgeo_ros.node.map_feed import MapFeed
from spatialgeo_ros.node.object_services import ObjectServices
from spatialgeo_ros.node.outputs import Outputs
from spatialgeo_ros.node.parameters import Config
from spatialgeo_ros.node.perception_factory import PerceptionFactory, load_perception
from spatialgeo_ros.node.pose_source import PoseResult, PoseSource, make_pose_source
from spatialgeo_ros.node.receiver import Receiver
from spatialgeo_ros.node.services import Services
from spatialgeo_ros.node.target_frames import TargetFrames
from spatialgeo_ros.node.tf_listener import TfListener
from spatialgeo_ros.node.watches import WatchBoard

_PROGRESS_PERIOD = 5.0  # s between two lines of the log about a build
_WATCHED_RATE = 0.5  # Hz, of looks for what is watched by name where the map gets none
_RESPONSE_GRACE = 1.0  # s that a shutdown waits for the responses of aborted requests
Transition = Callable[["SpatialGeoNode", State], TransitionCallbackReturn]


def logged(transition: Transition) -> Transition:
    """Log what a transition raises: rclpy turns it into ERROR without a word."""

    @functools.wraps(transition)
    def wrapper(self: SpatialGeoNode, state: State) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except Exception:
            self.get_logger().error(f"{transition.__name__}:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    return wrapper


class SpatialGeoNode(ConfiguredNode):
    """Declares, converts, calls and publishes; two lanes do everything that takes time.

    unconfigured --configure: load and warm up--> inactive --activate: subscribe--> active.
    """

    def __init__(
        self,
        perception_factory: PerceptionFactory = load_perception,
        interrupted: Callable[[], bool] = lambda: False,
        **node_options: Any,
    ) -> None:
        """Declare parameters and create the services; nothing is loaded yet.

        Args:
            perception_factory: Makes the perception from the configuration; told where to report
                progress.
            interrupted: Whether the process is to end; stops a build that takes minutes.
            node_options: For rclpy's Node (context, parameter_overrides, ...).

        Raises:
            ParameterError: A parameter given at startup cannot be used.
        """
        super().__init__("spatialgeo", **node_options)
        answer_refused_transitions(self)
        self._perception_factory = perception_factory
        self._interrupted = interrupted
        self.cameras: dict[str, CameraInput] = {}
        self.lanes: Lanes | None = None
        self.outputs: Outputs | None = None
        self.target_frames: TargetFrames | None = None
        self.watches = WatchBoard(
            target_frame=lambda wanted, frame: self._lane_client.target_frames().from_camera(
                wanted, frame
            )
        )
        self.configure_error = ""
        self.loading = False
        self.loading_stage = ""
        self._logs = LogBridge(self.get_logger())
        self._perception: Any = None
        self.poses: PoseSource | None = None
        self._receiver: Receiver | None = None
        self._assembler: FrameAssembler | None = None
        self._transforms: DepthTransforms | None = None
        self._active = threading.Event()
        self.handle_parameters()
        self._jump_handle = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
            ),
            post_callback=self._on_clock_jump,
        )
        self._lane_client = LaneClient(self, self.get_logger())
        self._requests = Services(self, self, self._lane_client)
        self._object_requests = ObjectServices(self, self, self._lane_client)
        self._looks = GroundingSchedule(self._watch_grounding_rate, self._submit_look)
        self._map_feed = MapFeed(
            self.grounding_rate, self.get_logger().warning, show=self._looks.show_for_map
        )
        self._diagnostics = Diagnostics(self, self)

    # What the parts ask their host

    def is_active(self) -> bool:
        """Whether the node processes frames and requests."""
        return self._active.is_set()

    def age_of(self, stamp_ns: int) -> float:
        """Return the seconds since a stamp by the node's clock; NaN for a zero stamp."""
        now = self.get_clock().now().nanoseconds
        return (now - stamp_ns) * 1e-9 if stamp_ns else math.nan

    def last_pose(self, camera: str) -> PoseResult | None:
        """Return the newest pose lookup of a camera."""
        return self._assembler.last_pose.get(camera) if self._assembler else None

    def grounding_rate(self) -> float:
        """Return how often own networks look at a camera's images for the object map, Hz."""
        rate, perception = self.config.grounding_rate, self._perception
        if rate >= 0 or perception is None:
            return max(rate, 0.0)
        return float(perception.usual_grounding_rate)

    def _watch_grounding_rate(self) -> float:
        """Return how often what is watched by name is looked for again, Hz; never 0."""
        return self.grounding_rate() or _WATCHED_RATE

    # Lifecycle

    @logged
    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Load and warm up; on failure everything is released, and configure can be tried again."""
        try:
            self.read_parameters()  # the list of cameras may have changed
            self.loading = True  # from here on, changes would miss what is being built
            self._build(self.config)
        except CancelledError as error:
            self.get_logger().info(f"configure stopped: {error}")
            self._release()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            known = isinstance(error, SpatialGeoError)  # such a sentence needs no traceback
            why = str(error) if known else f"\n{traceback.format_exc()}"
            self.get_logger().error(f"configure failed: {why}")
            self._release()
            self.configure_error = str(error) or type(error).__name__
            return TransitionCallbackReturn.FAILURE
        finally:
            self.loading, self.loading_stage = False, ""
        self.configure_error = ""
        return super().on_configure(state)

    @logged
    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Subscribe and let the lanes run."""
        result = super().on_activate(state)
        self.lanes.resume()
        for camera in self.cameras.values():
            camera.start()
        self._active.set()
        return result

    @logged
    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Unsubscribe, end every request with NOT_ACTIVE and take the markers back."""
        self._halt()
        return super().on_deactivate(state)

    @logged
    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Join the lanes and free the models."""
        self._release()
        give_back_memory()
        return super().on_cleanup(state)

    @logged
    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """Do what deactivate and cleanup do, from any state."""
        self._release()
        return super().on_shutdown(state)

    @logged
    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Release everything, so that the node is unconfigured and can be configured again."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def autostart(self) -> None:
        """Configure and activate through the state machine, as a lifecycle manager would."""
        try:
            if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                self.trigger_activate()
        except Exception as error:  # somebody else drives the lifecycle at the same time
            self.get_logger().warning(f"autostart stopped: {error}")

    def build(self) -> bool:
        """Configure alone, which makes what is missing; tells whether it succeeded."""
        return self.trigger_configure() == TransitionCallbackReturn.SUCCESS

    def shut_down(self) -> None:
        """Go through the shutdown transition, unless somebody else has, and let clients know."""
        try:
            self.trigger_shutdown()
        except Exception as error:
            self.get_logger().debug(f"no shutdown transition: {error}")
        self._lane_client.wait_until_idle(_RESPONSE_GRACE)

    def destroy_node(self) -> None:
        """Release everything before the node goes."""
        self._release()
        self._requests.close()
        self._jump_handle.unregister()
        self._logs.close()
        super().destroy_node()
        release_state_machine(self)

    def _build(self, config: Config) -> None:
        logger = self.get_logger()
        what = f"profile '{config.profile}' and grounding '{config.grounding}'"
        logger.info(f"loading {what} on {config.device}")
        self._perception = self._perception_factory(config, self._on_progress)
        self._stop_if_interrupted()
        self._perception.warm_up()
        self._stop_if_interrupted()
        self.outputs = Outputs(
            self, lambda: self.config.marker_lifetime, lambda: self.config.objects_rate
        )
        self._receiver = Receiver(self)
        self._receiver.take_over("/clock")
        tf = TfListener(self._receiver)
        self.poses = make_pose_source(self._receiver, tf, config)
        for camera in config.cameras:
            self.cameras[camera.name] = CameraInput(
                self._receiver, camera, config, self._notify, self.on_time_jump
            )
        self._transforms = DepthTransforms(tf, config)
        self._assembler = FrameAssembler(
            self.cameras,
            self.poses,
            self._transforms,
            round(config.max_image_megapixels * 1e6),
            logger.info,
        )
        self.target_frames = TargetFrames(
            self.poses, config.cameras, self._assembler.optical_frames
        )
        self.lanes = Lanes(
            self._perception,
            self.cameras,
            self._assembler.assemble,
            self._on_observation,
            lambda: self.config.process_rate,
            config.queue_size,
            logger,
            self.outputs.publish_latencies,
            self._perception.grounder,
            self._on_look,
        )
        self.lanes.start()
        grounder = self._perception.grounder
        looks = "" if grounder is None else f", grounding by {grounder.kind}"
        logger.info(f"ready: {self.lanes.description.get('model_id', config.profile)}{looks}")
        if self._perception.missing_grounding:
            logger.warning(self._perception.missing_grounding)

    def _stop_if_interrupted(self) -> None:
        if self._interrupted():
            raise CancelledError("the process is ending")

    def _on_progress(self, stage: str, share: float) -> bool:
        """Say in diagnostics and log how far a long build is; False stops it. On any thread."""
        self.loading_stage = f"{stage}: {share:.0%}"
        self.get_logger().info(self.loading_stage, throttle_duration_sec=_PROGRESS_PERIOD)
        return not self._interrupted()

    def _halt(self) -> None:
        """Stop taking work; harmless when nothing runs."""
        self._active.clear()
        for camera in self.cameras.values():
            camera.stop()
        if self.lanes is not None:
            self.lanes.pause()
        if self.outputs is not None:
            self.outputs.clear_markers()
            self.outputs.objects.clear_markers()

    def _release(self) -> None:
        """Free everything that configure made; harmless when there is nothing."""
        self._halt()
        lanes, self.lanes = self.lanes, None
        if lanes is not None:
            lanes.stop()
        self.watches.clear()
        self.cameras = {}
        self._assembler = self.target_frames = None
        self._map_feed.clear()
        self._looks.clear()
        transforms, self._transforms = self._transforms, None
        if transforms is not None:
            transforms.close()
        poses, self.poses = self.poses, None
        if poses is not None:
            poses.close()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.close()
        outputs, self.outputs = self.outputs, None
        if outputs is not None:
            outputs.close()
        perception, self._perception = self._perception, None
        if perception is not None:
            perception.close()

    # Frames and time

    def _notify(self) -> None:
        lanes = self.lanes
        if lanes is not None:
            lanes.notify()

    def _on_observation(self, perception: Any, observation: Any, boxed: Callable[[], Any]) -> None:
        """Publish one processed frame and the watches on it; on the geometry lane."""
        lanes, age = self.lanes, self.age_of(observation.frame.stamp_ns)
        if lanes is not None and math.isfinite(age):
            lanes.statistics.add({"stamp to processed": age})
        self.outputs.publish_observation(perception, observation)
        started = time.monotonic()
        camera = self.cameras.get(observation.frame.camera)
        detected = camera.has_detector if camera is not None else lambda: False
        if perception.grounder is not None and self.grounding_rate() > 0:
            self._looks.consider(observation)
        if self._map_feed.feed(perception, observation, boxed, detected) is not None:
            if lanes is not None:
                lanes.statistics.time("map", started)
            self.outputs.objects.publish(perception)
        measured = self.watches.measure(perception, observation, boxed)
        words = self.watches.words(observation.frame.camera)
        self._looks.show_for_watches(perception, observation, words)
        if measured:
            self.outputs.publish_measurements(measured)
        else:
            self.outputs.publish_picture(observation)

    def _on_look(self, perception: Any, look: Look) -> None:
        """Give the map what the detector saw in an image; on the geometry lane."""
        if look.found and look.purpose is Purpose.MAP:
            if self._map_feed.give(perception, look.observation) is not None:
                self.outputs.objects.publish(perception)

    def _submit_look(self, look: Look) -> None:
        lanes = self.lanes
        if lanes is not None and lanes.grounding is not None:
            lanes.grounding.submit(look)

    def _on_clock_jump(self, jump: TimeJump) -> None:
        self.on_time_jump(f"the clock jumped by {jump.delta.nanoseconds * 1e-9:.1f} s")

    def on_time_jump(self, reason: str) -> None:
        """Forget all that belongs to another time: frames, poses, keyframes, cached features."""
        lanes, poses = self.lanes, self.poses
        if lanes is None or poses is None:
            return
        self.get_logger().warning(f"{reason}: clearing frames, poses, keyframes and objects")
        for camera in tuple(self.cameras.values()):
            camera.clear()
        poses.clear()
        lanes.reset()
        self._map_feed.clear()
        self._looks.clear()

    # Parameters

    def is_configured(self) -> bool:
        """Whether models are loaded, or being loaded."""
        return self.loading or self.lanes is not None

    def on_parameters_changed(self) -> None:
        """Let a new rate count at once."""
        self._notify()
