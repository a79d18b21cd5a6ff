# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which precision a profile's networks are loaded in: what is asked for is done or refused.

No network library is imported here, so a wrong word is found before one is. What the words mean on
a card stands in ``precision.py``.
"""

from __future__ import annotations

from spatialgeo_ros.errors import ModelLoadError

#: What a profile or a user may ask for; "half" is float16 or bfloat16, by network and card.
PRECISIONS = ("float32", "float16", "bfloat16", "half")
FROM_PROFILE = "profile"


def choose_precision(
    asked: str, profile: str, stated: str | None, *, only_float32: bool = False
) -> str:
    """Return one of :data:`PRECISIONS`.

    Args:
        asked: One of them, or "profile" for what the profile says.
        profile: Its name, for messages.
        stated: What the profile says; None where it has no networks.
        only_float32: Whether its parts share tensors that are float32.

    Raises:
        ModelLoadError: The word is unknown, or the profile's networks do not run so.
    """
    choices = (FROM_PROFILE, *PRECISIONS)
    if asked not in choices:
        raise ModelLoadError(f"precision must be one of {', '.join(choices)}, not {asked!r:.50}")
    if stated is None:
        if asked != FROM_PROFILE:
            raise ModelLoadError(
                f"profile '{profile}' has no networks that could be loaded in {asked}: leave the "
                "precision at profile, or choose a profile with networks"
            )
        return "float32"
    wanted = stated if asked == FROM_PROFILE else asked
    if only_float32 and wanted != "float32":
        raise ModelLoadError(
            f"the networks of profile '{profile}' share tensors in float32 and do not run in "
            f"{wanted}: leave the precision at profile"
        )
    return wanted
