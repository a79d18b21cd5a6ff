# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which quantisation a language model gets: what is asked for is done or refused, never ignored.

No network library is imported here, so a wrong word is found before one is.
"""

from __future__ import annotations

from spatialgeo_ros.errors import ModelLoadError

# Of a language model's linear layers: as in the file, 4-bit NormalFloat, 8-bit integers.
QUANTISATIONS = ("none", "nf4", "int8")
FROM_PROFILE = "profile"


def choose_quantisation(asked: str, profile: str, stated: str | None) -> str:
    """Return one of :data:`QUANTISATIONS`.

    Args:
        asked: One of them, or "profile" for what the profile says.
        profile: Its name, for messages.
        stated: What the profile says; None where it has no language model.

    Raises:
        ModelLoadError: The word is unknown, or there is no language model to quantise.
    """
    choices = (FROM_PROFILE, *QUANTISATIONS)
    if asked not in choices:
        raise ModelLoadError(f"quantisation must be one of {', '.join(choices)}, not {asked!r:.50}")
    if stated is None:
        if asked not in (FROM_PROFILE, "none"):
            raise ModelLoadError(
                f"profile '{profile}' has no language model that could be loaded as {asked}: leave "
                "the quantisation at profile, or choose a profile with one"
            )
        return "none"
    return stated if asked == FROM_PROFILE else asked
