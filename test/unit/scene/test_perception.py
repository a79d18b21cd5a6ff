# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The facade on a small synthetic scene, with stand-ins for the networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from scripted_detector import ScriptedDetector

from spatialgeo_ros.errors import (
    BadRegionError,
    BadRequestError,
    CancelledError,
    NoCameraInfoError,
    NoGeometryError,
    NotUnderstoodError,
    PhraseNotFoundError,
    TooLittleSupportError,
)
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Mount, View
from spatialgeo_ros.networks.interface import MonocularDepth, Question
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.result import ResultType
from spatialgeo_ros.query.vocabulary import Vocabulary
from spatialgeo_ros.scene.sighting import HowSeen

WIDTH, HEIGHT = 320, 240
CAMERA = PinholeCamera(WIDTH, HEIGHT, 260.0, 260.0, 159.5, 119.5)
#: (name, colour, centre, size) of upright boxes; world: x right, y forward, z up, metres.
THINGS = (
    ("red chair", (200, 30, 30), (-0.6, 2.0, 0.45), (0.5, 0.5, 0.9)),
    ("blue table", (30, 60, 200), (0.7, 2.6, 0.4), (1.0, 0.6, 0.8)),
)
WALL_Y = 4.0


def camera_pose(x: float = 0.0, yaw: float = 0.0, height: float = 0.9) -> Pose:
    """Level camera at (x, 0) looking along +y, turned left by ``yaw``."""
    forward = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
    right = np.array([math.cos(yaw), math.sin(yaw), 0.0])
    down = np.array([0.0, 0.0, -1.0])
    return Pose(np.stack([right, down, forward], axis=1), np.array([x, 0.0, height]))


def render(pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ray-cast the scene: image, depth in metres, index of the thing (-1 for the room)."""
    rays = CAMERA.rays().astype(np.float64) @ pose.rotation.T
    origin = pose.translation
    with np.errstate(divide="ignore", invalid="ignore"):
        to_floor = np.where(rays[..., 2] < 0, -origin[2] / rays[..., 2], np.inf)
        to_wall = np.where(rays[..., 1] > 0, (WALL_Y - origin[1]) / rays[..., 1], np.inf)
    depth = np.minimum(np.minimum(to_floor, to_wall), 8.0)
    image = np.full((HEIGHT, WIDTH, 3), (160, 150, 140), np.uint8)
    image[to_floor < to_wall] = (110, 90, 80)
    index = np.full((HEIGHT, WIDTH), -1)
    for number, (_, colour, centre, size) in enumerate(THINGS):
        low, high = np.array(centre) - np.array(size) / 2, np.array(centre) + np.array(size) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (low - origin) / rays, (high - origin) / rays
        near, far = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
        hit = (near < far) & (near > 0) & (near < depth)
        depth[hit], image[hit], index[hit] = near[hit], colour, number
    return image, depth.astype(np.float32), index


def frame(
    pose: Pose | None = None, *, stamp: int = 1, view: Pose | None = None, **changes: Any
) -> Frame:
    """A frame of the scene from ``view`` (default: the pose), with sensor depth in millimetres."""
    where = view or pose or camera_pose()
    image, depth, _ = render(where)
    made = Frame(
        "camera",
        stamp * 1_000_000_000,
        "camera_optical_frame",
        image,
        CAMERA,
        np.round(depth * 1000).astype(np.uint16),
        pose,
        "odom" if pose is not None else "",
    )
    return replace(made, **changes)


def box(name: str, pose: Pose | None = None, label: str | None = None) -> Region:
    """True box of a thing in the image."""
    number = [thing[0] for thing in THINGS].index(name)
    _, _, index = render(pose or camera_pose())
    bounds = Region.from_mask(index == number).bounds(HEIGHT, WIDTH)
    return Region.from_box(*bounds, name if label is None else label)


class FakeNetworks:
    """True depth, similarity from the truth, and a language model that says what it is told."""

    model_id, backend = "fake-1", "numpy"
    vocabulary = Vocabulary(("chair", "table", "sofa"), ("red", "blue", "white"))
    background_names = ("room",)
    nominal_mount = Mount.from_pitch(0.9, 0.0)
    has_geometry = has_grounding = has_language = canonical_only = True
    grounding_threshold = 0.3
    context_views = 0
    speaks_elsewhere = False
    metric, error = True, 1.1  # a network errs in scale

    def __init__(self, reply: str = "2.00 meters", view: Pose | None = None) -> None:
        self.reply, self.view = reply, view or camera_pose()
        self.calls: list[str] = []
        self.settled: list[np.ndarray] = []
        self.questions: list[str] = []
        self.masks: list[Sequence[np.ndarray]] = []
        self.closed = False
        self.foreign = ""

    def unfamiliar(self, view: View) -> str:
        return self.foreign

    def depth(self, view: View) -> MonocularDepth:
        self.calls.append("depth")
        small = render(self.view)[1][::4, ::4] * np.float32(self.error)
        return MonocularDepth(small, np.isfinite(small), 0.1, self.metric)

    def similarity(self, view: View, names: Sequence[str]) -> np.ndarray:
        self.calls.append("similarity")
        logits = np.zeros((len(names), 6, 8), np.float32)
        logits[list(names).index("room")] = 5.0
        for name, colour, _, _ in THINGS:
            where = (np.abs(view.image.astype(int) - colour) < 3).all(-1)
            share = cv2.resize(where.astype(np.float32), (8, 6), interpolation=cv2.INTER_AREA)
            logits[list(names).index(name)] = 20.0 * share
        return logits

    def answer(self, view: View, question: Question) -> str:
        self.calls.append("answer")
        self.questions.append(question.text)
        self.masks.append(question.regions)
        self.earlier = question.earlier
        for piece in self.reply.split():
            if question.cancelled is not None and question.cancelled():
                raise CancelledError("cancelled")
            if question.on_token is not None:
                question.on_token(piece)
        return self.reply

    def encode(self, view: View) -> None:
        self.calls.append("encode")

    def release_intermediates(self, view: View) -> None:
        self.settled.append(view.image)

    def describe(self) -> dict[str, Any]:
        return {"device": "cpu"}

    def close(self) -> None:
        self.closed = True


# Observing


def test_sensor_depth_needs_no_network_until_something_is_asked() -> None:
    networks = FakeNetworks()
    perception = Perception(networks)
    observation = perception.observe(frame(camera_pose()))
    assert networks.calls == []
    assert observation.pointmap is not None
    assert observation.pointmap.source is DepthSource.SENSOR
    assert observation.camera_height == pytest.approx(0.9, abs=0.03)
    np.testing.assert_allclose(observation.gravity, (0, 1, 0), atol=1e-9)
    assert observation.degraded == ()
    assert set(observation.timings) == {"geometry", "keyframes", "free space", "room"}


def test_encode_always_runs_every_tower_and_fills_holes() -> None:
    networks = FakeNetworks()
    depth = render(camera_pose())[1].copy()
    depth[:, :100] = 0.0
    perception = Perception(networks, encode="always")
    observation = perception.observe(frame(camera_pose(), depth=depth))
    assert networks.calls[:2] == ["encode", "depth"]
    assert observation.pointmap is not None
    assert observation.pointmap.source is DepthSource.MONOCULAR_ALIGNED
    truth = render(camera_pose())[1]
    error = np.abs(observation.pointmap.depth[:, :90] - truth[:, :90]) / truth[:, :90]
    assert np.median(error) < 0.03  # the network's 10 % scale error is gone


def test_an_unknown_way_to_encode_is_refused() -> None:
    with pytest.raises(BadRequestError, match="on_demand"):
        Perception(None, encode="sometimes")


def test_without_depth_the_geometry_network_measures() -> None:
    networks = FakeNetworks()
    observation = Perception(networks).observe(frame(camera_pose(), depth=None))
    assert networks.calls == ["depth"]
    assert observation.pointmap is not None
    assert observation.pointmap.source is DepthSource.MONOCULAR


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"model": None}, NoCameraInfoError, "camera_info"),
        ({"model": PinholeCamera(100, 100, 90, 90, 50, 50)}, NoCameraInfoError, "aspect"),
        ({"depth": None}, NoGeometryError, "depth"),
        ({"depth": np.zeros((240, 320), np.uint16)}, NoGeometryError, "no reading"),
        ({"depth": np.full((100, 320), 2000, np.uint16)}, NoGeometryError, "aspect ratio"),
    ],
)
def test_missing_inputs_are_said_and_fail_only_when_measuring(
    changes: dict, error: type, words: str
) -> None:
    perception = Perception(None)
    observation = perception.observe(frame(camera_pose(), **changes))
    assert any(words in reason for reason in observation.degraded)
    assert observation.pointmap is None
    assert observation.keyframe is None
    with pytest.raises(error, match=words):
        perception.measure(observation, [Kind.CAMERA_TO_OBJECT], box("red chair"))


def test_smaller_depth_and_camera_info_of_the_same_view_are_scaled() -> None:
    depth = render(camera_pose())[1][::2, ::2].copy()
    model = CAMERA.resized(640, 480)
    perception = Perception(None)
    observation = perception.observe(frame(camera_pose(), depth=depth, model=model))
    assert any("scaled" in reason for reason in observation.degraded)
    estimate = perception.measure(observation, [Kind.CAMERA_TO_OBJECT], box("red chair"))[0]
    assert estimate.distance == pytest.approx(1.785, abs=0.05)


def test_without_pose_gravity_comes_from_the_mount_or_is_unknown() -> None:
    bare = Perception(None).observe(frame(None))
    assert bare.gravity is None
    assert any("gravity unknown" in reason for reason in bare.degraded)
    mounted = Perception(None, mounts={"camera": Mount.from_pitch(0.9, 0.0)}).observe(frame(None))
    np.testing.assert_allclose(mounted.gravity, (0, 1, 0))
    assert mounted.camera_height == pytest.approx(0.9, abs=0.03)
    assert any("mount" in reason for reason in mounted.degraded)


def test_a_base_frame_above_the_ground_is_corrected_by_the_floor_that_is_seen() -> None:
    true_pose = camera_pose(height=1.2)
    claimed = camera_pose(height=0.9)  # odometry whose z starts at the base, 0.3 m up
    observation = Perception(None).observe(frame(claimed, view=true_pose))
    assert observation.camera_height == pytest.approx(1.2, abs=0.04)
    assert any("the pose or mount says 0.90 m" in reason for reason in observation.degraded)


def test_a_pose_too_high_does_not_make_objects_taller_and_is_told_with_every_measurement() -> None:
    observation = Perception(None).observe(frame(camera_pose(height=1.6), view=camera_pose()))
    assert observation.camera_height == pytest.approx(0.9, abs=0.03)
    height, width = Perception(None).measure(
        observation, [Kind.HEIGHT, Kind.WIDTH], box("red chair")
    )
    assert height.distance == pytest.approx(0.9, abs=0.04)
    assert height.sigma > 0.05  # the disagreement
    for estimate in (height, width):
        assert "says 1.60 m: the floor is taken at 0.90" in estimate.reason
    agreeing = Perception(None).observe(frame(camera_pose()))
    sure = Perception(None).measure(agreeing, [Kind.HEIGHT], box("red chair"))[0]
    assert sure.sigma < height.sigma and "floor" not in sure.reason


# Locating and measuring


def test_regions_are_measured_against_the_truth() -> None:
    perception = Perception(None)
    observation = perception.observe(frame(camera_pose()))
    chair, table = box("red chair"), box("blue table")
    kinds = [Kind.NEAREST_POINTS, Kind.CENTRE_TO_CENTRE, Kind.VERTICAL]
    nearest, centres, vertical = perception.measure(observation, kinds, chair, table)
    assert centres.distance == pytest.approx(math.dist(THINGS[0][2], THINGS[1][2]), abs=0.12)
    assert nearest.distance == pytest.approx(math.hypot(0.55, 0.05), abs=0.05)
    assert vertical.distance == pytest.approx(0.05, abs=0.05)
    assert nearest.valid and nearest.sigma > 0
    height = perception.measure(observation, [Kind.HEIGHT], chair)[0]
    assert height.distance == pytest.approx(0.9, abs=0.04)


def test_kinds_are_checked() -> None:
    perception = Perception(None)
    observation = perception.observe(frame(camera_pose()))
    with pytest.raises(BadRequestError, match="second object"):
        perception.measure(observation, [Kind.HORIZONTAL], box("red chair"))
    with pytest.raises(BadRequestError, match="99"):
        perception.measure(observation, [99], box("red chair"))
    usual = perception.measure(observation, [], box("red chair"))
    assert [estimate.kind for estimate in usual] == [Kind.CAMERA_TO_OBJECT]


def test_regions_outside_the_image_and_empty_names_are_refused() -> None:
    perception = Perception(None)
    observation = perception.observe(frame(camera_pose()))
    with pytest.raises(BadRegionError, match="no pixel"):
        perception.locate(observation, Region.from_box(900, 900, 950, 950))
    with pytest.raises(BadRequestError, match="name"):
        perception.locate(observation, " ")


def test_phrases_are_looked_for_in_detections_first() -> None:
    networks = FakeNetworks()
    perception = Perception(networks)
    detection = replace(box("red chair"), label="seat", score=0.8)
    observation = perception.observe(frame(camera_pose(), detections=(detection,)))
    located = perception.locate(observation, "the red chair")
    assert located.found_by == "detection"
    assert located.region is detection
    assert networks.calls == []


def test_phrases_without_detection_are_found_by_similarity_once_per_frame() -> None:
    networks = FakeNetworks()
    perception = Perception(networks)
    observation = perception.observe(frame(camera_pose()))
    located = perception.locate(observation, "the red chair")
    assert located.found_by == "clip"
    assert located.kind == "chair"
    truth = np.array(box("red chair").box)
    assert located.region.box is not None
    np.testing.assert_allclose(located.region.box, truth, atol=8)
    perception.locate(observation, "the blue table")
    assert networks.calls == ["similarity"]


def test_a_phrase_that_is_not_in_view_is_named_with_what_is() -> None:
    perception = Perception(FakeNetworks())
    observation = perception.observe(frame(camera_pose()))
    with pytest.raises(PhraseNotFoundError, match="white sofa.*in view: .*red chair"):
        perception.locate(observation, "the white sofa")
    with pytest.raises(PhraseNotFoundError, match="fridge.*knows chair, table, sofa"):
        perception.locate(observation, Region.from_phrase("the fridge"))
    blind = Perception(None)
    with pytest.raises(PhraseNotFoundError, match="no detections arrive"):
        blind.locate(blind.observe(frame(camera_pose())), "the red chair")


def test_scan_lists_what_is_seen() -> None:
    perception = Perception(FakeNetworks())
    observation = perception.observe(frame(camera_pose()))
    assert {thing.label for thing in perception.scan(observation)} == {"red chair", "blue table"}


def test_where_the_sensor_is_blind_the_network_fills_in() -> None:
    depth = render(camera_pose())[1].copy()
    bounds = box("red chair").box
    assert bounds is not None
    x0, y0, x1, y1 = (int(v) for v in bounds)
    depth[y0 - 2 : y1 + 3, x0 - 2 : x1 + 3] = np.nan
    networks = FakeNetworks()
    perception = Perception(networks)
    observation = perception.observe(frame(camera_pose(), depth=depth))
    located = perception.locate(observation, box("red chair"))
    assert located.points.source is DepthSource.MONOCULAR_ALIGNED
    assert any("holes" in note for note in located.notes)
    estimate = perception.measure(observation, [Kind.CAMERA_TO_OBJECT], located)[0]
    assert estimate.distance == pytest.approx(1.785, abs=0.1)
    assert "holes" in estimate.reason


# Memory


def test_an_object_out_of_view_is_remembered_from_a_keyframe() -> None:
    perception = Perception(FakeNetworks())
    perception.observe(frame(camera_pose(), stamp=1))
    away = camera_pose(x=0.5, yaw=math.pi)
    observation = perception.observe(frame(away, stamp=4))
    located = perception.locate(observation, "red chair")
    assert located.frame.stamp_ns == 1_000_000_000
    assert located.how is HowSeen.REMEMBERED
    assert located.age == 3.0
    assert "3.0 s earlier" in located.notes[0]
    estimate = perception.measure(observation, [Kind.CAMERA_TO_OBJECT], located)[0]
    assert (estimate.how, estimate.age) == (HowSeen.REMEMBERED, 3.0)
    assert estimate.seen_stamp_ns == 1_000_000_000
    # From (0.5, 0) to the chair's nearest visible edge, at (-0.35, 1.75).
    assert estimate.distance == pytest.approx(math.hypot(0.85, 1.75), abs=0.1)
    assert estimate.point_to[2] < 0  # behind the camera now
    answer = perception.ask("how far is the red chair?", observation)
    assert [used.stamp_ns for used in answer.frames] == [4_000_000_000, 1_000_000_000]
    assert answer.regions == ()
    assert any("earlier" in reason for reason in answer.degraded)
    # Both objects are remembered from one frame: the language model is shown that frame.
    pair = perception.ask("how far is the red chair from the blue table?", observation)
    assert pair.language_text == "2.00 meters"
    assert pair.distances[0].distance == pytest.approx(1.43, abs=0.12)


def test_kept_frames_do_not_chain_or_hold_point_maps() -> None:
    perception = Perception(None, keyframes=1)
    for number in range(3):
        pose = camera_pose(x=1.5 * number, yaw=0.8 * number)
        perception.observe(frame(pose, stamp=number + 1))
    kept = perception.keyframes()
    assert len(kept) == 1
    assert kept[0].payload.pointmap is None
    assert kept[0].payload.keyframe.evicted is None
    assert kept[0].payload.keyframe.kept


def test_reset_forgets_keyframes_and_coverage() -> None:
    perception = Perception(None)
    perception.observe(frame(camera_pose()))
    assert len(perception.keyframes()) == 1 and perception.describe()["covered_voxels"] > 100
    perception.reset()
    assert perception.describe()["covered_voxels"] == 0 and perception.keyframes() == ()


def test_another_world_frame_starts_a_new_memory() -> None:
    perception = Perception(None)
    perception.observe(frame(camera_pose(), stamp=1))
    perception.observe(frame(camera_pose(), stamp=2, world_frame="map"))
    assert [kept.payload.frame.world_frame for kept in perception.keyframes()] == ["map"]


# Asking


def test_the_answer_states_the_measurement_and_keeps_the_models_number_apart() -> None:
    networks = FakeNetworks("2.00 meters")
    perception = Perception(networks)
    observation = perception.observe(frame(camera_pose()))
    pieces: list[str] = []
    answer = perception.ask("How far is the red chair?", observation, on_token=pieces.append)
    assert answer.text.startswith("The red chair is 1.79 m")
    assert answer.language_text == "2.00 meters"
    assert answer.language_value_m == pytest.approx(2.0)
    assert answer.agreement == "agree"
    assert pieces == ["2.00", "meters"]
    assert networks.questions == ["how far is the red chair <region> from the camera ?"]
    assert answer.model_id == "fake-1" and answer.family == "camera_distance"
    assert set(answer.timings) == {"program", "locate", "measure", "language", "total"}
    assert [region.label for region in answer.regions] == ["red chair"]
    mask = networks.masks[0][0]
    truth = render(camera_pose())[2] == 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.85


def test_disagreement_is_flagged() -> None:
    perception = Perception(FakeNetworks("5.00 meters"))
    observation = perception.observe(frame(camera_pose()))
    answer = perception.ask("how far is the red chair from the blue table?", observation)
    assert answer.agreement == "disagree"
    assert answer.text.startswith("The red chair is 1.4")
    assert [estimate.kind for estimate in answer.distances] == [
        Kind.CENTRE_TO_CENTRE,
        Kind.NEAREST_POINTS,
    ]


def test_where_nothing_can_be_measured_the_language_model_answers_and_says_so() -> None:
    perception = Perception(FakeNetworks("2.00 meters"))
    observation = perception.observe(frame(camera_pose(), model=None, depth=None))
    answer = perception.ask("how far is the red chair?", observation, [box("red chair")])
    assert answer.text == "2.00 meters (said by the language model, not measured)"
    assert answer.agreement == "unknown"
    assert [estimate.source for estimate in answer.distances] == ["language"]
    assert answer.distances[0].distance == pytest.approx(2.0)
    assert any("not measured" in reason for reason in answer.degraded)


def test_neither_measured_nor_told_is_an_error() -> None:
    perception = Perception(None)
    observation = perception.observe(frame(camera_pose(), model=None))
    with pytest.raises(NoCameraInfoError):
        perception.ask("how far is the red chair?", observation, [box("red chair")])


def test_measuring_alone_answers_and_names_what_is_missing() -> None:
    perception = Perception(None)
    observation = perception.observe(frame(camera_pose()))
    regions = [box("red chair", label=""), box("blue table", label="")]
    answer = perception.ask("is the red chair left of the blue table?", observation, regions)
    assert answer.text.startswith("Yes: the red chair is to the left of the blue table")
    assert any("no language model" in reason for reason in answer.degraded)
    assert math.isnan(answer.language_value_m)


def test_regions_are_paired_with_the_question_by_label_number_and_order() -> None:
    perception = Perception(None)
    observation = perception.observe(frame(camera_pose()))
    labelled = [box("blue table"), box("red chair")]
    by_label = perception.ask("how far is the red chair?", observation, labelled)
    assert [region.label for region in by_label.regions] == ["red chair"]
    by_number = perception.ask("how tall is region 1?", observation, labelled)
    assert by_number.distances[0].distance == pytest.approx(0.9, abs=0.05)
    pronoun = perception.ask("how far is it?", observation, [box("red chair", label="")])
    assert pronoun.distances[0].distance == pytest.approx(1.785, abs=0.05)
    with pytest.raises(BadRequestError, match="region 7"):
        perception.ask("how tall is region 7?", observation, labelled)
    with pytest.raises(NotUnderstoodError, match="it"):
        perception.ask("how far is it?", observation)


def test_two_phrases_of_a_question_mean_two_objects() -> None:
    class Confused(FakeNetworks):
        """Takes every chair for a sofa as well, a little less likely."""

        def similarity(self, view: View, names: Sequence[str]) -> np.ndarray:
            logits = super().similarity(view, names)
            order = list(names)
            logits[order.index("red sofa")] = logits[order.index("red chair")] - 0.5
            return logits

    perception = Perception(Confused())
    observation = perception.observe(frame(camera_pose()))
    doubtful = perception.locate(observation, "red sofa")
    assert doubtful.doubt == "what was taken for 'red sofa' may be a red chair"
    estimates = perception.measure(observation, [Kind.CAMERA_TO_OBJECT, Kind.WIDTH], doubtful)
    for estimate in (*estimates, *perception.measure(observation, [1], "red sofa", "blue table")):
        assert not estimate.valid and math.isnan(estimate.distance)
        assert doubtful.doubt in estimate.reason
    with pytest.raises(PhraseNotFoundError, match="may be a red chair.*give a box"):
        perception.ask("how far is the red sofa?", observation)
    # A chair that may be a sofa is found when it is asked for, and not named unasked.
    assert {thing.label for thing in perception.scan(observation)} == {"blue table"}
    with pytest.raises(PhraseNotFoundError, match="red sofa"):
        perception.ask("how far is the red sofa from the red chair?", observation)


def test_a_phrase_that_is_not_found_fails_the_question() -> None:
    perception = Perception(FakeNetworks())
    observation = perception.observe(frame(camera_pose()))
    with pytest.raises(PhraseNotFoundError, match="white sofa"):
        perception.ask("how far is the red chair from the white sofa?", observation)


FOREIGN = "this image does not look like the rooms that profile 'fake' was trained in"


def test_networks_are_not_asked_about_an_image_of_another_kind() -> None:
    networks = FakeNetworks()
    networks.foreign = FOREIGN
    perception = Perception(networks)
    seen = perception.observe(frame(camera_pose()))
    with pytest.raises(PhraseNotFoundError) as refused:
        perception.ask("how far is the red chair?", seen)
    assert str(refused.value) == (
        f"'red chair' cannot be looked for: {FOREIGN}; give a box, point or mask, publish "
        "detections, or choose another profile"
    )
    assert perception.scan(seen) == []
    with pytest.raises(PhraseNotFoundError, match=f"cannot be told: {FOREIGN}; publish det"):
        perception.ask("What do you see?", seen)
    assert networks.calls == []


def test_regions_and_detections_are_measured_on_an_image_of_another_kind() -> None:
    networks = FakeNetworks()
    networks.foreign = FOREIGN
    perception = Perception(networks)
    seen = perception.observe(frame(camera_pose(), detections=(box("red chair"),)))
    answer = perception.ask("how far is the red chair?", seen)
    assert answer.distances[0].valid and answer.regions[0].label == "red chair"
    assert answer.language_text == "" and answer.agreement == "unknown"
    assert f"language model not asked: {FOREIGN}" in answer.degraded
    given = perception.ask("how far is it?", seen, (box("blue table", label=""),))
    assert given.distances[0].valid
    with pytest.raises(PhraseNotFoundError, match=r"not among the detections \(red chair\) and"):
        perception.ask("how far is the blue table?", seen)
    listed = perception.ask("What do you see?", seen)
    assert listed.text == "The red chair (chair_1)."
    assert f"only detections count: {FOREIGN}" in listed.degraded
    assert networks.calls == []


def test_depth_of_an_image_of_another_kind_is_withheld() -> None:
    networks = FakeNetworks()
    networks.foreign = FOREIGN
    perception = Perception(networks)
    seen = perception.observe(frame(camera_pose(), depth=None))
    assert seen.pointmap is None and networks.calls == []
    assert f"no depth from the geometry network: {FOREIGN}" in seen.degraded
    with pytest.raises(NoGeometryError, match=f"{FOREIGN}: publish registered depth"):
        perception.measure(seen, [], box("red chair"))


def test_holes_of_sensor_depth_stay_holes_in_an_image_of_another_kind() -> None:
    networks = FakeNetworks()
    depth = frame().depth
    assert depth is not None
    chair = render(camera_pose())[2] == 0
    blind = frame(camera_pose(), depth=np.where(chair, 0, depth).astype(np.uint16))
    perception = Perception(networks)
    (note,) = perception.locate(perception.observe(blind), box("red chair")).notes
    assert "filled by the geometry network" in note
    networks.foreign = FOREIGN
    with pytest.raises(TooLittleSupportError):
        perception.locate(perception.observe(blind), box("red chair"))


def test_a_phrase_is_recalled_from_a_familiar_frame_only() -> None:
    class Elsewhere(FakeNetworks):
        """Knows one frame alone."""

        def unfamiliar(self, view: View) -> str:
            return "" if view.image is known.image else FOREIGN

    known = frame(camera_pose())
    perception = Perception(Elsewhere())
    perception.observe(known)
    later = perception.observe(frame(camera_pose(), stamp=2))
    found = perception.locate(later, "red chair")
    assert found.frame is known and "not in view now" in found.notes[0]


def test_a_detector_of_a_small_world_is_not_asked_about_other_images_or_other_kinds() -> None:
    bounds = box("red chair").box
    assert bounds is not None
    detector = ScriptedDetector({"chair": [(bounds, 0.8)], "red chair": [(bounds, 0.8)]})
    networks = FakeNetworks()
    grounder = Grounder(detector, familiar_only=True)
    perception = Perception(networks, grounder=grounder, map_nouns=("zebra",))
    seen = perception.observe(frame(camera_pose()))
    assert perception.locate(seen, "the red chair").found_by == "detector"
    with pytest.raises(PhraseNotFoundError, match="the profile knows chair, table, sofa"):
        perception.locate(seen, "the fridge")
    perception.scan(seen)
    asked = {phrase for phrases in detector.asked for phrase in phrases}
    assert asked == {"red chair", "chair", "table", "sofa"}
    networks.foreign = FOREIGN
    with pytest.raises(PhraseNotFoundError, match=FOREIGN):
        perception.locate(seen, "the chair")
    other = perception.observe(frame(camera_pose(), stamp=2))
    assert perception.scan(other) == []
    assert len(detector.asked) == 2


def test_where_the_detector_fails_clip_looks_and_says_so() -> None:
    detector = ScriptedDetector({})
    detector.error = RuntimeError("CUDA out of memory")
    perception = Perception(FakeNetworks(), grounder=Grounder(detector))
    seen = perception.observe(frame(camera_pose()))
    thing = perception.locate(seen, "the red chair")
    assert thing.found_by == "clip"
    assert "grounding 'scripted' failed: CUDA out of memory" in thing.notes[0]
    detector.error = None
    absent = perception.observe(frame(camera_pose(x=0.1), stamp=2))
    with pytest.raises(PhraseNotFoundError):  # what the detector does not find is not there
        perception.locate(absent, "the red chair", recall=False)


def test_open_questions_are_answered_by_what_is_seen_or_refused() -> None:
    perception = Perception(FakeNetworks())
    observation = perception.observe(frame(camera_pose()))
    answer = perception.ask("What do you see?", observation)
    assert answer.text == "The red chair (chair) and the blue table (table)."
    assert answer.distances == () and answer.family == "open"
    assert answer.result is not None and answer.result.type is ResultType.OBJECTS
    with pytest.raises(NotUnderstoodError, match="ask for a distance"):
        perception.ask("why is the sky blue?", observation)
    alone = Perception(None)
    with pytest.raises(NotUnderstoodError):
        alone.ask("why is the sky blue?", alone.observe(frame(camera_pose())))


def test_cancelling_stops_between_stages_and_between_tokens() -> None:
    networks = FakeNetworks("one two three")
    perception = Perception(networks)
    observation = perception.observe(frame(camera_pose()))
    with pytest.raises(CancelledError):
        perception.ask("how far is the red chair?", observation, cancelled=lambda: True)
    assert "answer" not in networks.calls
    pieces: list[str] = []
    with pytest.raises(CancelledError):
        perception.ask(
            "how far is the red chair?",
            observation,
            on_token=pieces.append,
            cancelled=lambda: len(pieces) >= 1,
        )
    assert pieces == ["one"]


def test_close_frees_the_networks_and_leaves_nothing_to_answer_with() -> None:
    networks = FakeNetworks()
    perception = Perception(networks)
    perception.observe(frame(camera_pose()))
    perception.warm_up()
    perception.close()
    assert networks.closed
    assert perception.keyframes() == ()
    assert perception.describe()["model_id"] == "none"


def test_a_located_point_region_is_grown_to_its_object() -> None:
    perception = Perception(None)
    observation = perception.observe(frame(camera_pose()))
    bounds = box("blue table").box
    assert bounds is not None
    point = Region.from_point((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2, "table")
    located = perception.locate(observation, point)
    assert located.region.type is RegionType.POINT
    truth = render(camera_pose())[2] == 1
    assert (located.points.mask & truth).sum() / truth.sum() > 0.8


# Networks of other profiles: depth without a scale, free wording, several views


class UnscaledNetworks(FakeNetworks):
    """Depth up to one factor, as of MoGe 1."""

    metric, error = False, 0.17


def test_depth_without_a_scale_is_scaled_to_the_floor() -> None:
    perception = Perception(UnscaledNetworks())
    observation = perception.observe(frame(camera_pose(), depth=None))
    assert observation.pointmap is not None
    truth = render(camera_pose())[1]
    ratio = observation.pointmap.depth / truth
    assert np.nanmedian(ratio) == pytest.approx(1.0, abs=0.05)
    assert any("scaled to a floor 0.90 m below" in reason for reason in observation.degraded)
    (estimate,) = perception.measure(observation, [], box("red chair"))
    assert estimate.distance == pytest.approx(1.8, abs=0.15)


def test_depth_without_a_scale_or_a_height_is_not_taken_for_metres() -> None:
    perception = Perception(UnscaledNetworks())
    observation = perception.observe(frame(None, depth=None))
    assert observation.pointmap is None
    with pytest.raises(NoGeometryError, match="no scale of its own"):
        perception.measure(observation, [], box("red chair"))


def test_depth_without_a_scale_fills_the_holes_of_sensor_depth() -> None:
    depth = render(camera_pose())[1].copy()
    depth[:, :100] = 0.0
    perception = Perception(UnscaledNetworks(), encode="always")
    observation = perception.observe(frame(camera_pose(), depth=depth))
    assert observation.pointmap is not None
    assert observation.pointmap.source is DepthSource.MONOCULAR_ALIGNED
    truth = render(camera_pose())[1]
    error = np.abs(observation.pointmap.depth[:, :90] - truth[:, :90]) / truth[:, :90]
    assert np.median(error) < 0.03


class FreeNetworks(FakeNetworks):
    """A language model of free wording without grounding, as of the 7B profiles."""

    vocabulary = Vocabulary()
    has_grounding = canonical_only = takes_regions = False


def test_a_free_language_model_is_asked_when_nothing_can_look_for_words() -> None:
    networks = FreeNetworks("{2.50 meters}")
    perception = Perception(networks)
    observation = perception.observe(frame(camera_pose()))
    question = "How far is the chair from the table?"
    answer = perception.ask(question, observation)
    assert networks.questions == [question]
    assert answer.text == "{2.50 meters} (said by the language model, not measured)"
    assert answer.language_value_m == pytest.approx(2.5)
    (told,) = answer.distances
    assert (told.source, told.from_label, told.to_label) == ("language", "chair", "table")
    assert any("cannot be looked for" in reason for reason in answer.degraded)
    assert answer.agreement == "unknown"


def test_a_free_language_model_is_checked_against_given_regions() -> None:
    networks = FreeNetworks("{9.00 meters}")
    perception = Perception(networks)
    observation = perception.observe(frame(camera_pose()))
    regions = (box("red chair", label="chair"), box("blue table", label="table"))
    answer = perception.ask("How far is the chair from the table?", observation, regions)
    assert answer.agreement == "disagree"
    assert "9.00" not in answer.text
    assert networks.masks == [[]]
    assert any("not the given regions" in reason for reason in answer.degraded)


def test_words_that_a_detector_does_not_see_stay_an_error() -> None:
    perception = Perception(FreeNetworks())
    seen = frame(camera_pose(), detections=(box("red chair", label="chair"),))
    with pytest.raises(PhraseNotFoundError, match="door"):
        perception.ask("How far is the door?", perception.observe(seen))


def test_a_video_model_gets_the_keyframes_before_the_newest_view() -> None:
    networks = FreeNetworks("in the kitchen")
    networks.context_views = 2
    perception = Perception(networks)
    for number in range(4):
        pose = camera_pose(x=0.5 * number)
        observation = perception.observe(frame(pose, stamp_ns=1_000_000_000 * (number + 1)))
    answer = perception.ask("What is this room used for?", observation)
    assert answer.text.startswith("in the kitchen")
    assert len(networks.earlier) == 2
    stamps = [reference.stamp_ns for reference in answer.frames]
    assert stamps == [4_000_000_000, 2_000_000_000, 3_000_000_000]


def test_a_frame_frees_what_is_large_once_a_newer_one_of_its_camera_is_there() -> None:
    networks = FakeNetworks()
    perception = Perception(networks)
    first = perception.observe(frame(camera_pose()))
    perception.observe(frame(camera_pose(), camera="other"))
    assert not networks.settled
    perception.observe(frame(camera_pose(x=0.1), stamp=2))
    (settled,) = networks.settled
    assert settled is first.frame.image
