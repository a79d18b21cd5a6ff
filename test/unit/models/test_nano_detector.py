# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The committed nano detector finds things in rooms never trained on, and invents hardly any.

A few views keep this quick, so the bounds are looser than the figures of docs/benchmarks.md, which
``spatialgeo evaluate nano`` measures on more.
"""

from __future__ import annotations

import numpy as np
import pytest

from spatialgeo_ros.evaluation.nano import truth_objects
from spatialgeo_ros.evaluation.phrase_search import FOREIGN, box_overlap, true_box
from spatialgeo_ros.evaluation.truth_frames import render_frames
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.factory import load_grounding
from spatialgeo_ros.models.files.weights import sha256_of
from spatialgeo_ros.models.grounding_profile import load_grounding_profile
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.training.contrastive import object_names
from spatialgeo_ros.training.outliers import drawn_outliers
from spatialgeo_ros.training.render import HELD_OUT_SEEDS

PROFILE = "nano_owl"
NAMES = object_names()[:-1]


@pytest.fixture(scope="module")
def detector():
    loaded = load_grounding(PROFILE, "cpu")
    yield loaded.detector
    loaded.close()


@pytest.fixture(scope="module")
def views():
    """Thirty views of fifteen rooms, always the same."""
    pytest.importorskip("mujoco", reason="MuJoCo is not installed")
    from spatialgeo_ros.sim.renderer import RendererUnavailableError

    try:
        return list(render_frames(HELD_OUT_SEEDS + 700, 30))
    except RendererUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def searched(detector, views):
    """Of each view: the things that count, all names in view, and what the detector says."""
    asked = [*NAMES, *FOREIGN]
    found = []
    for view in views:
        results = dict(zip(asked, detector.ground(view.rgb, asked), strict=True))
        shown = {view.room.objects[k].name for k in np.unique(view.segmentation) if k >= 0}
        found.append((list(truth_objects(view)), shown, results))
    return found


def test_the_checkpoint_is_small_and_the_profiles_own():
    part = load_grounding_profile(PROFILE).detector
    folder = part.checkpoint.folder()
    assert sum(file.stat().st_size for file in folder.iterdir()) < 8e6
    assert part.checkpoint.sha256["model.safetensors"] == sha256_of(folder / "model.safetensors")
    assert load_profile("nano").grounding == PROFILE


def test_phrases_find_their_things(searched):
    overlaps = []
    for things, _, results in searched:
        for thing, mask in things:
            result = results[thing.name]
            if result.absent:
                overlaps.append(0.0)
                continue
            x0, y0, x1, y1 = result.instances[0].box
            box = Region.from_box(x0, y0, x1 - 1, y1 - 1)
            overlaps.append(box_overlap(box, true_box(mask), *mask.shape))
    assert len(overlaps) >= 60
    right = np.array(overlaps) >= 0.5
    assert right.mean() >= 0.90
    assert np.median(np.array(overlaps)[right]) >= 0.75


def test_absent_phrases_are_absent(searched):
    invented, foreign = [], []
    for _, shown, results in searched:
        invented += [not results[name].absent for name in NAMES if name not in shown]
        foreign += [not results[name].absent for name in FOREIGN]
    assert len(invented) > 1000
    assert np.mean(invented) <= 0.02
    assert np.mean(foreign) <= 0.02


def test_a_kind_without_colour_finds_every_one_of_it(detector, views):
    found, wanted = 0, 0
    for view in views:
        kinds = [thing.kind for thing, _ in truth_objects(view)]
        for kind in {kind for kind in kinds if kinds.count(kind) > 1}:
            (result,) = detector.ground(view.rgb, [kind])
            wanted += kinds.count(kind)
            found += min(kinds.count(kind), len(result.instances))
    assert wanted >= 4
    assert found >= 0.75 * wanted


def test_other_words_for_a_kind_find_the_same_thing(detector, views):
    agreed = []
    for view in views:
        if "sofa" not in {thing.kind for thing, _ in truth_objects(view)}:
            continue
        sofa, couch = detector.ground(view.rgb, ["sofa", "couch"])
        if sofa.absent:
            continue
        agreed.append(not couch.absent and couch.instances[0].box == sofa.instances[0].box)
    assert len(agreed) >= 3
    assert np.mean(agreed) >= 0.8


def test_hardly_anything_is_found_in_pictures_of_no_room(detector):
    """Without the classifier of nano, which does not let it see such images at all."""
    answered = []
    for image in drawn_outliers(range(70_000, 70_030), 1):
        answered += [not result.absent for result in detector.ground(image, NAMES)]
    assert np.mean(answered) <= 0.02
