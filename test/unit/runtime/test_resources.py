# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shipped files are found in a checkout, in an installed prefix and where the environment says."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime import resources


def test_checkout_is_found(repository: Path) -> None:
    assert resources.find_resource("config/fastdds.xml") == repository / "config" / "fastdds.xml"


def test_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "fastdds.xml").write_text("")
    monkeypatch.setenv(resources.ENVIRONMENT_VARIABLE, str(tmp_path))
    assert resources.find_resource("config/fastdds.xml") == tmp_path / "config" / "fastdds.xml"


def test_installed_prefix_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "lib/python3.11/site-packages/spatialgeo_ros/runtime/resources.py"
    shared = tmp_path / "share/spatialgeo_ros/config"
    shared.mkdir(parents=True)
    (shared / "fastdds.xml").write_text("")
    monkeypatch.setattr(resources, "__file__", str(module))
    assert resources.find_resource("config/fastdds.xml") == shared / "fastdds.xml"


def test_missing_file_names_the_cure() -> None:
    with pytest.raises(ModelLoadError, match=r"config/models/none.yaml.*SPATIALGEO_RESOURCES"):
        resources.find_resource("config/models/none.yaml")
