# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are appended to a line of JSON at a time, by processes that may be killed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import BadRequestError

log = logging.getLogger(__name__)


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield each line with its number; nothing where there is no file.

    A last line that was cut off is taken out of the file, and so done again.

    Raises:
        BadRequestError: another line is no JSON.
    """
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        kept = text.rfind("\n") + 1
        log.warning("%s: its last line is cut off and is done again", path)
        path.write_text(text[:kept], encoding="utf-8")
        text = text[:kept]
    # Not splitlines: a reply may hold U+2028, which JSON leaves as it is.
    for number, line in enumerate(text.split("\n")[:-1], 1):
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise BadRequestError(f"{path}, line {number} is no JSON: {error}") from error
