# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Overlay and map: what must show up where, and pictures of any size must not break them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from spatialgeo_ros.drawing import (
    MapKeyframe,
    MapLine,
    MapObject,
    canvas,
    distance_text,
    draw_cutout,
    draw_map,
)
from spatialgeo_ros.drawing import draw_overlay as overlay
from spatialgeo_ros.drawing.map_boxes import BoxState, MapBox
from spatialgeo_ros.drawing.overlay import REJECTED_COLOUR, SUPPORT_COLOUR
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import DistanceEstimate, Kind
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region

CAMERA = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)


def estimate(start, end, kind=Kind.CENTRE_TO_CENTRE, valid=True, sigma=0.04):
    ends = np.array([start, end], float)
    return DistanceEstimate(
        kind, "chair", "table", float(np.linalg.norm(ends[1] - ends[0])), sigma, ends[0], ends[1],
        DepthSource.SENSOR, valid, "",
    )  # fmt: skip


@pytest.fixture
def image():
    return np.full((480, 640, 3), 90, np.uint8)


def changed(before, after):
    """Pixels of the picture (below the strip) that were drawn on."""
    return (after[-before.shape[0] :] != before).any(axis=2)


def test_the_given_image_is_left_alone(image):
    overlay(image, camera=CAMERA, regions=[Region.from_box(50, 50, 90, 90, "chair")], question="?")
    assert (image == 90).all()


def test_nothing_to_draw_gives_the_same_picture(image):
    assert np.array_equal(overlay(image), image)


def test_the_line_joins_the_projected_end_points(image):
    ends = ([-0.5, 0.2, 2.0], [0.6, -0.1, 2.5])
    drawn = changed(image, overlay(image, camera=CAMERA, distances=[estimate(*ends)]))
    (u0, v0), (u1, v1) = CAMERA.project(ends)
    for share in np.linspace(0, 1, 9):
        u, v = u0 + share * (u1 - u0), v0 + share * (v1 - v0)
        assert drawn[round(v), round(u)]


def test_labels_do_not_hide_where_lines_end(image):
    short = estimate([0.02, -0.135, 2.0], [0.05, -0.12, 2.0])  # where the label would go
    across = estimate([-0.5, 0.12, 2.0], [0.5, -0.14, 2.0])
    shown = overlay(image, camera=CAMERA, distances=[across, short])
    for u, v in CAMERA.project(np.stack([short.point_from, short.point_to])).round().astype(int):
        assert (shown[v, u] == canvas.PAPER).all()


def test_a_line_from_the_camera_starts_at_the_lower_border(image):
    distances = [estimate([0, 0, 0], [0.5, 0, 2.0], Kind.CAMERA_TO_OBJECT)]
    drawn = changed(image, overlay(image, camera=CAMERA, distances=distances))
    assert drawn[479, 316:325].any()


def test_what_cannot_be_drawn_is_left_out(image):
    invalid = estimate([0, 0, 1], [1, 0, 1], valid=False)
    missing = DistanceEstimate(
        Kind.WIDTH, "a", "", 1.0, 0.1, np.full(3, np.nan), np.full(3, np.nan),
        DepthSource.SENSOR, True, "",
    )  # fmt: skip
    outside = Region.from_box(900, 900, 950, 950, "elsewhere")
    shown = overlay(
        image, camera=CAMERA, distances=[invalid, missing],
        regions=[outside, Region.from_phrase("a chair")],
    )  # fmt: skip
    assert np.array_equal(shown, image)
    valid = [estimate([0, 0, 1], [0.1, 0, 1])]
    assert np.array_equal(overlay(image, camera=None, distances=valid), image)


def test_masks_tint_their_pixels_only(image):
    mask = np.zeros((480, 640), bool)
    mask[200:300, 200:300] = True
    region = Region.from_box(200, 200, 299, 299)
    drawn = changed(image, overlay(image, regions=[region], masks=[mask]))
    assert drawn[210:290, 210:290].all()
    assert not drawn[:190].any() and not drawn[310:].any()


def hatched(picture, colour):
    return (picture == colour).all(axis=2)


def test_support_and_what_was_thrown_away_are_hatched_and_named(image):
    mask, support, rejected = np.zeros((3, 480, 640), bool)
    mask[200:260, 300:360] = True
    support[260:300, 260:400] = True
    rejected[200:230, 280:300] = True
    arguments = {"regions": [Region.from_box(280, 200, 359, 299)], "masks": [mask]}
    shown = overlay(image, **arguments, supports=[support], rejected=[rejected])
    for field, colour in ((support, SUPPORT_COLOUR), (rejected, REJECTED_COLOUR)):
        lines = hatched(shown, colour)
        assert 0.1 < lines[field].mean() < 0.5, "lines with the image between them"
        assert changed(image, shown)[field].all(), "a single pixel does not get lost"
        elsewhere = np.argwhere(lines & ~field)
        assert len(elsewhere) and (elsewhere[:, 0] > 400).all(), "only the legend below"
    plain = overlay(image, **arguments, supports=[None], rejected=[])
    assert np.array_equal(plain, overlay(image, **arguments)), "no legend without hatching"


def test_the_object_is_drawn_over_the_hatching_of_another(image):
    mask = np.zeros((480, 640), bool)
    mask[200:300, 200:300] = True
    region = Region.from_box(200, 200, 299, 299)
    shown = overlay(image, regions=[region], masks=[mask], supports=[mask])
    assert not hatched(shown, SUPPORT_COLOUR)[200:300, 200:300].any()


def test_a_cutout_is_enlarged_around_the_object_with_its_reference(image):
    mask, rejected = np.zeros((2, 480, 640), bool)
    mask[200:230, 300:340] = True
    rejected[202:206, 300:340] = True
    shown = draw_cutout(
        image, (300, 200, 339, 229), "mug", mask=mask, rejected=rejected, reference=(350.0, 215.0)
    )
    left, top = 265, 176  # 24 px around box and reference; 11 more at each side to be 120 wide
    assert shown.shape[1] == 3 * (386 - left)
    strip = shown.shape[0] - 3 * (254 - top)
    assert strip > 10

    def at(u, v):
        return shown[round(strip + (v - top) * 3 + 1), round((u - left) * 3 + 1)]

    assert (at(350, 215) == canvas.PAPER).all()
    assert (at(320, 220) != 90).any() and (at(290, 240) == 90).all(), "only the object is tinted"
    assert hatched(shown, REJECTED_COLOUR).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (480, 1), (1080, 1920)])
def test_a_cutout_of_any_size_of_picture(shape):
    if shape == (1, 1) and cv2.__version__.startswith("4.5."):
        pytest.skip("OpenCV 4.5 cannot enlarge a single pixel of several channels")
    image = np.zeros((*shape, 3), np.uint8)
    for box, reference in (((-5, -5, 5000, 5000), None), ((0, 0, 1, 1), (-900.0, 9000.0))):
        shown = draw_cutout(image, box, "mug", mask=np.ones(shape, bool), reference=reference)
        assert shown.dtype == np.uint8 and shown.shape[1] <= 3 * shape[1]


def test_the_strip_is_added_and_hides_nothing(image):
    shown = overlay(image, question="How far is the chair?", answer="1.20 m away.", note="sensor")
    assert shown.shape[0] > 480 and shown.shape[1] == 640
    assert np.array_equal(shown[-480:], image)
    strip = shown[:-480]
    assert (strip == canvas.INK).all(axis=2).mean() > 0.5
    assert (strip.max(axis=2) > 240).any(), "the answer is written in white"


def test_long_texts_do_not_grow_without_end(image):
    shown = overlay(image, question="why " * 500, answer="because " * 500)
    assert shown.shape[0] < 480 + 200


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (480, 1), (30, 170), (1080, 1920)])
def test_any_size_of_picture(shape):
    camera = PinholeCamera(shape[1], shape[0], 300.0, 300.0, shape[1] / 2, shape[0] / 2)
    shown = overlay(
        np.zeros((*shape, 3), np.uint8),
        camera=camera,
        regions=[Region.from_box(0, 0, 5000, 5000, "huge"), Region.from_point(0, 0, "point"),
                 Region.from_polygon([[-9, -9], [9, -9], [0, 9]], "corner")],
        masks=[np.ones(shape, bool)],
        supports=[None, np.ones(shape, bool)],
        rejected=[np.zeros(shape, bool), np.ones(shape, bool)],
        distances=[estimate([-5, 0, 0.01], [5, 0, 0.01]), estimate([0, 0, 0], [0, 0, 1])],
        question="What is there?",
        answer="A thing.",
    )  # fmt: skip
    assert shown.dtype == np.uint8 and shown.shape[1] == shape[1]


def test_distance_text_says_what_it_is():
    assert distance_text(estimate([0, 0, 1], [1.234, 0, 1])) == "1.23 m ± 0.04"
    gap = estimate([0, 0, 1], [1, 0, 1], Kind.NEAREST_POINTS, sigma=np.nan)
    assert distance_text(gap) == "gap 1.00 m"
    assert distance_text(estimate([0, 0, 1], [1, 0, 1], Kind.WIDTH, sigma=0.001)) == (
        "width 1.00 m ± <0.01"
    )


def test_labels_give_way_to_each_other():
    area = (0.0, 0.0, 100.0, 100.0)
    first = canvas.place((40, 10), [(10, 10), (10, 40)], [], area)
    second = canvas.place((40, 10), [(10, 10), (10, 40)], [first], area)
    assert first == (10, 10, 50, 20)
    assert second == (10, 40, 50, 50)
    assert canvas.place((40, 10), [(90, -5)], [], area) == (60, 0, 100, 10)


def test_wrapping_keeps_words_and_marks_what_is_left_out():
    assert canvas.wrap("", 14, 100, 2) == []
    lines = canvas.wrap("one two three four five six seven", 14, 60, 2)
    assert len(lines) == 2 and lines[1].endswith("…")
    assert all(canvas.text_width(line, 14) <= 60 for line in lines)


@pytest.mark.parametrize("truetype", [True, False])
def test_both_fonts_write_something(monkeypatch, truetype):
    if truetype and not canvas._TRUETYPE:
        pytest.skip("OpenCV 4 has no TrueType font")
    monkeypatch.setattr(canvas, "_TRUETYPE", truetype)
    canvas._measure.cache_clear()
    paper = np.zeros((40, 300, 3), np.uint8)
    canvas.draw_text(paper, "1.23 m ± 0.04", (5, 5), 20, (255, 255, 255))
    columns = np.flatnonzero(paper.any(axis=(0, 2)))
    assert columns.size > 20
    assert abs(columns[-1] - 5 - canvas.text_width("1.23 m ± 0.04", 20)) < 20
    canvas._measure.cache_clear()


def keyframe(x, colour_height=1.0):
    grid = np.mgrid[0:10, 0:10].reshape(2, -1).T * 0.1 + (x, 0.05)
    points = np.column_stack([grid, np.full(len(grid), colour_height)])
    return MapKeyframe(points, Pose(translation=[x, 0, 0.9]), f"front {x:g}")


def colours(picture):
    """Saturated colours of the map area and how many pixels have them."""
    area = picture[100:780, 70:900].reshape(-1, 3).astype(int)
    strong = area[np.ptp(area, axis=1) > 60]
    values, counts = np.unique(strong, axis=0, return_counts=True)
    return {tuple(v): int(c) for v, c in zip(values.tolist(), counts, strict=True)}


def test_each_keyframe_covers_in_its_own_colour_and_the_first_wins():
    one = colours(draw_map([keyframe(0.05)]))
    two = colours(draw_map([keyframe(0.05), keyframe(3.05)]))
    same = colours(draw_map([keyframe(0.05), keyframe(0.05)]))
    large = lambda found: sum(1 for count in found.values() if count > 3000)  # noqa: E731
    assert (large(one), large(two), large(same)) == (1, 2, 1)


def test_floor_is_paler_than_furniture():
    tall = draw_map([keyframe(0.05, 1.2)])
    flat = draw_map([keyframe(0.05, 0.0)])
    assert flat[200:700, 100:800].mean() > tall[200:700, 100:800].mean()


def test_the_ceiling_does_not_hide_the_room():
    room = draw_map([keyframe(0.05, 0.5)])
    ceiling = keyframe(0.05, 2.4)
    both = MapKeyframe(
        np.concatenate([keyframe(0.05, 0.5).points, ceiling.points]), ceiling.pose, ceiling.label
    )
    assert np.array_equal(draw_map([both]), room)


def test_a_map_of_nothing_and_of_everything():
    assert draw_map([]).shape == (900, 1200, 3)
    down = Pose([[1, 0, 0], [0, -1, 0], [0, 0, -1]], [1, 1, 2])  # looks straight down
    picture = draw_map(
        [MapKeyframe(np.full((3, 3), np.nan), None, "no pose")] * 40,
        path=[[0, 0], [1, 1], [2, 0]],
        robot=down,
        objects=[MapObject("red chair", np.array([1.0, 2.0, 0.4])),
                 MapObject("sofa", np.array([1.0, 2.0]), (2.0, 0.9), 0.3)],
        lines=[MapLine(np.zeros(3), np.ones(3), "1.73 m ± 0.02")],
        title="title " * 60, subtitle="subtitle",
        size=(480, 360),
    )  # fmt: skip
    assert picture.shape == (360, 480, 3)


@pytest.mark.parametrize("arguments", [{"size": (100, 100)}, {"cell": 0.0}])
def test_map_arguments_are_checked(arguments):
    with pytest.raises(ValueError):
        draw_map([], **arguments)


def boxes(*states):
    return [
        MapBox(f"chair_{k}", np.array([float(k), 0.0, 0.4]), (0.8, 0.6), 0.3, state)
        for k, state in enumerate(states)
    ]


def test_boxes_of_the_object_map_are_paler_when_remembered_and_crossed_when_gone():
    pictures = {
        state: draw_map([], boxes=boxes(state))[110:840, 64:930].astype(int) for state in BoxState
    }
    drawn = {
        state: np.abs(picture - np.array([246, 247, 249])).sum(axis=2)
        for state, picture in pictures.items()
    }
    middle = {state: depth.max() for state, depth in drawn.items()}
    assert drawn[BoxState.VISIBLE].mean() > 1.5 * drawn[BoxState.REMEMBERED].mean()
    assert middle[BoxState.VISIBLE] > 0
    red = pictures[BoxState.GONE]
    assert ((red[..., 0] > 180) & (red[..., 1] < 90)).any(), "crossed out"
    assert drawn[BoxState.TAKEN].mean() < drawn[BoxState.REMEMBERED].mean(), "an outline only"


def test_the_legend_explains_only_the_boxes_that_are_there():
    one = draw_map([], boxes=boxes(BoxState.VISIBLE))[:, 940:]
    four = draw_map([], boxes=boxes(*BoxState), objects=[MapObject("", np.zeros(2), (1, 1))])
    assert (four[:, 940:] < 128).sum() > (one < 128).sum()
