# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Saving and loading an object map: the same map, or a refusal that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from map_scene import Stage, looking, thing

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.memory.objects import ObjectMap
from spatialgeo_ros.memory.snapshot import Presence


@pytest.fixture
def stage() -> Stage:
    return Stage([thing("chair", 2.0, 0.3, colour="red"), thing("box", 1.6, -0.8, (0.3, 0.3, 0.4))])


@pytest.fixture
def filled(stage: Stage) -> ObjectMap:
    objects = ObjectMap()
    for heading in (0.0, 0.1, -0.1):
        objects.update(stage.frame(looking(0, 0, heading)))
    stage.things = stage.things[:1]
    for _ in range(4):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    return objects


def test_a_loaded_map_is_the_saved_one_and_goes_on(
    stage: Stage, filled: ObjectMap, tmp_path: Path
) -> None:
    path = tmp_path / "kitchen.json"
    filled.save(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["kitchen.json", "kitchen.npz"]
    other = ObjectMap()
    other.load(path, "map")
    saved, loaded = filled.snapshot(), other.snapshot()
    assert [one.id for one in loaded.objects] == [one.id for one in saved.objects]
    for a, b in zip(saved.objects, loaded.objects, strict=True):
        np.testing.assert_allclose(a.centre, b.centre, atol=0.02)
        np.testing.assert_allclose(a.size, b.size, atol=0.02)
        assert (a.labels, a.colour, a.cameras, a.sightings) == (
            b.labels, b.colour, b.cameras, b.sightings
        )  # fmt: skip
        assert (a.first_seen_ns, a.last_seen_ns) == (b.first_seen_ns, b.last_seen_ns)
        assert b.state is (Presence.GONE if a.state is Presence.GONE else Presence.REMEMBERED)
    assert other.tracked("chair_1").best == filled.tracked("chair_1").best
    stage.things.append(thing("box", 1.0, 0.9, (0.3, 0.3, 0.4)))
    update = other.update(stage.frame(looking(0, 0, 0.3)))
    assert update.identified == ("chair_1", "box_2")  # box_1 is spent
    assert not update.cleared
    assert "loaded kitchen.json" in other.describe()["resets"][-1]


def test_the_file_can_be_read_by_people_and_holds_no_code(
    filled: ObjectMap, tmp_path: Path
) -> None:
    filled.save(tmp_path / "m.json")
    data = json.loads((tmp_path / "m.json").read_text())
    assert data["world_frame"] == "map" and data["objects"][0]["id"] == "chair_1"
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        assert arrays["points"].shape[1] == 3


def test_a_map_of_another_frame_is_refused_and_nothing_changes(
    filled: ObjectMap, tmp_path: Path
) -> None:
    filled.save(tmp_path / "m.json")
    before = filled.describe()
    with pytest.raises(BadRequestError, match="in the frame 'map', but poses are in 'odom'"):
        filled.load(tmp_path / "m.json", "odom")
    assert filled.describe() == before


def damage_json(path: Path, change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda p: p.unlink(), "there is no file"),
        (lambda p: p.with_suffix(".npz").unlink(), "there is no file"),
        (lambda p: p.write_text("{"), "is damaged"),
        (lambda p: p.write_text("[]"), "no saved object map"),
        (lambda p: p.write_bytes(b"\xff\xfe"), "is damaged"),
        (lambda p: p.with_suffix(".npz").write_bytes(b"PK"), "not the file that was saved with"),
        (lambda p: damage_json(p, lambda d: d.update(version=99)), "has version '99'"),
        (lambda p: damage_json(p, lambda d: d["objects"].pop()), "is damaged"),
        (lambda p: damage_json(p, lambda d: d["objects"][0].pop("odds")), "is damaged"),
        (lambda p: damage_json(p, lambda d: d["objects"].append(d["objects"][0])), "is damaged"),
        (lambda p: damage_json(p, lambda d: d["objects"][0].update(best=[])), "is damaged"),
        (lambda p: damage_json(p, lambda d: d.update(counters=3)), "is damaged"),
        (lambda p: damage_json(p, lambda d: d["objects"][0].update(bottoms=[])), "is damaged"),
    ],
)
def test_what_is_missing_or_damaged_is_named(
    filled: ObjectMap, tmp_path: Path, harm, words: str
) -> None:
    path = tmp_path / "m.json"
    filled.save(path)
    harm(path)
    before = filled.describe()
    with pytest.raises(BadRequestError, match=words):
        filled.load(path, "map")
    assert filled.describe() == before


def test_what_cannot_be_saved(filled: ObjectMap, tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="seen nothing yet"):
        ObjectMap().save(tmp_path / "m.json")
    with pytest.raises(BadRequestError, match="is a .json file"):
        filled.save(tmp_path / "m.yaml")
    with pytest.raises(BadRequestError, match="cannot be written"):
        filled.save(tmp_path / "none" / "m.json")
