# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model furniture, tested on a catalogue made here: the real one need not be installed."""

import zipfile

import numpy as np
import pytest

from spatialgeo_ros.sim import sweethome3d
from spatialgeo_ros.sim.furniture import COLOURS
from spatialgeo_ros.sim.room import make_room

# A seat of 4 x 4 units at height 1 whose back stands at z = 0, with one leg below it (the front of
# a catalogue's model is at +z, y is up).
CHAIR_OBJ = """
mtllib chair.mtl
v 0 1 0
v 4 1 0
v 4 1 4
v 0 1 4
v 0 2 0
v 4 2 0
v 2 0 0
v 2.1 0 0
usemtl wood
f 1 2 3 4
f 1 2 6 5
usemtl metal
f 1/1/1 7/2/1 8/3/1
f -8 -1 -7
"""
CHAIR_MTL = "newmtl wood\nKd 0.1 0.2 0.3\nnewmtl metal\nKd 0.5 0.6 0.7\n"
CATALOGUE = """
# made for this test
license=CC0
id#1=x#chair
name#1=Test chair
model#1=/made/chair/chair.obj
width#1=48
depth#1=49
height#1=91
creator#1=Nobody
id#12=x#bed
name#12=Bed
model#12=/made/chair/chair.obj
width#12=48
depth#12=49
height#12=91
creator#12=Somebody else
"""
SEED = 7  # has chairs


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    folder = tmp_path / "catalogues"
    folder.mkdir()
    with zipfile.ZipFile(folder / "made.sh3f", "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", CATALOGUE)
        archive.writestr("made/chair/chair.obj", CHAIR_OBJ)
        archive.writestr("made/chair/chair.mtl", CHAIR_MTL)
    monkeypatch.setenv(sweethome3d.FOLDER_VARIABLE, str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sweethome3d.catalogue.cache_clear()
    yield folder
    sweethome3d.catalogue.cache_clear()


def read_stl(path):
    data = path.read_bytes()
    count = int(np.frombuffer(data, "<u4", 1, 80)[0])
    record = np.dtype([("n", "<f4", 3), ("v", "<f4", (3, 3)), ("tag", "<u2")])
    return np.frombuffer(data, record, count, 84)["v"]


def test_only_furniture_of_known_kinds_is_taken(catalogue):
    (model,) = sweethome3d.catalogue()
    assert (model.kind, model.size, model.creator) == ("chair", (0.48, 0.49, 0.91), "Nobody")


def test_bodies_change_and_nothing_else(catalogue):
    plain = make_room(SEED)
    changed = sweethome3d.refurnish(plain)
    for before, after in zip(plain.objects, changed.objects, strict=True):
        assert (before.name, before.centre, before.size, before.yaw) == (
            after.name, after.centre, after.size, after.yaw
        )  # fmt: skip
        if before.kind != "chair":
            assert after.parts == before.parts
            continue
        assert [part.shape for part in after.parts] == ["mesh", "mesh"]
        assert after.parts[0].half == tuple(extent / 2 for extent in before.size)
        # Wood has the larger area: the chair's colour; metal keeps its own.
        assert [part.rgb for part in after.parts] == [COLOURS[before.colour], (0.5, 0.6, 0.7)]
    assert any(thing.kind == "chair" for thing in plain.objects)
    assert make_room(SEED) == plain


def test_meshes_fill_the_unit_box_with_the_back_at_plus_y(catalogue):
    room = sweethome3d.refurnish(make_room(SEED))
    chair = next(thing for thing in room.objects if thing.kind == "chair")
    wood, leg = (read_stl(sweethome3d.Path(part.mesh)).reshape(-1, 3) for part in chair.parts)
    np.testing.assert_allclose(wood.min(axis=0), [-0.5, -0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(wood.max(axis=0), [0.5, 0.5, 1.0], atol=1e-6)
    assert leg[:, 2].min() == pytest.approx(0.0)
    np.testing.assert_allclose(wood[wood[:, 2] > 0.75][:, 1], 0.5, atol=1e-6)


def test_the_makers_are_named(catalogue):
    sweethome3d.refurnish(make_room(SEED))
    text = sweethome3d.attribution_file().read_text()
    assert "Test chair (made/chair/chair.obj), by Nobody: CC0" in text
    assert "Somebody else" not in text


def test_mixed_rooms_keep_some_primitives(catalogue):
    shapes = [
        part.shape
        for seed in range(40)
        for thing in sweethome3d.refurnish(make_room(seed), mixed=True).objects
        if thing.kind == "chair"
        for part in thing.parts[:1]
    ]
    assert {"mesh", "box"} <= set(shapes)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(sweethome3d.FOLDER_VARIABLE, str(tmp_path))
    sweethome3d.catalogue.cache_clear()
    with pytest.raises(sweethome3d.FurnitureUnavailableError, match="sweethome3d-furniture"):
        sweethome3d.refurnish(make_room(SEED))


def test_a_broken_model_leaves_the_primitives(catalogue):
    with zipfile.ZipFile(catalogue / "made.sh3f", "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", CATALOGUE)
        archive.writestr("made/chair/chair.obj", "v 0 0 0\nv 1 0 0\nv 0 0 1\nf 1 2 3\n")
    sweethome3d.catalogue.cache_clear()
    room = make_room(SEED)
    assert sweethome3d.refurnish(room) == room


def test_meshes_are_rendered_where_the_ground_truth_says(catalogue):
    from spatialgeo_ros.geometry.pose import Pose
    from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer
    from spatialgeo_ros.sim.rig import default_camera

    room = sweethome3d.refurnish(make_room(SEED))
    index = next(k for k, thing in enumerate(room.objects) if thing.kind == "chair")
    chair = room.objects[index]
    camera = default_camera(160, 120)
    # From 2 m above the floor, straight down.
    down = Pose(np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]]), [*chair.centre[:2], 2.0])
    try:
        renderer = RoomRenderer(room, 160, 120)
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    view = renderer.render(down, camera)
    renderer.close()
    rows, columns = np.nonzero(view.segmentation == index)
    seen = camera.unproject(np.stack([columns, rows], axis=1), view.depth[rows, columns])
    corners = down.inverse().apply(chair.corners())
    np.testing.assert_allclose(seen[:, :2].min(axis=0), corners[:, :2].min(axis=0), atol=0.04)
    np.testing.assert_allclose(seen[:, :2].max(axis=0), corners[:, :2].max(axis=0), atol=0.04)
