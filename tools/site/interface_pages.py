# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages of the messages, services and actions, made of the .msg, .srv and .action files.

The files say what a field is and in which unit, in the comments beside it; nothing is said twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

#: Folder of the definitions -> (page, title, what each part between "---" is).
KINDS = {
    "msg": ("interfaces/messages.md", "Messages", ("",)),
    "srv": ("interfaces/services.md", "Services", ("Request", "Response")),
    "action": ("interfaces/actions.md", "Actions", ("Goal", "Result", "Feedback")),
}
#: A part of a comment that is a unit by itself; "in unit": the message's own field says which.
UNITS = ("m", "m^2", "s", "Hz", "px", "rad", "deg", "in unit")
_STAMP = "builtin_interfaces/Time"
_LICENCE = ("# Copyright", "# SPDX-")
_FIELD = re.compile(
    r"^(?P<type>[\w/]+(?:<=\d+)?(?:\[(?:<=)?\d*\])?)\s+(?P<name>[a-z]\w*)\s*(?P<default>[^#]*)$"
)
_CONSTANT = re.compile(r"^(?P<type>\w+)\s+(?P<name>[A-Z]\w*)\s*=\s*(?P<value>.*)$")


@dataclass
class Entry:
    """A field or a constant: its ``value`` is a constant's value or a field's default."""

    type: str
    name: str
    value: str
    comment: str

    @property
    def is_constant(self) -> bool:
        """Whether it is a constant."""
        return self.name.isupper()

    @property
    def meaning(self) -> str:
        """The comment, without the unit that it begins with."""
        first, mark, rest = re.match(r"([^,;:]*)([,;:]?) ?(.*)", self.comment, re.DOTALL).groups()
        return rest if mark and first == self.unit else self.comment

    @property
    def unit(self) -> str:
        """The unit that the comment states, "" where it states none."""
        if self.type.startswith(_STAMP):
            return "stamp"
        if re.search(r"\b0\.\.1\b", self.comment):
            return "0..1"
        parts = re.split(r"[,;:.] |[,;:.]$", self.comment)
        stated = next((part.strip() for part in parts if part.strip() in UNITS), "")
        return stated or ("m" if self.type.startswith("geometry_msgs/Pose") else "")


@dataclass
class Group:
    """Entries under one comment of their own."""

    heading: str = ""
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Interface:
    """One definition: what it is for, and the groups of each of its parts."""

    name: str
    text: str
    parts: list[list[Group]]

    def fields(self) -> list[Entry]:
        """Return the fields of all parts."""
        return [e for p in self.parts for g in p for e in g.entries if not e.is_constant]


def read_interface(path: Path) -> Interface:
    """Read one definition.

    Raises:
        ValueError: A line is neither comment, constant nor field; it is named.
    """
    head: list[str] = []
    parts: list[list[Group]] = [[Group()]]
    comment: list[str] = []  # lines of a comment that stands by itself
    started = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        code, mark, said = (piece.strip() for piece in line.partition("#"))
        group = parts[-1][-1]
        if line.startswith(_LICENCE):
            continue
        if code == "---":
            parts.append([Group()])
            started, comment = True, []
        elif code:
            if comment:
                group = Group(" ".join(comment))
                parts[-1].append(group)
                comment = []
            group.entries.append(_entry(path, number, code, said))
            started = True
        elif mark and line[0] in " \t" and group.entries:  # the comment of the line above goes on
            group.entries[-1].comment += f" {said}"
        elif mark and not started:
            head.append(said)
        elif mark:
            comment.append(said)
        else:
            started = started or bool(head)
            if not comment and group.entries:
                parts[-1].append(Group())
    return Interface(path.stem, " ".join(head), parts)


def _entry(path: Path, number: int, code: str, said: str) -> Entry:
    if match := _CONSTANT.match(code):
        return Entry(match["type"], match["name"], match["value"], said)
    if match := _FIELD.match(code):
        return Entry(match["type"], match["name"], match["default"].strip(), said)
    raise ValueError(f"{path.name}, line {number}: neither comment, constant nor field: {code}")


def interface_page(root: Path, kind: str) -> str:
    """Return the page of all definitions in the folder ``kind``."""
    _, title, part_names = KINDS[kind]
    interfaces = [read_interface(path) for path in sorted((root / kind).iterdir())]
    types = {path.stem for path in (root / "msg").iterdir()}
    lines = [
        f"# {title}",
        "",
        f"Made of the files in `{kind}/`. Lengths are metres, times seconds, angles radians"
        " (REP-103); a stamp is that of the image that something was seen in. `ros2 interface show`"
        " prints the same.",
        "",
        "| | |",
        "|---|---|",
        *(
            f"| [{one.name}](#{one.name.lower()}) | {plain_markdown(one.text)} |"
            for one in interfaces
        ),
        "",
    ]
    for one in interfaces:
        lines += [
            f"## {one.name}",
            "",
            f"`spatialgeo_ros/{kind}/{one.name}`",
            "",
            plain_markdown(one.text),
        ]
        lines += [""]
        for name, groups in zip(part_names, one.parts, strict=True):
            lines += [f"**{name}**", ""] if name else []
            shown = [group for group in groups if group.entries]
            for group in shown:
                lines += _group(group, types)
            lines += [] if shown else ["Empty.", ""]
    return "\n".join(lines)


def _group(group: Group, types: set[str]) -> list[str]:
    lines = [f"{plain_markdown(group.heading)}", ""] if group.heading else []
    constants = [one for one in group.entries if one.is_constant]
    fields = [one for one in group.entries if not one.is_constant]
    if constants:
        lines += ["| constant | value | meaning |", "|---|---|---|"]
        lines += [
            f"| `{one.name}` | {one.value} | {plain_markdown(one.comment)} |" for one in constants
        ]
        lines += [""]
    if fields:
        lines += ["| field | type | unit | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{one.name}` | {_type(one.type, types)} | {one.unit} | "
            f"{plain_markdown(one.meaning)}{f' Default: {one.value}.' if one.value else ''} |"
            for one in fields
        ]
        lines += [""]
    return lines


def _type(name: str, own: set[str]) -> str:
    base = name.partition("[")[0]
    shown = plain_markdown(name)
    return f"[{shown}](messages.md#{base.lower()})" if base in own else f"`{name}`"


def plain_markdown(text: str) -> str:
    """Return Markdown that shows ``text`` as it is, also within a table."""
    shown = re.sub(r"([*_\[\]`\\])", r"\\\1", text)
    return shown.replace("<", "&lt;").replace("|", "&#124;")
