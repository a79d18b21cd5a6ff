# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From what a parameter says to a planner."""

from __future__ import annotations

import os
from pathlib import Path

from spatialgeo_ros.answer.planner.interface import Planner
from spatialgeo_ros.answer.planner.memo import RememberingPlanner
from spatialgeo_ros.errors import BadRequestError, quoted

#: Seconds that a planner has for one question.
TIMEOUT = 5.0
_FORMS = "give openai:http://host:port/v1#model or local:/path/of/a/checkpoint"


def make_planner(
    which: str, timeout: float = TIMEOUT, key_variable: str = "", device: str = "auto"
) -> Planner | None:
    """Return the planner that is asked for; None for "".

    Args:
        which: "", "openai:<address>#<model>" or "local:<folder>".
        timeout: seconds for one question.
        key_variable: name of the environment variable that has the key of the API; "" for none.
        device: of a local model.

    Raises:
        BadRequestError: it is none of these, or the variable is not set.
        ModelLoadError: a local model cannot be loaded.
    """
    if not which:
        return None
    kind, _, rest = which.partition(":")
    if kind == "openai":
        address, _, model = rest.partition("#")
        if not model:
            raise BadRequestError(f"the planner names no model: {_FORMS}")
        # Here, as the other: most users have no planner, and http costs 30 ms of every start.
        from spatialgeo_ros.answer.planner.served import OpenAIPlanner

        return RememberingPlanner(OpenAIPlanner(address, model, _key(key_variable), timeout))
    if kind == "local" and rest:
        from spatialgeo_ros.answer.planner.local import LocalPlanner

        return RememberingPlanner(LocalPlanner(Path(rest).expanduser(), device, timeout))
    raise BadRequestError(f"{quoted(kind, 20)} is no kind of planner: {_FORMS}")


def _key(variable: str) -> str:
    if not variable:
        return ""
    key = os.environ.get(variable, "")
    if not key:
        raise BadRequestError(
            f"the environment variable {quoted(variable)} for the planner's key is not set"
        )
    return key
