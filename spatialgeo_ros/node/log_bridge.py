# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Passes what the ROS-free part logs on to the node's logger, and so to /rosout."""

from __future__ import annotations

import logging
from typing import Any

from spatialgeo_ros.errors import escaped

_ROOT = "spatialgeo_ros"
_LONGEST = 2000  # characters of a record: labels and questions may be in it


class LogBridge(logging.Handler):
    """Attached while a node lives; see :meth:`close`.

    Args:
        logger: of the node.
    """

    def __init__(self, logger: Any) -> None:
        super().__init__(logging.INFO)
        self._logger = logger
        root = logging.getLogger(_ROOT)
        root.addHandler(self)
        root.setLevel(logging.INFO)
        root.propagate = False  # else warnings are printed a second time

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record; each level in a line of its own, since rclpy ties a line to its level."""
        text = escaped(record.getMessage(), _LONGEST)
        if record.exc_info:
            text += f"\n{logging.Formatter().formatException(record.exc_info)}"
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)

    def close(self) -> None:
        """Detach."""
        root = logging.getLogger(_ROOT)
        root.removeHandler(self)
        root.propagate = True
        super().close()
