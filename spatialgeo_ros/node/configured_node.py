# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node whose parameters are those of the table, as one configuration."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from spatialgeo_ros.node import overrides, parameters
from spatialgeo_ros.node.compatibility import follow_parameters
from spatialgeo_ros.node.parameters import Config


class ConfiguredNode(LifecycleNode):
    """Declares and reads the parameters, validates changes, and names what nobody reads.

    Attributes:
        config: the current values.
    """

    def __init__(self, name: str, **node_options: Any) -> None:
        """Declare the parameters.

        Args:
            name: Of the node.
            node_options: For rclpy's Node.

        Raises:
            ParameterError: A parameter given at startup cannot be used.
        """
        super().__init__(name, **node_options)
        parameters.declare(self)
        self.config: Config = parameters.read(self)
        self._ignored = ""  # what was last said about parameters that nobody reads
        for ignored in overrides.for_another_node(sys.argv, self.get_fully_qualified_name()):
            self.get_logger().warning(ignored)
        self._warn_of_ignored_parameters()

    def is_configured(self) -> bool:
        """Whether something was built from the configuration that a change would miss."""
        raise NotImplementedError

    def on_parameters_changed(self) -> None:
        """Follow a change of ``config``."""
        raise NotImplementedError

    def handle_parameters(self) -> None:
        """Validate and follow changes from now on."""
        follow_parameters(self, self._validate, self._update)

    def read_parameters(self) -> None:
        """Declare what a changed list of cameras asks for, and read all values anew.

        Raises:
            ParameterError: A value cannot be used.
        """
        parameters.declare(self)
        self._warn_of_ignored_parameters()
        self.config = parameters.read(self)

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set parameters; a value that a parameter has already is accepted whatever it is.

        So the node takes back what ``ros2 param dump`` wrote, with all that cannot change now.
        """
        changes = [
            change
            for change in parameter_list
            if not self.has_parameter(change.name)
            or not parameters.equal(self.get_parameter(change.name), change)
        ]
        if not changes:
            return SetParametersResult(successful=True)
        return super().set_parameters_atomically(changes)

    def _warn_of_ignored_parameters(self) -> None:
        """Name the parameters that were given and are not declared; once for each set of them."""
        # rclpy has no public way to ask what was given.
        given = getattr(self, "_parameter_overrides", {})
        lost = [name for name in given if not self.has_parameter(name)]
        text = overrides.undeclared(lost, parameters.names(self))
        if text and text != self._ignored:
            self.get_logger().warning(text)
        self._ignored = text

    def _validate(self, changes: Sequence[Parameter]) -> SetParametersResult:
        names = self.get_parameter("cameras").value
        return parameters.validate(changes, self.is_configured(), names)

    def _update(self, changes: Sequence[Parameter]) -> None:
        self.config = parameters.update(self.config, changes)
        self.on_parameters_changed()
