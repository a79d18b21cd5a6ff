# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The program of a question: what the English parser, a planner and robots' own code all produce.

A program is a tree of a few kinds of nodes. *Things* are sets of objects of the map, *places* are
what else distances are measured to, *numbers* and *conditions* are built on both, and one *ask*
stands at the top. ``It`` is the object that is looked at inside a filter, a ranking or a sum. What
each quantity and relation means in numbers is in docs/questions.md. Nothing here computes:
:mod:`spatialgeo_ros.scene.executor` runs programs on a map.

Example, "how far is the nearest chair?"::

    TellNumber(Quantity("distance", (Viewer(), The(nearest))))
    nearest = Rank(Named("chair"), Quantity("distance", (Viewer(), It())), count=1)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

QuantityName: TypeAlias = Literal[
    # of one object
    "width",  # m, along its own x (or the longer side)
    "depth",  # m, along its own y
    "height",  # m; of the room: floor to ceiling
    "length",  # m, the longer horizontal side
    "size",  # [width, depth, height], m; of the room [x, y, height]
    "volume",  # m3
    "area",  # m2, seen from above; of the room: its floor
    "bottom",  # m above the floor; of the viewer: the camera's height
    "top",  # m above the floor
    "clearance",  # m, free height under it: bottom of what hangs, below the top of tables
    "first_seen",  # s after the map began
    "last_seen",  # s after the map began
    "unseen_for",  # s since it was last seen
    "order_seen",  # like first_seen, for rankings: no unit
    "bearing",  # deg from where the frame faces, left positive
    # between two
    "distance",  # m, between centres; from the viewer: to the nearest point
    "gap",  # m, between nearest points
    "passage",  # m, between footprints
    "horizontal",  # m, between centres along the floor
    "vertical",  # m, between the heights of the centres
    "higher_by",  # m, how much higher the first centre is than the second
    "drive",  # m, from the robot's place on the floor to the footprint
]
RelationName: TypeAlias = Literal[
    "on",
    "supports",  # the converse of on
    "above",
    "below",
    "higher",
    "lower",
    "inside",
    "beside",
    "touching",
    "left",
    "right",
    "front",
    "behind",
    "between",
    "at_wall",
    "in_view",
]
Comparator: TypeAlias = Literal["<", "<=", ">", ">=", "=="]
Unit: TypeAlias = Literal[
    "", "m", "cm", "mm", "km", "ft", "in", "yd", "ft in", "m2", "cm2", "ft2", "m3", "l", "ft3",
    "s", "min", "h", "deg", "rad", "percent",
]  # fmt: skip
WallSide: TypeAlias = Literal["nearest", "any", "front", "behind", "left", "right"]
DirectionForm: TypeAlias = Literal["any", "deg", "clock", "side", "side_or_back", "quadrant"]
AttributeName: TypeAlias = Literal["colour", "material", "kind"]
Operation: TypeAlias = Literal[
    "difference", "ratio", "sum", "product", "mean", "percent", "greatest"
]
Fold: TypeAlias = Literal["sum", "mean", "least", "greatest"]


# Places -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class It:
    """The object that a filter, ranking or sum looks at."""


@dataclass(frozen=True)
class Viewer:
    """The robot with its camera: "me", "you", "here"."""


@dataclass(frozen=True)
class Floor:
    """The floor."""


@dataclass(frozen=True)
class Ceiling:
    """The ceiling."""


@dataclass(frozen=True)
class Room:
    """The room: its area, sides and height."""


@dataclass(frozen=True)
class Wall:
    """A wall of the room.

    Attributes:
        side: "nearest" to what is measured; "front", "behind", "left", "right" along the viewer's
            heading; "any": the wall ahead, or the nearest where nothing is measured from the
            viewer.
    """

    side: WallSide = "nearest"


# Sets of objects --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Everything:
    """Every object of the map that is not gone."""


@dataclass(frozen=True)
class Named:
    """The objects that a noun phrase fits.

    Attributes:
        kind: noun as said, singular ("couch"); "" for any kind ("red things").
        colour: canonical colour, or "".
        material: or "".
        unknown: adjectives that say what cannot be checked ("wobbly").
    """

    kind: str = ""
    colour: str = ""
    material: str = ""
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Those:
    """The objects with these ids.

    Attributes:
        ids: of the map.
        words: how the question calls them, for messages ("it").
    """

    ids: tuple[str, ...]
    words: str = ""


@dataclass(frozen=True)
class RequestRegion:
    """The object in a region of the request.

    Attributes:
        index: of the request's regions, from 0.
        words: how the question calls it; two programs that differ in it alone are equal.
    """

    index: int
    words: str = field(default="", compare=False)


@dataclass(frozen=True)
class Filter:
    """The objects of a set for which a condition about ``It`` holds."""

    of: Things
    where: Condition


@dataclass(frozen=True)
class Rank:
    """A set in the order of a number about ``It``, or a part of that order.

    Attributes:
        of: the set.
        by: number with ``It`` in it.
        descending: greatest first.
        skip: how many to leave out at the front: 1 for "the second nearest".
        count: how many to take after those; None for all.
    """

    of: Things
    by: Number
    descending: bool = False
    skip: int = 0
    count: int | None = None


@dataclass(frozen=True)
class Union:
    """The objects of several sets, in their order."""

    of: tuple[Things, ...]


@dataclass(frozen=True)
class Except:
    """The objects of one set that are not in another."""

    of: Things
    without: Things


@dataclass(frozen=True)
class The:
    """A set that must hold exactly so many objects: "the chair", "the two lamps".

    None is the error UNKNOWN_OBJECT; another number the error AMBIGUOUS.

    Attributes:
        of: the set.
        count: how many it must hold.
    """

    of: Things
    count: int = 1


# Numbers ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """A point of view: standing at one place and facing another.

    Attributes:
        at: an object, or the viewer for "if I turned to the fridge".
        facing: what is straight ahead.
    """

    at: Place
    facing: Place


@dataclass(frozen=True)
class Constant:
    """A number that the question states."""

    value: float
    unit: Unit = ""


@dataclass(frozen=True)
class Quantity:
    """A measured number.

    Attributes:
        name: what is measured.
        of: one place or two, as the quantity needs. Where it needs two, one set of two objects
            stands for both ("the two lamps"), and one object is measured from the viewer.
        frame: for bearings: where from and where 0 degrees is; None for the viewer's.
    """

    name: QuantityName
    of: tuple[Place, ...]
    frame: Standing | None = None


@dataclass(frozen=True)
class Arithmetic:
    """Numbers put together: difference, ratio and percent of two, others of any."""

    operation: Operation
    of: tuple[Number, ...]


@dataclass(frozen=True)
class Over:
    """The sum, mean, least or greatest of a number about ``It`` over a set."""

    fold: Fold
    number: Number
    of: Things


@dataclass(frozen=True)
class Count:
    """How many objects a set holds, or how many different colours, materials or kinds they have.

    Attributes:
        of: the set.
        different: "object" counts the objects; else what is counted once each, where it is known.
    """

    of: Things
    different: Literal["object", "colour", "material", "kind"] = "object"


# Conditions -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Related:
    """A relation between objects, seen from the viewer or from a point of view.

    Attributes:
        relation: its name.
        subject: what is said to be somewhere.
        anchors: one place, two (or one set of two) for "between", none for "at_wall" and
            "in_view"; the viewer for "on my left" and "behind me". None with a ``frame``: sides
            of who stands there.
        frame: point of view for left, right, front, behind; None for the viewer's.
    """

    relation: RelationName
    subject: Place
    anchors: tuple[Place, ...] = ()
    frame: Standing | None = None


@dataclass(frozen=True)
class Compare:
    """Whether a number is less or greater than another."""

    left: Number
    comparator: Comparator
    right: Number


@dataclass(frozen=True)
class Exists:
    """Whether a set holds at least one object."""

    of: Things


@dataclass(frozen=True)
class Has:
    """Whether an object has this colour, material or kind."""

    subject: Place
    attribute: AttributeName
    value: str


@dataclass(frozen=True)
class Not:
    """The opposite."""

    condition: Condition


@dataclass(frozen=True)
class All:
    """Whether every one of the conditions holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True)
class Any:
    """Whether at least one of the conditions holds."""

    of: tuple[Condition, ...]


# What is asked ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TellNumber:
    """A number in a unit; "" for the quantity's own."""

    number: Number
    unit: Unit = ""


@dataclass(frozen=True)
class TellWhether:
    """Yes or no, with a probability."""

    condition: Condition


@dataclass(frozen=True)
class TellObjects:
    """Objects.

    Attributes:
        things: which.
        one: whether exactly one is asked for: none is an error, several are AMBIGUOUS.
    """

    things: Things
    one: bool = False


@dataclass(frozen=True)
class TellDirection:
    """The direction of an object.

    Attributes:
        of: the object.
        form: how to say it: degrees (left positive), clock hour (12 ahead), "side" (left or
            right), "side_or_back", "quadrant" (front-left, ...) or any of them.
        frame: point of view; None for the viewer's.
        origin: for clock directions from another object against the viewer's heading; else None.
        relative_to: for sides of another object ("left or right of the crate"); else None.
    """

    of: Place
    form: DirectionForm = "any"
    frame: Standing | None = None
    origin: Place | None = None
    relative_to: Place | None = None


@dataclass(frozen=True)
class TellWhich:
    """Which of several conditions holds: "in front of or behind".

    Attributes:
        names: what to say for each of the conditions.
        conditions: as many.
    """

    names: tuple[str, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class TellAttribute:
    """Colour, material or kind of an object."""

    attribute: AttributeName
    of: Place


@dataclass(frozen=True)
class TellTurns:
    """Which way to turn at each stop of a route: left, right or back.

    Attributes:
        start: where the route begins.
        facing: what is faced there.
        stops: what is walked to, in this order; the turn before each is asked for.
    """

    start: Things
    facing: Things
    stops: tuple[Things, ...] = field(default_factory=tuple)


Things: TypeAlias = (
    Everything | Named | Those | RequestRegion | Filter | Rank | Union | Except | The
)
#: What has a place: an object (sets count as "the one object that fits"), It, or part of the room.
Place: TypeAlias = Things | It | Viewer | Floor | Ceiling | Room | Wall
Number: TypeAlias = Constant | Quantity | Arithmetic | Over | Count
Condition: TypeAlias = Related | Compare | Exists | Has | Not | All | Any
Program: TypeAlias = (
    TellNumber | TellWhether | TellObjects | TellDirection | TellWhich | TellAttribute | TellTurns
)
