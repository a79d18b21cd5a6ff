# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any program that can be written has a result, in bounded time, and comes back from JSON."""

from __future__ import annotations

import dataclasses
import math
import random
import time
import types
import typing
from dataclasses import replace
from typing import Any

import pytest
from question_room import MAP, OBJECTS, thing, with_objects

from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.program_json import from_json, to_json
from spatialgeo_ros.query.result import ResultType
from spatialgeo_ros.scene.executor import execute

WORDS = {
    "kind": ("", "chair", "table", "lamp", "thing", "kettle", "dining table"),
    "colour": ("", "", "red", "blue"),
    "material": ("", "", "wood"),
    "value": ("red", "wood", "chair"),
    "ids": ("table_1", "mug_1", "chair_1", "nobody", "plant_1"),
    "words": ("it", ""),
    "names": ("front", "behind"),
    "unknown": ("wobbly",),
}


def any_node(rng: random.Random, hint: Any, depth: int, name: str = "") -> Any:
    """A random value of a field's type."""
    union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    choices = typing.get_args(hint) if union else (hint,)
    if depth <= 0:  # only nodes that hold no other nodes
        leaves = [one for one in choices if not holds_nodes(one)]
        choices = leaves or choices
    kind = rng.choice(choices)
    if kind is type(None):
        return None
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(
            **{
                one.name: any_node(rng, hints[one.name], depth - 1, one.name)
                for one in dataclasses.fields(kind)
            }
        )
    if typing.get_origin(kind) is tuple:
        if name == "unknown" and rng.random() < 0.9:
            return ()
        count = rng.choice((0, 1, 1, 2, 2, 2, 3)) if depth > -2 else 0
        return tuple(any_node(rng, typing.get_args(kind)[0], depth, name) for _ in range(count))
    if typing.get_origin(kind) is typing.Literal:
        return rng.choice(typing.get_args(kind))
    if kind is str:
        return rng.choice(WORDS[name])
    return {bool: rng.random() < 0.5, int: rng.randrange(4), float: rng.choice((0.0, 1.0, -2.5))}[
        kind
    ]


def holds_nodes(hint: Any) -> bool:
    if not dataclasses.is_dataclass(hint):
        return False
    named = (nodes.Named, nodes.Those, nodes.RequestRegion, nodes.Wall, nodes.Constant)
    return bool(dataclasses.fields(hint)) and hint not in named


@pytest.mark.parametrize("seed", range(12))
def test_every_program_has_a_result(seed: int) -> None:
    rng = random.Random(seed)
    worlds = (MAP, replace(MAP, viewer=None), replace(MAP, room=None), with_objects())
    for _ in range(int(__import__("os").environ.get("N", "40"))):
        program = any_node(rng, nodes.Program, rng.randrange(1, 6))
        for world in worlds:
            result = execute(program, world, OBJECTS[:1])
            assert result.text
            assert (result.error is not None) == (result.type == ResultType.ERROR)
            assert all(math.isfinite(value) for value in result.values)
            assert len(result.values) == len(result.std_devs)
            assert all(sigma >= 0 for sigma in result.std_devs)
            assert len(set(result.objects)) == len(result.objects)
            known = {one.id for one in world.objects} | {OBJECTS[0].id}
            assert set(result.objects) <= known
        if to_json_size(program) <= 150:
            assert from_json(to_json(program)) == program


def to_json_size(node: Any) -> int:
    if isinstance(node, tuple):
        return 1 + sum(map(to_json_size, node))
    if not dataclasses.is_dataclass(node):
        return 1
    return 1 + sum(to_json_size(getattr(node, one.name)) for one in dataclasses.fields(node))


def test_nested_sums_do_not_multiply() -> None:
    """Each level looks at every object: 150 to the power of the depth, were they not kept."""
    world = with_objects(
        *(
            thing(f"box_{i}", "box", (i % 15, i // 15, 0.5), (0.4, 0.4, 0.4), yaw=0.1 * i)
            for i in range(150)
        )
    )
    it = nodes.It()
    number: nodes.Number = nodes.Quantity("gap", (it, nodes.Those(("box_7",))))
    for _ in range(5):
        ranked = nodes.Rank(nodes.Everything(), number, count=140)
        least = nodes.Over("least", number, ranked)
        number = nodes.Arithmetic("sum", (nodes.Quantity("height", (it,)), least))
    begin = time.perf_counter()
    result = execute(nodes.TellObjects(nodes.Rank(nodes.Everything(), number, count=1)), world)
    assert len(result.objects) == 1
    assert time.perf_counter() - begin < 2
