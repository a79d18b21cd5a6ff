# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cheapest separation of a small graph into two sides (minimum cut)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

_NOTHING = 1e-9


def minimum_cut(
    nodes: int, edges: Iterable[tuple[int, int, float]], source: int, sink: int
) -> list[bool]:
    """Return for each node whether it is on the source's side of the cheapest cut.

    Maximum flow by shortest augmenting paths in layers: Dinic, "Algorithm for solution of a problem
    of maximum flow in networks with power estimation", Soviet Mathematics Doklady 11, 1970.

    Args:
        nodes: how many; they are numbered from 0.
        edges: (a, b, cost) of separating a and b, in either direction.
        source: node that is inside.
        sink: node that is outside.
    """
    heads: list[int] = []
    room: list[float] = []
    out: list[list[int]] = [[] for _ in range(nodes)]
    for a, b, cost in edges:
        out[a].append(len(heads))
        out[b].append(len(heads) + 1)
        heads += (b, a)
        room += (cost, cost)  # an edge without direction is its own way back
    while True:
        level = _levels(out, heads, room, source)
        if level[sink] < 0:
            return [one >= 0 for one in level]
        _fill(out, heads, room, level, source, sink)


def _levels(out: list[list[int]], heads: list[int], room: list[float], source: int) -> list[int]:
    """Return how many edges with room lead from the source to each node, -1 for none."""
    level = [-1] * len(out)
    level[source] = 0
    queue = deque([source])
    while queue:
        node = queue.popleft()
        for edge in out[node]:
            if room[edge] > _NOTHING and level[heads[edge]] < 0:
                level[heads[edge]] = level[node] + 1
                queue.append(heads[edge])
    return level


def _fill(
    out: list[list[int]],
    heads: list[int],
    room: list[float],
    level: list[int],
    source: int,
    sink: int,
) -> None:
    """Push flow along layered paths until none is left."""
    tried = [0] * len(out)
    path: list[int] = []
    node = source
    while True:
        if node == sink:
            flow = min(room[edge] for edge in path)
            for edge in path:
                room[edge] -= flow
                room[edge ^ 1] += flow
            # Back to before the first edge that is full now.
            full = next(i for i, edge in enumerate(path) if room[edge] <= _NOTHING)
            node = heads[path[full] ^ 1]
            del path[full:]
            continue
        while tried[node] < len(out[node]):
            edge = out[node][tried[node]]
            if room[edge] > _NOTHING and level[heads[edge]] == level[node] + 1:
                break
            tried[node] += 1
        else:
            if node == source:
                return
            node = heads[path.pop() ^ 1]
            tried[node] += 1
            continue
        path.append(edge)
        node = heads[edge]
