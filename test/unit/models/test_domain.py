# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nano profile says when it is shown what it never saw, and stays silent in its rooms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spatialgeo_ros import cli
from spatialgeo_ros.errors import ModelLoadError, NoGeometryError, PhraseNotFoundError
from spatialgeo_ros.evaluation.annotated_frames import read_sequence
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.models.construction import load_domain
from spatialgeo_ros.models.domain import DomainClassifier
from spatialgeo_ros.models.letterbox import Letterbox, image_tensor
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer
from spatialgeo_ros.sim.rig import default_camera
from spatialgeo_ros.sim.room import make_room
from spatialgeo_ros.training.domain import THRESHOLD_SEEDS, DomainPlan, strangeness
from spatialgeo_ros.training.outliers import disturbed, drawn_outliers, rendered_outliers
from spatialgeo_ros.training.render import HELD_OUT_SEEDS
from spatialgeo_ros.training.room_views import by_height, draw_view, render_views

Image = NDArray[np.uint8]
SENTENCE = "this image does not look like the rooms that profile 'nano' was trained in"
#: Log-odds between the strangest room and the threshold, and the threshold and real images.
MARGIN = 1.0
#: Rooms that neither the training nor the threshold saw.
ROOMS = range(HELD_OUT_SEEDS + 2000, HELD_OUT_SEEDS + 2040)


@pytest.fixture(scope="module")
def classifier() -> DomainClassifier:
    part = load_profile("nano").domain
    assert part is not None
    return load_domain(part)


@pytest.fixture(scope="module")
def views() -> list[Image]:
    try:
        return render_views(ROOMS, 5)
    except RendererUnavailableError as error:
        pytest.skip(str(error))


def excess(classifier: DomainClassifier, image: Image) -> float:
    """How far above the threshold an image of any size is, log-odds."""
    box = Letterbox.fit((image.shape[1], image.shape[0]), (128, 96))
    with torch.inference_mode():
        return float(classifier(image_tensor(box.scaled(image)))[0] - classifier.threshold)


def photographs(folder: Path) -> Iterator[Image]:
    for path in sorted((folder / "color").glob("*.jpg")):
        yield cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_the_threshold_was_set_on_rooms_that_nothing_else_looks_at() -> None:
    assert THRESHOLD_SEEDS > max(ROOMS)
    assert THRESHOLD_SEEDS > HELD_OUT_SEEDS + 1000  # spatialgeo evaluate counts up from there


def test_rooms_never_seen_are_familiar(classifier: DomainClassifier, views: list[Image]) -> None:
    assert len(views) >= 120
    over = strangeness(classifier, by_height(views)) - float(classifier.threshold)
    assert (over > 0).mean() <= 0.01
    assert np.median(over) < -3 * MARGIN


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (480, 480), (320, 240)])
def test_the_simulated_camera_is_familiar_at_any_resolution(
    classifier: DomainClassifier, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    foreign = []
    for seed in (7, 900_001, 900_002):
        room = make_room(seed)
        try:
            renderer = RoomRenderer(room, *size)
        except RendererUnavailableError as error:
            pytest.skip(str(error))
        for _ in range(4):
            view = draw_view("driving", room, rng, default_camera(*size))
            assert view is not None
            noise = rng.normal(0, 2, (size[1], size[0], 3))
            image = np.clip(renderer.picture(*view) + noise, 0, 255).astype(np.uint8)
            foreign.append(excess(classifier, image))
        renderer.close()
    assert max(foreign) < 0


def _strange_images() -> Iterator[tuple[str, Image]]:
    rng = np.random.default_rng(11)
    height, width = 480, 640
    y, x = np.mgrid[:height, :width]
    yield "noise", rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    yield "black", np.zeros((height, width, 3), np.uint8)
    ramp = np.repeat((x * 255 // width).astype(np.uint8)[..., None], 3, axis=2)
    yield "ramp", ramp
    hues = np.stack([x * 179 // width, np.full_like(x, 200), y * 255 // height], axis=-1)
    yield "rainbow", cv2.cvtColor(hues.astype(np.uint8), cv2.COLOR_HSV2RGB)
    page = np.full((height, width, 3), 250, np.uint8)
    for line in range(24):
        words = "How far is the mug from the edge of the table, and is it in reach?"
        cv2.putText(page, words, (8, 20 * line + 16), 0, 0.5, (10, 10, 10), 1, cv2.LINE_AA)
    yield "page", page
    board = np.repeat(((x // 20 + y // 20) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    yield "board", board
    c = (x / width * 3 - 2) + 1j * (y / height * 2 - 1)
    z, steps = np.zeros_like(c), np.zeros(c.shape, np.uint8)
    for _ in range(40):
        inside = np.abs(z) < 2
        z[inside] = z[inside] ** 2 + c[inside]
        steps += inside
    yield "fractal", cv2.applyColorMap(steps * 6, cv2.COLORMAP_JET)
    rings = np.sin(np.hypot(x - 320, y - 240) / 9) * 90 + 128
    yield "rings", np.repeat(rings.astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("name", "image"), [*_strange_images()], ids=lambda v: v if isinstance(v, str) else ""
)
def test_what_no_camera_in_a_room_sees_is_foreign(
    classifier: DomainClassifier, name: str, image: Image
) -> None:
    assert excess(classifier, image) > MARGIN


@pytest.mark.parametrize("grey", [0, 30, 120, 200, 255])
@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_one_even_colour_shows_nothing(
    classifier: DomainClassifier, grey: int, noise: float
) -> None:
    levels = grey + np.random.default_rng(grey).normal(0, noise, (480, 640, 3))
    image = np.clip(levels, 0, 255).astype(np.uint8)
    box = Letterbox.fit((640, 480), (128, 96))
    remark = classifier.remark(image_tensor(box.scaled(image)), "nano")
    assert remark == "this image is one even colour: profile 'nano' sees nothing in it"


@pytest.mark.parametrize("folder", ["real_rgbd", "real_sequence"])
def test_photographs_are_foreign(
    classifier: DomainClassifier, folder: str, request: pytest.FixtureRequest
) -> None:
    real = list(photographs(request.getfixturevalue(folder)))
    assert len(real) >= 5
    for image in real:
        assert excess(classifier, image) > MARGIN
        for changed in (
            image[:, ::-1],
            cv2.GaussianBlur(image, (0, 0), 2),
            cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA),
            cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
            (image * 0.1).astype(np.uint8),
            np.clip(image * 1.5, 0, 255).astype(np.uint8),
        ):
            assert excess(classifier, np.ascontiguousarray(changed)) > 0


def test_another_cpu_or_precision_changes_nothing(
    classifier: DomainClassifier, views: list[Image]
) -> None:
    pool = by_height(views[:40])
    usual = strangeness(classifier, pool)
    with torch.backends.mkldnn.flags(enabled=False):
        plain = strangeness(classifier, pool)
    np.testing.assert_allclose(plain, usual, atol=0.01)


def _frame(image: Image, depth: NDArray[np.uint16] | None, camera: PinholeCamera) -> Frame:
    return Frame("camera", 1, "camera_optical_frame", image, camera, depth, None, "")


@pytest.fixture(scope="module")
def nano() -> Iterator[Perception]:
    perception = Perception.load("nano", device="cpu")
    yield perception
    perception.close()


def test_the_default_profile_on_a_real_kitchen(nano: Perception, real_sequence: Path) -> None:
    camera = PinholeCamera(640, 480, 525.7, 525.7, 320.0, 236.8)
    sequence = read_sequence(real_sequence, [real_sequence / "annotations_dev.json"])
    frames = [frame for frame in sequence.frames if any(thing.whole for thing in frame.objects)]
    for frame in frames[::8]:
        image = cv2.cvtColor(cv2.imread(str(frame.colour)), cv2.COLOR_BGR2RGB)
        depth = cv2.imread(str(frame.depth), -1)
        nano.reset()
        seen = nano.observe(_frame(image, depth, camera))
        for kind in ("sofa", "lamp", "plant", "chair"):
            with pytest.raises(PhraseNotFoundError, match=SENTENCE):
                nano.ask(f"How far is the {kind}?", seen)
        assert nano.scan(seen) == []
        box = Region.from_box(*next(t.box for t in frame.objects if t.whole), "crate")
        answer = nano.ask("How far is the crate?", seen, (box,))
        assert answer.distances[0].valid and answer.language_text == ""
        assert any(SENTENCE in reason for reason in answer.degraded)
        alone = nano.observe(_frame(image, None, camera))
        assert alone.pointmap is None
        assert any(SENTENCE in reason for reason in alone.degraded)
        with pytest.raises(NoGeometryError, match=SENTENCE):
            nano.measure(alone, [], box)


def test_depth_of_a_photograph_is_not_written(
    real_rgbd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next(iter(sorted((real_rgbd / "color").glob("*.jpg"))))
    assert cli.main(["depth", str(image), "--out", str(tmp_path / "out")]) == 1
    assert SENTENCE in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_domain_needs_an_input_of_known_size(repository: Path, tmp_path: Path) -> None:
    text = (repository / "config" / "models" / "nano.yaml").read_text()
    profile = tmp_path / "own.yaml"
    start, end = text.index("image:"), text.index("# Camera mount")
    profile.write_text(f"{text[:start]}image:\n  mode: native\n  patch: 16\n{text[end:]}")
    with pytest.raises(ModelLoadError, match="'domain' needs an image of mode letterbox"):
        load_profile(profile)


def test_outliers_are_the_same_for_the_same_seed() -> None:
    first, again = drawn_outliers(range(3)), drawn_outliers(range(3))
    assert len(first) == 6
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape in ((96, 128, 3), (72, 128, 3)) and one.dtype == np.uint8
    assert not np.array_equal(first[0], drawn_outliers(range(3, 4))[0])


def test_clutter_is_rendered_and_foreign(classifier: DomainClassifier) -> None:
    try:
        images = rendered_outliers(range(10**6, 10**6 + 4), views=3, renditions=1)
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    assert len(images) == 12
    over = strangeness(classifier, by_height(images)) - float(classifier.threshold)
    assert (over > 0).mean() >= 0.7  # some look at a bare wall


def test_every_disturbance_keeps_the_shape(views: list[Image]) -> None:
    rng = np.random.default_rng(0)
    other = drawn_outliers(range(1))[0]
    for _ in range(40):
        changed = disturbed(views[0], other, rng)
        assert changed.shape == views[0].shape and changed.dtype == np.uint8
        assert not np.array_equal(changed, views[0])


def test_a_plan_can_be_tried_out_small() -> None:
    small = DomainPlan().scaled(0.01)
    assert small == replace(small, views=DomainPlan().views)
    assert 4 <= small.rooms < 10 < small.pictures < 100
