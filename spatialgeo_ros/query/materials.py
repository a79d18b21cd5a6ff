# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Materials: the words for them before a noun ("wooden box", "glass table")."""

from __future__ import annotations

#: Materials a phrase may name, with the words that mean the same.
MATERIAL_WORDS: dict[str, tuple[str, ...]] = {
    "wood": ("wooden",),
    "plastic": (),
    "metal": ("metallic", "steel", "aluminium", "aluminum", "iron"),
    "glass": (),
    "leather": (),
    "fabric": ("cloth", "textile"),
    "stone": ("marble", "granite"),
    "ceramic": ("porcelain",),
}

#: Canonical material by word.
MATERIAL_OF: dict[str, str] = {
    word: material for material, words in MATERIAL_WORDS.items() for word in (material, *words)
}


def material_of(words: str) -> str:
    """Return the material that stands before the head noun of a label, "" without one.

    Args:
        words: lower-case words of the label; the last one is the thing itself ("wine glass").
    """
    for word in words.split()[:-1]:
        if word in MATERIAL_OF:
            return MATERIAL_OF[word]
    return ""
