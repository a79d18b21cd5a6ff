# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Space-aware frames of every video of a folder; broken off, it goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spatialgeo_ros.cli.inputs import read_shard
from spatialgeo_ros.errors import SpatialGeoError

_VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


def videos_below(folder: Path) -> list[Path]:
    """Videos of a folder and of those below it, by name; none for a file, or a folder of images."""
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.rglob("*") if one.suffix.lower() in _VIDEO_SUFFIXES)


def sample_folder(
    videos: Sequence[Path],
    folder: Path,
    out: Path,
    shard: str,
    settings: Mapping[str, Any],
    sample: Callable[[Path, Path], list[str]],
) -> int:
    """Sample every video that is not sampled yet; returns the exit status.

    Args:
        videos: all of the folder.
        folder: that they are below.
        out: each gets a folder here, named as the video is below ``folder``.
        shard: "I/N": which of them this process takes.
        settings: of the selections; one that was made with others is made again.
        sample: samples a video into a folder.
    """
    index, count = read_shard(shard)
    own = list(videos)[index::count]
    failed: list[str] = []
    left = [(one, out / one.relative_to(folder).with_suffix("")) for one in own]
    left = [(one, place) for one, place in left if not _is_done(place, settings)]
    print(f"{len(own) - len(left)} of {len(own)} videos are sampled already")
    for video, place in tqdm(left, "videos", initial=len(own) - len(left), total=len(own)):
        try:
            sample(video, place)
        except SpatialGeoError as error:  # one bad file must not cost the others
            failed.append(f"{video}: {error}")
            tqdm.write(failed[-1], file=sys.stderr)
    print(f"{len(left) - len(failed)} videos sampled into {out}, {len(failed)} failed")
    return 1 if failed else 0


def _is_done(folder: Path, settings: Mapping[str, Any]) -> bool:
    try:
        kept = json.loads((folder / "selection.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all(kept.get(name) == value for name, value in settings.items())
