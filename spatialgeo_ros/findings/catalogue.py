# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every finding: how bad it is, what one sees, why it happens, how it is found, what cures it.

``docs/doctor_findings.md`` is made from it (``pages.py``).
"""

from __future__ import annotations

from spatialgeo_ros.findings.catalogue_cameras import CAMERAS
from spatialgeo_ros.findings.catalogue_machine import MACHINE
from spatialgeo_ros.findings.catalogue_robot import ROBOT
from spatialgeo_ros.findings.entry import Entry

#: By the part that a finding is about, in the order of the page.
SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Cameras": CAMERAS,
    "Robot and graph": ROBOT,
    "Machine": MACHINE,
}
#: By name.
CATALOGUE: dict[str, Entry] = {
    entry.id: entry for section in SECTIONS.values() for entry in section
}
