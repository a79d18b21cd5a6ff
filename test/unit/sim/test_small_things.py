# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms with small things: reproducible, nothing floats or interpenetrates."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from spatialgeo_ros.sim.cluttered_room import make_cluttered_room, small_things_view
from spatialgeo_ros.sim.furniture import MATERIALS
from spatialgeo_ros.sim.layout import Layout
from spatialgeo_ros.sim.paper_things import leaning_slab, standing_book
from spatialgeo_ros.sim.renderer import room_to_mjcf
from spatialgeo_ros.sim.rig import default_camera
from spatialgeo_ros.sim.room import SceneObject, make_room
from spatialgeo_ros.sim.small_things import BUILDERS
from spatialgeo_ros.sim.supports import Surface
from spatialgeo_ros.sim.surface import object_surface
from spatialgeo_ros.sim.turning import about, bounds, product, rotation_matrix

SEEDS = (990_000, 990_001, 990_002)  # neither tuned on nor reported
TOUCH = 0.0015  # metres
DIGESTS = {  # of rooms as they were made before there were small things
    0: "cbcb99c07dc5e63f",
    7: "8916d67a49b247ac",
    900_000: "a96fc42081715819",
    900_103: "1614e4b184d8269a",
}


@pytest.fixture(scope="module", params=[(seed, full) for seed in SEEDS for full in (True, False)])
def room(request):
    seed, clutter = request.param
    return make_cluttered_room(seed, clutter)


@pytest.fixture(scope="module")
def mujoco():
    return pytest.importorskip("mujoco", reason="MuJoCo is not installed")


class Solid:
    """The bodies of a room as the physics engine has them: who owns which, and how far apart."""

    def __init__(self, mujoco, room):
        self._mujoco = mujoco
        text = room_to_mjcf(room, 64, 48, 0, False)
        self.model = mujoco.MjModel.from_xml_string(text)
        self.data = mujoco.MjData(self.model)
        mujoco.mj_forward(self.model, self.data)
        names = [self.model.geom(k).name for k in range(self.model.ngeom)]
        self.owner = np.array([int(n[1:].split("_")[0]) if n[0] == "o" else -1 for n in names])
        reach = []  # of an upright box around each; too large for what is round and slanted
        for k in range(self.model.ngeom):
            size = self.model.geom_size[k]
            if self.model.geom_type[k] == mujoco.mjtGeom.mjGEOM_CYLINDER:
                size = size[[0, 0, 1]]
            reach.append(np.abs(self.data.geom_xmat[k].reshape(3, 3)) @ size)
        self.low = self.data.geom_xpos - np.array(reach)
        self.high = self.data.geom_xpos + np.array(reach)

    def near(self, index):
        """Bodies (of anything else) close to those of object ``index``, and the distances."""
        found = []
        for k in np.nonzero(self.owner == index)[0]:
            close = (self.low < self.high[k] + 0.002) & (self.high > self.low[k] - 0.002)
            for other in np.nonzero(close.all(axis=1) & (self.owner != index))[0]:
                apart = self._mujoco.mj_geomDistance(
                    self.model, self.data, int(k), int(other), 0.01, None
                )
                found.append((int(other), apart))
        return found


@pytest.fixture(scope="module")
def solid(mujoco, room):
    return Solid(mujoco, room)


def small(room):
    return [(k, thing) for k, thing in enumerate(room.objects) if thing.support]


@pytest.mark.parametrize("seed", DIGESTS)
def test_rooms_without_small_things_are_unchanged(seed):
    made = make_room(seed)
    names = ",".join(f"{thing.name}/{thing.kind}/{thing.colour}" for thing in made.objects)
    text = room_to_mjcf(made, 640, 480, 0, False) + names
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == DIGESTS[seed]
    assert {thing.support for thing in made.objects} == {""}


def test_the_same_seed_gives_the_same_room():
    assert make_cluttered_room(5) == make_cluttered_room(5)
    assert make_cluttered_room(5) != make_cluttered_room(6)
    assert make_cluttered_room(5) != make_cluttered_room(5, clutter=False)


def test_names_are_unique_and_supports_exist(room):
    names = [thing.name for thing in room.objects]
    assert len(set(names)) == len(names)
    supports = {thing.support for _, thing in small(room)}
    assert supports <= {"floor", *names}
    kinds = {room.find(name).kind for name in supports - {"floor"}}
    assert {"table", "shelf", "windowsill"} <= kinds
    assert len(small(room)) >= 25


def test_all_kinds_and_ways_to_stand_occur():
    rooms = [make_cluttered_room(seed) for seed in SEEDS]
    things = [thing for made in rooms for _, thing in small(made)]
    drawn = {
        builder(colour, np.random.default_rng(0)).kind
        for builder in BUILDERS
        for colour in ("red", "black")
    }
    assert {thing.kind for thing in things} >= drawn
    carried = {thing.name: made for made in rooms for _, thing in small(made)}
    assert any(thing.support in carried for thing in things)  # stacked
    assert sum(_leans(thing) for thing in things) >= 10


def _leans(thing):
    """A slab neither lies nor stands."""
    flat = thing.kind in ("book", "magazine", "leaflet")
    return flat and np.abs(rotation_matrix(thing.parts[0].turn)[2]).max() < 0.999


def test_nothing_interpenetrates(room, solid):
    for index, thing in small(room):
        for other, apart in solid.near(index):
            owner = solid.owner[other]
            what = room.objects[owner].name if owner >= 0 else solid.model.geom(other).name
            assert apart > -TOUCH, f"{thing.name} is {-apart * 1000:.1f} mm inside {what}"


def test_everything_rests_on_its_support(room, solid):
    index_of = {thing.name: k for k, thing in enumerate(room.objects)}
    for index, thing in small(room):
        contacts = [other for other, apart in solid.near(index) if apart < TOUCH]
        if thing.support == "floor":
            assert any(solid.model.geom(other).name == "floor" for other in contacts), thing.name
            continue
        carrier = index_of[thing.support]
        assert any(solid.owner[other] == carrier for other in contacts), thing.name
        # Its middle is over what carries it.
        base = room.objects[carrier]
        c, s = math.cos(base.yaw), math.sin(base.yaw)
        dx, dy = (a - b for a, b in zip(thing.centre[:2], base.centre[:2], strict=True))
        assert abs(c * dx + s * dy) <= base.size[0] / 2
        assert abs(-s * dx + c * dy) <= base.size[1] / 2


def test_what_leans_is_held_by_a_second_body(room, solid):
    for index, thing in small(room):
        if _leans(thing):
            contacts = {other for other, apart in solid.near(index) if apart < TOUCH}
            assert len(contacts) >= 2, thing.name


def test_bounding_boxes_are_those_of_the_bodies(room):
    for _, thing in small(room):
        local = object_surface(thing) - np.array(thing.centre)
        c, s = math.cos(thing.yaw), math.sin(thing.yaw)
        local[:, :2] = local[:, :2] @ np.array([[c, -s], [s, c]])
        half = np.array(thing.size) / 2
        assert (np.abs(local) <= half + 1e-6).all()
        # Points of a slanted round body seldom fall on its outermost spot.
        np.testing.assert_allclose(local.max(axis=0), half, atol=0.006)
        np.testing.assert_allclose(local.min(axis=0), -half, atol=0.006)


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_small_things_have_the_sizes_of_a_household(builder):
    for seed in range(20):
        thing = builder("blue", np.random.default_rng(seed))
        low, high = bounds(thing.parts)
        np.testing.assert_allclose(low, [-thing.size[0] / 2, -thing.size[1] / 2, 0], atol=1e-9)
        np.testing.assert_allclose(high - low, thing.size, atol=1e-9)
        assert 0.05 < max(thing.size) < 0.45
        flat = {"magazine": (0.002, 0.008), "leaflet": (0.0005, 0.0015)}.get(thing.kind)
        least, most = flat or (0.009, 0.40)
        assert least <= thing.size[2] <= most
        if thing.top is not None:
            assert 2 * thing.top[0] <= thing.size[0] + 1e-9
            assert 2 * thing.top[1] <= thing.size[1] + 1e-9


def test_a_leaning_slab_stands_on_its_edge_and_is_as_tall_as_asked():
    rng = np.random.default_rng(0)
    for kind in ("book", "magazine", "leaflet", "picture frame"):
        slab = leaning_slab(kind, "red", rng, 0.3, 0.15)
        assert 0.13 < slab.size[2] <= 0.15 + 1e-9
        # The depth of a leaning board: its length across, and its thickness.
        assert slab.size[1] > slab.size[2] * math.tan(0.3) * 0.9
        top = [p for p in object_surface_of(slab) if p[2] > 0.9 * slab.size[2]]
        assert np.mean([p[1] for p in top]) > 0.2 * slab.size[1]
    book = standing_book("red", rng, 0.2, 0.3)
    top = [p for p in object_surface_of(book) if p[2] > 0.9 * book.size[2]]
    assert np.mean([p[0] for p in top]) < 0


def object_surface_of(thing):
    centre = (0.0, 0.0, thing.size[2] / 2)
    return object_surface(
        SceneObject("", thing.kind, thing.colour, centre, thing.size, 0.0, thing.parts)
    )


def test_a_surface_without_room_stays_empty():
    surface = Surface("shelf", "shelf", (0, 0, 1.0), 0.0, (0.02, 0.02))
    layout = Layout(surface, np.random.default_rng(0), gap=0.003)
    layout.scatter(20, 0.5)
    layout.stack(5)
    layout.lean_on_thing()
    assert len(layout) == 0


def test_turns_follow_one_another():
    quarter = about("z", math.pi / 2)
    np.testing.assert_allclose(rotation_matrix(quarter) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    both = product(about("x", math.pi / 2), quarter)  # about z first, then about x
    np.testing.assert_allclose(rotation_matrix(both) @ [1, 0, 0], [0, 0, 1], atol=1e-12)
    turns = [product(about(a, 0.4), about(b, -0.7)) for a in "xyz" for b in "xyz"]
    for first in turns:
        for second in turns:
            expected = rotation_matrix(first) @ rotation_matrix(second)
            np.testing.assert_allclose(
                rotation_matrix(product(first, second)), expected, atol=1e-12
            )


def test_views_are_those_of_a_robot_or_a_hand(room):
    rng = np.random.default_rng(0)
    heights, rolls, pitches = [], [], []
    for _ in range(10):
        view = small_things_view(room, rng, default_camera())
        assert view is not None
        pose, camera = view
        heights.append(pose.translation[2])
        pitches.append(math.degrees(math.asin(-pose.rotation[2, 2])))
        rolls.append(math.degrees(math.asin(np.clip(-pose.rotation[2, 0], -1, 1))))
        assert (np.abs(pose.translation[:2]) < np.array([room.width, room.depth]) / 2).all()
        middles = pose.inverse().apply(np.array([thing.centre for _, thing in small(room)]))
        ahead = middles[middles[:, 2] > 0.3]
        u, v = (camera.fx * ahead[:, k] / ahead[:, 2] for k in (0, 1))
        inside = (np.abs(u) < camera.width / 2) & (np.abs(v) < camera.height / 2)
        assert inside.sum() >= 2
        assert np.linalg.norm(ahead[inside], axis=1).min() < 3.2
    assert 0.5 <= min(heights) and max(heights) <= 1.6
    assert np.std(pitches) > 3 and np.std(rolls) > 1


def test_masks_and_depth_are_those_of_rays_cast_at_the_bodies(mujoco, room, solid):
    from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer

    camera = default_camera(320, 240)
    try:
        renderer = RoomRenderer(room, 320, 240, samples=0)
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(1)
    right, off, painted, hits = [], [], [], 0
    for _ in range(3):
        pose, drawn = small_things_view(room, rng, camera)
        seen = renderer.render(pose, drawn)
        rays = drawn.rays() @ pose.rotation.T
        rows, columns = np.nonzero(seen.segmentation >= 0)
        for pick in rng.choice(len(rows), 150):
            v, u = rows[pick], columns[pick]
            body = np.zeros(1, np.int32)
            reach = mujoco.mj_ray(
                solid.model, solid.data, pose.translation, rays[v, u], None, 1, -1, body
            )
            owner = int(solid.owner[body[0]])
            right.append(owner == seen.segmentation[v, u])
            off.append(abs(reach - seen.depth[v, u]))  # the rays have z = 1
            hits += bool(room.objects[owner].support)
            if owner >= 0:
                part = int(solid.model.geom(int(body[0])).name.split("_")[1])
                material = room.objects[owner].parts[part].material
                painted.append(MATERIALS[seen.material[v, u]] == material)
    renderer.close()
    assert np.mean(right) > 0.97  # a pixel at an outline may be the other's
    assert np.mean(painted) > 0.95
    assert np.quantile(off, 0.95) < 0.003
    assert hits > 30
