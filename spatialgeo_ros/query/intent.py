# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which family of trained questions a program belongs to, and the objects that it names.

The families are those that language models for space are trained and judged in
(:mod:`spatialgeo_ros.query.families`): how the nano model is asked, how a model's words are read,
and what is measured on the points of an image rather than in the map. A program that belongs to
none of them is "open" here; the map may answer it all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.families import QUALITATIVE, QUANTITATIVE, REGION_PLACEHOLDER, UNNAMED
from spatialgeo_ros.query.program import Place, Program, Quantity, Viewer
from spatialgeo_ros.query.program_words import things_in_words

OPEN = "open"
#: How the nano language model was trained to read an object: its name, then its region.
NAMED_REGION = f"the {{name}} {REGION_PLACEHOLDER}"
#: Whether there is such a thing in view, and how many there are.
EXISTS, COUNT = PRESENCE = ("exists", "count")

#: Names of :class:`spatialgeo_ros.geometry.distance.Kind` to measure for each family.
FAMILY_KINDS: dict[str, tuple[str, ...]] = {
    "width": ("WIDTH",),
    "height": ("HEIGHT",),
    "depth": ("DEPTH_EXTENT",),
    "size": ("WIDTH", "DEPTH_EXTENT", "HEIGHT"),
    "distance": ("CENTRE_TO_CENTRE",),
    "horizontal_distance": ("HORIZONTAL",),
    "vertical_distance": ("VERTICAL",),
    "camera_distance": ("CAMERA_TO_OBJECT",),
    "direction": ("HORIZONTAL",),
    "camera_direction": ("CAMERA_TO_OBJECT",),
    "left_right": (),
    "above_below": ("VERTICAL",),
    "front_behind": (),
    "big_small": ("WIDTH", "DEPTH_EXTENT", "HEIGHT"),
    "tall_short": ("HEIGHT",),
    "wide_thin": ("WIDTH",),
    "closer": ("CAMERA_TO_OBJECT",),
    EXISTS: (),
    COUNT: (),
    OPEN: (),
}


@dataclass(frozen=True)
class Mention:
    """One object a question names.

    Attributes:
        phrase: words without the article ("red chair"); "" when only a region is named.
        role: "a" for the subject, "b" for the object compared with or measured from, "reference"
            for the object that two others are closer to or further from; "" in an open question.
        region: index of the request's region that is meant, or None.
    """

    phrase: str
    role: str
    region: int | None = None

    @property
    def label(self) -> str:
        """What to call the object in an answer."""
        return self.phrase or (f"region {self.region}" if self.region is not None else UNNAMED)


@dataclass(frozen=True)
class Intent:
    """A question understood.

    Attributes:
        text: the question as asked.
        family: a key of :data:`FAMILY_KINDS`.
        form: "value", "yes_no", "choice", "which" (of two objects), "difference" (of one quantity
            between two objects) or "open"; "yes_no" for "exists" and "value" for "count".
        predicate: the word a yes/no, which or difference question asks about ("left", "taller").
        kinds: names of the distance kinds to measure, in the order of an answer. For a comparison
            each is measured for both objects.
        objects: the objects named, without the robot itself, in the order a, b, reference. Fewer
            than the family needs when the question leaves them to the request's regions.
        about_self: whether the robot (me, you, the camera) is one of the two ends.
    """

    text: str
    family: str
    form: str
    predicate: str = ""
    kinds: tuple[str, ...] = ()
    objects: tuple[Mention, ...] = ()
    about_self: bool = False

    @property
    def clock(self) -> bool:
        """Whether the answer is a direction on the clock."""
        return self.family in ("direction", "camera_direction")

    @property
    def comparative(self) -> bool:
        """Whether two objects are compared."""
        return self.family in QUALITATIVE

    @property
    def reference(self) -> Mention | None:
        """The object that "closer" refers to, when it is not the robot."""
        return next((m for m in self.objects if m.role == "reference"), None)

    @property
    def objects_needed(self) -> int:
        """How many phrases an answer needs (0 for an open question)."""
        if self.family == OPEN:
            return 0
        if self.family in PRESENCE:
            return 1
        if self.reference is not None:
            return 3
        single = self.family == "size" or self.about_self and self.family != "closer"
        if single:
            return 1
        return QUANTITATIVE[self.family].objects if self.family in QUANTITATIVE else 2


#: Family and kinds of a quantity of one object, and of one between two.
_ONE: dict[str, str] = {"width": "width", "height": "height", "depth": "depth", "size": "size"}
_TWO: dict[str, str] = {
    "distance": "distance",
    "gap": "distance",
    "horizontal": "horizontal_distance",
    "vertical": "vertical_distance",
    "higher_by": "vertical_distance",
}
#: Family of a compared quantity; its first word holds where the quantity is greater.
_COMPARED: dict[str, str] = {"height": "tall_short", "width": "wide_thin", "volume": "big_small"}
#: Height of the middle of a thing.
_MIDDLE = nodes.Arithmetic(
    "mean", (Quantity("top", (nodes.It(),)), Quantity("bottom", (nodes.It(),)))
)
#: Family and predicate of a relation.
_RELATED: dict[str, tuple[str, str]] = {
    "left": ("left_right", "left"),
    "right": ("left_right", "right"),
    "front": ("front_behind", "front"),
    "behind": ("front_behind", "behind"),
    "higher": ("above_below", "above"),
    "lower": ("above_below", "below"),
    "above": ("above_below", "above"),
    "below": ("above_below", "below"),
}


def intent_of(program: Program | None, question: str) -> Intent:
    """Return the family of a program with the objects it names; "open" for any other program."""
    view = _VIEWS.get(type(program))
    intent = None if view is None else view(program)
    return Intent(question, OPEN, OPEN) if intent is None else replace(intent, text=question)


def _intent(
    family: str, form: str, things: Sequence[Place], predicate: str = "", **more: Any
) -> Intent | None:
    """Make an intent of named things and the viewer; None where a place is neither."""
    named = [one for one in things if not isinstance(one, Viewer)]
    if not named or len(things) - len(named) > 1:
        return None
    mentions = [_mention(one, role) for one, role in zip(named, ("a", "b", "reference"))]  # noqa: B905
    if any(mention is None for mention in mentions):
        return None
    about_self = len(named) < len(things) or bool(more.pop("about_self", False))
    kinds = more.pop("kinds", FAMILY_KINDS[family])
    return Intent("", family, form, predicate, kinds, tuple(mentions), about_self)  # type: ignore[arg-type]


def _mention(place: Place, role: str) -> Mention | None:
    if isinstance(place, nodes.RequestRegion):
        return Mention(place.words, role, place.index)
    if isinstance(place, nodes.The) and isinstance(place.of, nodes.RequestRegion):
        return _mention(place.of, role)
    if isinstance(place, nodes.The) and place.count == 1 and _sayable(place.of):
        return Mention(things_in_words(place.of), role)
    return None


def _sayable(things: nodes.Things) -> bool:
    """Tell whether a set's words say it all to whoever looks for things in an image."""
    if isinstance(things, nodes.Named):
        return bool(things.kind) and not things.material
    if isinstance(things, nodes.Filter):
        where = things.where
        return isinstance(where, nodes.Related) and where.frame is None and _sayable(things.of)
    if isinstance(things, nodes.Rank):
        return isinstance(things.by, Quantity) and things.count == 1 and _sayable(things.of)
    return False


def _number(program: nodes.TellNumber) -> Intent | None:
    number = program.number
    if isinstance(number, nodes.Count):
        return _presence(COUNT, "value", number.of)
    if isinstance(number, nodes.Arithmetic):
        return _difference(number)
    if not isinstance(number, Quantity) or number.frame is not None:
        return None
    if number.name == "distance" and any(isinstance(one, Viewer) for one in number.of):
        return _intent("camera_distance", "value", number.of)
    if number.name in _ONE and len(number.of) == 1:
        return _intent(_ONE[number.name], "value", number.of)
    if number.name in _TWO and len(number.of) == 2:
        family = _TWO[number.name]
        if number.name == "gap":
            return _intent(family, "value", number.of, kinds=("NEAREST_POINTS",))
        return _intent(family, "value", number.of)
    return None


def _difference(number: nodes.Arithmetic) -> Intent | None:
    if number.operation != "difference" or len(number.of) != 2:
        return None
    compared = _compared(*number.of, greater=True)
    return None if compared is None else replace(compared, form="difference")


def _compared(left: nodes.Number, right: nodes.Number, greater: bool) -> Intent | None:
    """Return what is compared: the same quantity of two things."""
    if not isinstance(left, Quantity) or not isinstance(right, Quantity) or left.name != right.name:
        return None
    if left.name in _COMPARED:
        family = _COMPARED[left.name]
        words = QUALITATIVE[family]
        predicate = words.greater if greater else words.less
        return _intent(family, "yes_no", (*left.of, *right.of), predicate)
    if left.name not in ("distance", "gap"):
        return None
    mine, theirs = set(left.of), set(right.of)
    shared = [one for one in left.of if one in theirs]
    if len(shared) != 1:
        return None
    a = next(one for one in left.of if one not in shared)
    b = next((one for one in right.of if one not in mine), None)
    return None if b is None else _closer(a, b, shared[0], "yes_no", greater)


def _closer(a: Place, b: Place, anchor: Place, form: str, farther: bool) -> Intent | None:
    predicate = "further" if farther else "closer"
    if isinstance(anchor, Viewer):
        return _intent("closer", form, (a, b), predicate, about_self=True)
    kinds = ("CENTRE_TO_CENTRE",)
    return _intent("closer", form, (a, b, anchor), predicate, kinds=kinds)


def _whether(program: nodes.TellWhether) -> Intent | None:
    condition = program.condition
    if isinstance(condition, nodes.Exists):
        return _presence(EXISTS, "yes_no", condition.of)
    if isinstance(condition, nodes.Compare):
        if condition.comparator not in ("<", ">"):
            return None
        return _compared(condition.left, condition.right, condition.comparator == ">")
    if isinstance(condition, nodes.Related):
        return _related(condition)
    return None


def _related(condition: nodes.Related) -> Intent | None:
    if condition.relation not in _RELATED or condition.frame is not None:
        return None
    family, predicate = _RELATED[condition.relation]
    return _intent(family, "yes_no", (condition.subject, *condition.anchors), predicate)


def _presence(family: str, form: str, things: nodes.Things) -> Intent | None:
    """Presence of things by their name: what a detector can look for."""
    if not isinstance(things, nodes.Named) or not things.kind:
        return None
    words = " ".join(word for word in (things.colour, things.material, things.kind) if word)
    return Intent("", family, form, "", (), (Mention(words, "a"),))


def _objects(program: nodes.TellObjects) -> Intent | None:
    """Which of two is taller, closer, more to the left."""
    things = program.things
    if isinstance(things, nodes.Union):
        return _one_beyond_the_other(things)
    if not isinstance(things, nodes.Rank) or not isinstance(things.of, nodes.Union):
        return None
    if len(things.of.of) != 2 or (things.skip, things.count) != (0, 1):
        return None
    a, b = things.of.of
    if things.by == _MIDDLE:
        return _intent("above_below", "which", (a, b), "above" if things.descending else "below")
    if not isinstance(things.by, Quantity):
        return None
    name, greater = things.by.name, things.descending
    if name in _COMPARED:
        words = QUALITATIVE[_COMPARED[name]]
        predicate = words.greater if greater else words.less
        return _intent(_COMPARED[name], "which", (a, b), predicate)
    if name == "bearing" and things.by.frame is None:
        return _intent("left_right", "which", (a, b), "left" if greater else "right")
    if name in ("top", "bottom"):
        return _intent("above_below", "which", (a, b), "above" if greater else "below")
    if name in ("distance", "gap"):
        anchor = next((one for one in things.by.of if not isinstance(one, nodes.It)), None)
        return None if anchor is None else _closer(a, b, anchor, "which", greater)
    return None


def _one_beyond_the_other(things: nodes.Union) -> Intent | None:
    """Which of two is farther back: the one that is behind the other."""
    halves = [one for one in things.of if isinstance(one, nodes.Filter)]
    where = [one.where for one in halves]
    if len(halves) != 2 or len(things.of) != 2:
        return None
    a, b = (one.of for one in halves)
    for relation in ("behind", "front"):
        swapped = [nodes.Related(relation, nodes.It(), (one,)) for one in (b, a)]  # type: ignore[arg-type]
        if where == swapped:
            return _intent("front_behind", "which", (a, b), relation)
    return None


def _which(program: nodes.TellWhich) -> Intent | None:
    first = program.conditions[0]
    if isinstance(first, nodes.Related):
        intent = _related(first)
    elif isinstance(first, nodes.Compare):
        intent = _compared(first.left, first.right, first.comparator == ">")
    else:
        intent = None
    return None if intent is None else replace(intent, form="choice")


def _direction(program: nodes.TellDirection) -> Intent | None:
    if program.frame is not None:
        return None
    if program.form == "side":
        other = Viewer() if program.relative_to is None else program.relative_to
        return _intent("left_right", "choice", (program.of, other))
    if program.form not in ("clock", "any") or program.relative_to is not None:
        return None
    if program.origin is not None:
        return _intent("direction", "value", (program.of, program.origin))
    return _intent("camera_direction", "value", (program.of,), about_self=True)


_VIEWS: dict[type, Callable[[Any], Intent | None]] = {
    nodes.TellNumber: _number,
    nodes.TellWhether: _whether,
    nodes.TellObjects: _objects,
    nodes.TellWhich: _which,
    nodes.TellDirection: _direction,
}


def canonical_question(
    intent: Intent, phrases: Sequence[str] | None = None, slot: str = NAMED_REGION
) -> str | None:
    """Return the question in the wording the nano language model was trained in.

    Args:
        intent: what is asked.
        phrases: name of each mention of ``intent``, in order, in the model's vocabulary
            ("red sofa"); an empty name becomes "object". By default the mentions' own phrases.
        slot: how an object is written, with ``{name}`` for its name.

    Returns:
        Text with a ``<region>`` after each phrase, in the order of the mentions; None when the nano
        model was not trained to answer this (open questions, sizes, differences, comparisons with
        the robot or with a third object, or fewer objects than needed). A question for the gap
        between nearest points becomes one for the distance of centres.
    """
    names = [mention.phrase for mention in intent.objects] if phrases is None else list(phrases)
    comparative = intent.family in QUALITATIVE
    if (
        intent.family not in (*QUANTITATIVE, *QUALITATIVE)
        or intent.form == "difference"
        or intent.reference is not None
        or len(names) != intent.objects_needed
        or (comparative and len(names) != 2)
        or (intent.about_self and intent.family in ("horizontal_distance", "vertical_distance"))
    ):
        return None
    if not comparative:
        template = QUANTITATIVE[intent.family].questions[0]
    else:
        words = QUALITATIVE[intent.family]
        template = {
            "yes_no": words.yes_no.get(intent.predicate, ("",))[0],
            "choice": words.choice[0],
            "which": words.which.get(intent.predicate, ("",))[0],
        }[intent.form]
    slots = {key: slot.format(name=name or UNNAMED) for key, name in zip("ab", names, strict=False)}
    return template.format(**slots)
