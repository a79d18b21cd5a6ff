# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The evaluation of measured distances counts right, and a few held-out rooms stay good."""

import numpy as np
import pytest

from spatialgeo_ros.evaluation.measurement import (
    CONDITIONS,
    Condition,
    RegionSource,
    evaluate,
    format_results,
    main,
    region_of,
)
from spatialgeo_ros.evaluation.tables import (
    CentreError,
    Column,
    by_kind,
    by_support,
    format_centres,
)
from spatialgeo_ros.evaluation.truth_frames import (
    REPORTED_SEEDS,
    TUNING_SEEDS,
    Scenes,
    render_frames,
    stored_frames,
)
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.renderer import RendererUnavailableError
from spatialgeo_ros.sim.surface import nearest_distance


def test_shares_count_invalid_estimates_as_wrong():
    column = Column()
    for estimate, sigma in ((1.05, 0.1), (1.2, 0.1), (1.5, 0.1), (np.nan, np.nan)):
        column.add(1.0, estimate, sigma)
    assert column.share_within(0.10) == 0.25
    assert column.share_within(0.25) == 0.5
    assert column.within_sigmas(1) == pytest.approx(1 / 3)
    assert column.within_sigmas(2) == pytest.approx(2 / 3)
    assert column.median_error() == pytest.approx(0.2)


def test_best_constant_is_the_best_single_answer():
    column = Column()
    for truth in (1.0, 1.05, 1.1, 3.0):
        column.add(truth, truth)
    assert column.best_constant(0.10) == pytest.approx(0.75)


def test_nearest_distance_agrees_with_all_pairs():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a = rng.normal(size=(400, 3)) * rng.uniform(0.1, 1.0, 3)
        b = rng.normal(size=(300, 3)) * rng.uniform(0.1, 1.0, 3) + rng.normal(size=3) * 2
        expected = np.linalg.norm(a[:, None] - b[None], axis=2).min()
        assert nearest_distance(a, b) == pytest.approx(expected, abs=0.004)


@pytest.fixture(scope="module")
def frames_of():
    """Two frames of each kind of scenes, with the sensor that has all faults."""
    kept = {}

    def frames(scenes):
        if scenes not in kept:
            sensor = DepthSensorModel.structured_light()
            try:
                kept[scenes] = list(
                    render_frames(REPORTED_SEEDS[scenes], 2, scenes=scenes, sensor=sensor)
                )
            except RendererUnavailableError as error:
                pytest.skip(str(error))
        return kept[scenes]

    return frames


def test_held_out_rooms():
    boxes = Condition(RegionSource.BOX)
    try:
        results = evaluate(render_frames(REPORTED_SEEDS[Scenes.FURNITURE], 8), [boxes])[boxes]
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    table = results.columns
    assert len(table["camera to object"].truth) >= 10
    assert table["camera to object"].share_within(0.10) > 0.9
    assert table["nearest points (visible, exact)"].share_within(0.25) > 0.8
    assert table["centre to centre"].share_within(0.25) > 0.85
    assert table["camera to object"].within_sigmas(2) > 0.8


@pytest.mark.parametrize("scenes", Scenes)
def test_every_condition_measures_the_same_truth(frames_of, scenes):
    results = evaluate(frames_of(scenes))
    assert set(results) == set(CONDITIONS)
    first = results[CONDITIONS[0]]
    for out in results.values():
        assert len(out.centres) == len(out.seconds) == len(first.centres) >= 4
        for row, column in out.columns.items():
            assert column.truth == first.columns[row].truth
            assert np.isfinite(column.truth).all()
            assert len(column.estimate) == len(column.sigma) == len(column.truth)
    boxes = first.columns["camera to object"].estimate
    others = results[Condition(RegionSource.SHIFTED_BOX)].columns["camera to object"].estimate
    assert boxes != others
    small = {one.support for one in first.centres}
    assert (small == {""}) == (scenes is Scenes.FURNITURE)
    text = format_results(results)
    assert all(str(condition).split(",")[0].lower() in text.lower() for condition in CONDITIONS)


def test_masks_find_the_centre_of_small_things(frames_of):
    masks = Condition(RegionSource.MASK)
    errors = [
        one.metres
        for scenes in (Scenes.THINGS, Scenes.CLUTTER)
        for one in evaluate(frames_of(scenes), [masks])[masks].centres
    ]
    assert np.median(errors) < 0.02


def test_shifted_boxes_are_off_by_three_per_cent_and_stay_so(frames_of):
    shares = []
    for frame in frames_of(Scenes.FURNITURE) + frames_of(Scenes.CLUTTER):
        height, width = frame.depth.shape
        for index in frame.targets():
            exact = np.array(region_of(frame, index, RegionSource.BOX).box)
            shifted = np.array(region_of(frame, index, RegionSource.SHIFTED_BOX).box)
            again = np.array(region_of(frame, index, RegionSource.SHIFTED_BOX).box)
            np.testing.assert_array_equal(shifted, again)
            assert (shifted >= 0).all() and (shifted <= [width - 1, height - 1] * 2).all()
            sides = np.tile(exact[2:] - exact[:2] + 1, 2)
            free = (exact > 0) & (exact < [width - 1, height - 1] * 2)  # not cut by the border
            shares += list(((shifted - exact) / np.maximum(0.03 * sides, 1))[free])
    assert len(shares) > 40
    assert np.std(shares) == pytest.approx(1.0, abs=0.3)
    assert np.mean(shares) == pytest.approx(0.0, abs=0.4)


def test_stored_frames_are_those_that_were_rendered(frames_of, tmp_path):
    fresh = frames_of(Scenes.CLUTTER)
    folder = tmp_path / "kept"
    first = list(stored_frames(folder, 2, iter(fresh)))
    assert first == fresh

    def nothing():
        raise AssertionError("rendered again")
        yield

    for frame, again in zip(fresh, stored_frames(folder, 2, nothing()), strict=True):
        assert again.room == frame.room and again.camera == frame.camera
        assert again.view == frame.view and again.targets() == frame.targets()
        np.testing.assert_allclose(again.pose.matrix, frame.pose.matrix, atol=1e-12)
        for name in ("rgb", "depth", "measured", "segmentation"):
            np.testing.assert_array_equal(getattr(again, name), getattr(frame, name))


def test_the_sensor_does_not_change_the_views(frames_of):
    scenes = Scenes.FURNITURE
    usual = list(render_frames(REPORTED_SEEDS[scenes], 2, scenes=scenes))
    for frame, other in zip(usual, frames_of(scenes), strict=True):
        np.testing.assert_array_equal(frame.depth, other.depth)
        assert (frame.measured != other.measured).any()


def test_tuned_and_reported_rooms_are_apart():
    first = sorted([*TUNING_SEEDS.values(), *REPORTED_SEEDS.values()])
    # 200 frames at least one a room, with a margin for rooms without a view.
    assert min(b - a for a, b in zip(first, first[1:], strict=False)) >= 10_000


def test_small_things_may_be_off_by_centimetres():
    column = Column()
    for truth, estimate in ((0.05, 0.068), (0.05, 0.08), (1.0, 1.09), (1.0, np.nan)):
        column.add(truth, estimate)
    assert column.share_within(0.10) == 0.25
    assert column.share_within(0.10, 0.02) == 0.5
    assert column.invalid() == 0.25


def test_centres_that_were_not_found_are_far_off():
    errors = [CentreError("mug", "table", metres) for metres in (0.01, 0.04, 0.10, np.nan)]
    errors.append(CentreError("book", "floor", 0.2))
    line = format_centres({"all": errors}).splitlines()[-1]
    assert line == "| all | 5 | 20.0% | 20.0% | 40.0% | 40.0% |"
    assert {kind: len(group) for kind, group in by_kind(errors).items()} == {"book": 1, "mug": 4}
    assert list(by_support(errors)) == ["on floor", "on table"]


def test_the_command_keeps_frames_and_prints_every_condition(tmp_path, caplog):
    command = ["--frames", "1", "--scenes", "things", "--structured-light", "--tuning"]
    texts = []
    for _ in range(2):
        caplog.clear()
        with caplog.at_level("INFO"):
            try:
                assert main([*command, "--kept", str(tmp_path)]) == 0
            except RendererUnavailableError as error:
                pytest.skip(str(error))
        texts.append(caplog.messages[-1].split("segmentation:")[0])
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    assert texts[0] == texts[1]
    assert all(str(condition)[1:] in texts[0] for condition in CONDITIONS)
