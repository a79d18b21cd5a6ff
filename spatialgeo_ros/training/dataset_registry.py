# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which annotation files a training reads, which share of each, and in which order."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from spatialgeo_ros.errors import BadRequestError

SEED = 42
_NAME = re.compile(r"(?P<name>.+?)(?:%(?P<share>\d+))?")

Item = TypeVar("Item")


def parse_uses(text: str) -> list[tuple[str, float]]:
    """Read "name,other%50": names of data sets, and the share of each that is used.

    Raises:
        BadRequestError: a name is empty, or a share is not from 1 to 100.
    """
    uses = []
    for part in text.split(","):
        found = _NAME.fullmatch(part.strip())
        share = 100 if found is None or found["share"] is None else int(found["share"])
        if found is None or not 0 < share <= 100:
            raise BadRequestError(f"'{part}' is no data set: write name, or name%1 to name%100")
        uses.append((found["name"], share / 100))
    return uses


def ordered_items(text: str, data: Mapping[str, Sequence[Item]], seed: int = SEED) -> list[Item]:
    """Put the items of several data sets in the published order.

    Shares are drawn set by set, and everything is shuffled once at the end, all by one generator of
    CPython.

    Args:
        text: see :func:`parse_uses`.
        data: items by name.
        seed: of the generator.

    Raises:
        BadRequestError: a name is not in ``data``; or see :func:`parse_uses`.
    """
    generator = random.Random(seed)
    items: list[Item] = []
    for name, share in parse_uses(text):
        if name not in data:
            raise BadRequestError(f"no data set '{name}'; there are {', '.join(data)}")
        chosen = list(data[name])
        if share < 1:
            chosen = generator.sample(chosen, int(len(chosen) * share))
        items += chosen
    generator.shuffle(items)
    return items
