# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The blueprint: what a newcomer sees at once.

The world at the left; the images and what the node draws beside it; below distances with their
standard deviation; answers and diagnostics at the bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import rerun.blueprint as rrb

from spatialgeo_ros.viewer.entries import (
    ANSWERS,
    DIAGNOSTICS,
    DISTANCES,
    LATENCIES,
    OVERLAYS,
    STAMP,
    STD_DEVS,
    VIEWER,
    WORLD,
    below,
    camera_path,
    image_path,
)


def layout(cameras: Sequence[str], calibrated: AbstractSet[str], overlays: bool) -> rrb.Blueprint:
    """Return the blueprint.

    Args:
        cameras: names.
        calibrated: those whose projection is known; the image of another one has no place in the
            world.
        overlays: whether the node's own pictures are shown.
    """
    outside = [f"- {camera_path(name)}/**" for name in cameras if name not in calibrated]
    world = rrb.Spatial3DView(
        origin=WORLD, contents=[f"+ {WORLD}/**", *outside], name="World", line_grid=True
    )
    pictures = [
        view
        for name in cameras
        for view in (
            rrb.Spatial2DView(origin=image_path(name), name=name),
            *([rrb.Spatial2DView(origin=below(OVERLAYS, name), name=f"{name}: drawn by the node")]
              if overlays else []),
        )
    ]  # fmt: skip
    plots = rrb.Tabs(
        rrb.TimeSeriesView(origin=DISTANCES, name="Distances (m)"),
        rrb.TimeSeriesView(origin=STD_DEVS, name="Standard deviations (m)"),
        rrb.TimeSeriesView(origin=LATENCIES, name="Latencies (s)"),
        active_tab=0,
    )
    texts = rrb.Tabs(
        rrb.TextLogView(origin="/", contents=[f"+ {ANSWERS}/**", f"+ {VIEWER}/**"], name="Answers"),
        rrb.TextLogView(origin=DIAGNOSTICS, name="Diagnostics"),
        rrb.StateTimelineView(origin=DIAGNOSTICS, name="Levels"),
        active_tab=0,
    )
    right = [rrb.Tabs(*pictures, active_tab=0)] if pictures else []
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(
                world, rrb.Vertical(*right, plots, row_shares=[3, 2][-len(right) - 1 :]),
                column_shares=[3, 2],
            ),
            texts,
            row_shares=[4, 1],
        ),
        rrb.TimePanel(timeline=STAMP, play_state="following", state="collapsed"),
        rrb.SelectionPanel(state="collapsed"),
        rrb.BlueprintPanel(state="collapsed"),
        auto_views=False,
    )  # fmt: skip
