# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a question asks: its family, what to measure, and the objects it names.

:func:`parse_question` matches the patterns of :mod:`spatialgeo_ros.query.question_rules`. A
question that no pattern fits is tried again with its typing errors repaired, and is "open" if that
fails too: then only the language model can answer it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.query.families import QUALITATIVE, QUANTITATIVE, REGION_PLACEHOLDER, UNNAMED
from spatialgeo_ros.query.grammar import MACROS, Rule
from spatialgeo_ros.query.language import other_language
from spatialgeo_ros.query.question_rules import RULES
from spatialgeo_ros.query.wording import (
    JOINED,
    NEVER_IN_PHRASE,
    joined,
    normalise,
    noun_phrases,
    repair,
    sentences,
    separated,
)

OPEN = "open"
#: Whether there is such a thing in view, and how many there are.
EXISTS, COUNT = PRESENCE = ("exists", "count")
#: Longest question in words that is matched against the patterns; longer ones are open.
MAX_PATTERN_WORDS = 60

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


def parse_question(question: str) -> Intent:
    """Understand a question in free wording.

    Raises:
        BadRequestError: the question holds no word, or is not in English.
    """
    words = normalise(question)
    language = other_language(question)
    if language:
        raise BadRequestError(
            f"this question looks {language}: in English, please, for example 'how far is the "
            "chair?'"
        )
    if not re.search(r"\w", words):
        raise BadRequestError("the question is empty: ask for example 'how far is the chair?'")
    if len(words.split()) <= MAX_PATTERN_WORDS:
        repaired = repair(words)
        for candidate in dict.fromkeys((words, repaired, joined(words), joined(repaired))):
            for sentence in sentences(candidate):
                intent = _match(sentence)
                if intent is not None:
                    return replace(intent, text=question)
    mentions = tuple(_mention(phrase, "") for phrase in noun_phrases(words))
    return Intent(question, OPEN, OPEN, objects=mentions)


_PLURAL_PRONOUNS = frozenset(
    "they|them|both|the two|these|those|these two|those two|each other|the two objects"
    "|the two regions|both objects|these objects|the objects|the regions".split("|")
)
_PRONOUNS = frozenset(
    "it|this|that|this one|that one|this object|that object|this thing|that thing|the object"
    "|the thing|the region|this region|object|the selected object".split("|")
)
_SELVES = frozenset(
    [*MACROS["self"].strip("()").split("|"), "i", "we", "this robot", "your camera", "your robot"]
    + ["where i am", "where you are", "your location", "my location", "yourselves", "the lens"]
)
_ARTICLES = re.compile(
    r"^(?:(?:the|a|an|my|your|our|its|his|her|their|this|that|these|those|some|any|both|of) )+"
)


def _match(sentence: str) -> Intent | None:
    for rule in RULES:
        found = rule.regex.fullmatch(sentence)
        if found is None:
            continue
        slots = {key: value.strip() for key, value in found.groupdict().items() if value}
        if rule.family != "closer":
            slots.pop("c", None)  # a number, in "within 2 metres"
        if all(_plausible(phrase) for phrase in slots.values()):
            intent = _understand(rule, slots)
            if intent is not None:
                return intent
    return None


def _plausible(phrase: str) -> bool:
    words = phrase.split()
    if phrase in _SELVES or phrase in _PLURAL_PRONOUNS:
        return True
    if len(words) > 8 or NEVER_IN_PHRASE.intersection(words):
        return False
    if re.match(r"(?:the )?(?:left|right|front|back|top) (?:(?:hand )?side )?of\b", phrase):
        return False  # a place beside something, not a thing
    if len(words) > 1 and words[-1] in _UNFINISHED or _PLACE.fullmatch(phrase):
        return False  # "the chair nearest" (to the door), "the left": part of a phrase
    if words[0] == "there":
        return False  # "is there ..." asks for no place
    # "the chair form the door": inside a phrase an article follows a preposition.
    return all(
        words[i - 1] in _PREPOSITIONS or words[i - 1] in JOINED
        for i in range(1, len(words))
        if words[i] in ("the", "a")
    )


_PLACE = re.compile(r"(?:(?:the|my|your|our) )?(?:far )?(?:left|right|middle)(?: hand)?(?: side)?")
#: Words that a preposition follows: a slot that ends in one was cut in two.
_PREPOSITIONS = frozenset(
    "in on of at by near with under over behind beside along against to inside above below beneath"
    " underneath atop".split()
)
_UNFINISHED = _PREPOSITIONS - {"inside", "above", "below", "behind"} | frozenset(
    "next close nearest closest farthest furthest adjacent front the a an that which".split()
)
_SELF_FAMILIES = {"distance": "camera_distance", "direction": "camera_direction"}


def _understand(rule: Rule, slots: dict[str, str]) -> Intent | None:
    """Turn a match into an intent; None when the roles make no sense (two robots)."""
    family, predicate = rule.family, rule.predicate
    selves = {role for role, phrase in slots.items() if phrase in _SELVES}
    named = {role: phrase for role, phrase in slots.items() if role not in selves}
    if {"a", "b"} <= selves or (selves and not named):
        return None
    about_self = bool(selves) or family in ("camera_distance", "camera_direction")
    if family == "closer" and "c" not in named:
        about_self = True
    if rule.family == "left_right" and set(slots) == {"a"}:
        about_self = True
    if family == "closer" and "a" in selves and {"b", "c"} <= set(named):
        # "am I closer to C than to B": which of the two is closer to me
        named = {"a": named["c"], "b": named["b"]}
        about_self = True
    elif "a" in selves and "b" in named:
        if family in ("direction",) or rule.form == "which":
            return None
        named = {"a": named.pop("b"), **named}
        predicate = _opposite(family, predicate)
    if selves & {"a", "b"}:
        family = _SELF_FAMILIES.get(family, family)
    # "how far apart are they", "which one is taller": the request's regions are meant.
    plural = named.get("a") in _PLURAL_PRONOUNS or rule.form == "which" and not slots
    if plural:
        mentions: list[Mention] = [Mention("", "a", 0), Mention("", "b", 1)]
    else:
        mentions = [
            _mention(named[role], {"c": "reference"}.get(role, role))
            for role in "abc"
            if role in named
        ]
    kinds = FAMILY_KINDS[family]
    if rule.nearest and family == "distance":
        kinds = ("NEAREST_POINTS",)
    if family == "closer" and "c" in named:
        kinds = ("CENTRE_TO_CENTRE",)
    return Intent("", family, rule.form, predicate, kinds, tuple(mentions), about_self)


def _opposite(family: str, predicate: str) -> str:
    if family not in QUALITATIVE or not predicate:
        return predicate
    words = QUALITATIVE[family]
    return words.less if predicate == words.greater else words.greater


def _mention(phrase: str, role: str) -> Mention:
    """Take a region number out of a phrase and its article off."""
    phrase = separated(phrase).strip()
    if phrase in _PRONOUNS:
        return Mention("", role, 0)
    if phrase == "the box":  # a region's outline, or where there are no regions a thing
        return Mention("box", role, 0)
    region: int | None = None
    found = re.search(r"(?:\b(?:in|at|marked|of) )?(?:\bthe )?\bregion (\d+)\b", phrase)
    if found is not None:
        region = int(found.group(1))
        phrase = f"{phrase[: found.start()]} {phrase[found.end() :]}".strip()
    phrase = _ARTICLES.sub("", " ".join(phrase.split()) + " ").strip()
    if region is not None and phrase in (UNNAMED, "thing", "s"):
        phrase = ""
    return Mention(phrase, role, region)


def canonical_question(intent: Intent, phrases: Sequence[str] | None = None) -> str | None:
    """Return the question in the wording the nano language model was trained in.

    Args:
        intent: what is asked.
        phrases: name of each mention of ``intent``, in order, in the model's vocabulary
            ("red sofa"); an empty name becomes "object". By default the mentions' own phrases.

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
    slots = {
        key: f"the {name or UNNAMED} {REGION_PLACEHOLDER}"
        for key, name in zip("ab", names, strict=False)
    }
    return template.format(**slots)
