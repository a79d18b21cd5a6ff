# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small pattern language for questions; the patterns are in :mod:`.question_rules`.

A pattern is matched against normalised words (lower case, commas as words of their own)::

    how far [away] <is> {a} (from|to) {b}

``[x]`` is optional, ``(x|y)`` a choice, ``<name>`` an entry of :data:`MACROS`, and ``{a}``,
``{b}``, ``{c}`` are object phrases of one or more words without a comma.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

_ATOM = re.compile(r"\{[abc]\}|<\w+>|[\[\]()|]|[^\s\[\]()|<>{}]+")

MACROS: dict[str, str] = {
    "is": "(is|are|was|were)",
    "be": "(is|are|was|were|does|do|did|can|could|would|will|am)",
    "what": "(what is|what are|what would be|what will be|what was|how much is|is)",
    "approx": "(approximate|radial|exact|estimated|total|overall|actual|real|rough|measured|current"
    "|straight line|euclidean|direct)",
    "distance": "(distance|separation|spacing|range|dist)",
    "shortest": "(shortest|minimum|minimal|smallest|closest|nearest|least)",
    "and": "(and|to|from|-|with)",
    "horizontal": "(horizontal|lateral|ground|ground plane|planar|sideways|floor)",
    "horizontally": "(horizontally|laterally|sideways|(along|on|across|over) the (floor|ground)"
    "|in the horizontal (plane|direction)|in the ground plane)",
    "vertical": "(vertical|elevation)",
    "vertically": "(vertically|in height|in elevation|in the vertical direction)",
    "self": "(me|you|us|the robot|robot|the camera|camera|here|myself|yourself|my position"
    "|your position|your camera|the viewer|the observer)",
    "relative": "(from|relative to|with respect to|in relation to|as seen from|seen from|of"
    "|compared to|viewed from|as viewed from|when seen from|with reference to)",
    "clock": "((oclock|clock|hour) [position|direction|hour|angle]|o clock [position|direction])",
    "than": "(than [that of|the one of]|(as|when|if) compared (to|with)|compared (to|with)"
    "|in comparison (to|with))",
    "posed": "(positioned|located|situated|placed|standing|sitting|lying|found|appear|appears|lie"
    "|lies|stand|stands|sit|sits|come|comes|seen|be|hanging|mounted|set|there|more)",
    "one": "(one|object|thing|item|region|of (them|these|those|the two|these two|the following"
    "|both) [objects|regions|things])",
    "meters": "(meters|metres|meter|metre|m|cm|centimeters|centimetres|feet|foot|ft|inches|inch)",
    "ask": "[<what>] [the|your|my] [<approx>]",
    "bearing": "(direction|bearing|heading|angle|clock position)",
    "find": "(<is>|lies|(can|do|would|will) (i|you|we) (find|see|expect|locate))",
    "located": "[be] [located|positioned|situated|found|lie|at|on the clock]",
    "standing": "[you|i|we|one] [am|is|were|<is>] [stand|stands|standing|located|positioned|right]"
    " (at|in|on|by|near|next to)",
    "whereto": "[at|in] (where|(what|which) direction|(what|which) <clock>|what|which way)"
    " (is|are|will|would|can|do|should|could) [you|i|we] [find|see|expect|locate]",
    "must": "(should|do|must|can|would) (i|you|we) [have to|need to]",
    "face": "(turn|go|look|drive|move|face|walk) to (see|reach|face|get to|find|look at)",
    "there": "(is there|is|do i have|do we have)",
    "gap": "(gap|clearance|space|room|free space|free distance|passage|opening)",
    "within": "(within|closer than|further than|farther than|more than|less than|at least|over"
    "|under|at most|beyond)",
    "number": "(a|one|two|three|four|five|six|seven|eight|nine|ten|half a)",
}


@dataclass(frozen=True)
class Rule:
    """One pattern and what it means.

    Attributes:
        pattern: in the language described above.
        family: question family ("distance", "left_right", "size", ...).
        form: "value", "yes_no", "choice", "which" or "difference".
        predicate: the comparison asked about ("left"), or "".
        nearest: whether the distance asked for is between nearest points instead of centres.
    """

    pattern: str
    family: str
    form: str = "value"
    predicate: str = ""
    nearest: bool = False

    @functools.cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern, for text in which a space follows every word."""
        return re.compile(_to_regex(self.pattern))


def _to_regex(pattern: str) -> str:
    parts: list[str] = []
    for atom in _ATOM.findall(pattern):
        if atom.startswith("{"):
            parts.append(rf"(?P<{atom[1]}>(?:[^ ,]+ )+?)")
        elif atom.startswith("<"):
            parts.append("(?:" + _to_regex(MACROS[atom[1:-1]]) + ")")
        elif atom in "[(":
            parts.append("(?:")
        elif atom in "])":
            parts.append(")?" if atom == "]" else ")")
        elif atom == "|":
            parts.append("|")
        else:
            parts.append(re.escape(atom) + " ")
    return "".join(parts)


def words_of(pattern: str) -> list[str]:
    """Return the literal words of a pattern."""
    return [atom for atom in _ATOM.findall(pattern) if atom.isalpha()]
