# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of a thing: relations, limits, comparisons. A predicate is a condition about It."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_words import Noun
from spatialgeo_ros.query.program import (
    All,
    Any,
    Ceiling,
    Comparator,
    Compare,
    Condition,
    Constant,
    Floor,
    Has,
    It,
    Not,
    Place,
    Quantity,
    Related,
    RelationName,
    Things,
    Viewer,
    Wall,
)
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule
#: Things this little above the floor stand on it, metres.
_ON_FLOOR = 0.05

# Relations --------------------------------------------------------------------------------------

_RELATIONS: dict[RelationName, str] = {
    "on": "(on|on top of|atop|upon|ontop of|resting on|on the top of)",
    "inside": "(in|inside|inside of|within|contained in)",
    "above": "(above|over)",
    "below": "(below|under|underneath|beneath)",
    "beside": "(next to|beside|near|near to|close to|by|adjacent to|alongside|nearby|at"
    "|in the (vicinity|neighbourhood|neighborhood) of|around|close by|in reach of|not far from"
    "|at the side of|neighbouring|[a] (neighbour|neighbor) of|in close (vicinity|proximity) of"
    "|in close proximity to|in the (proximity|immediate vicinity|close vicinity) of|anywhere near"
    "|neighboring|beside of|by the side of|near by|right by|at the side of)",
    "left": "([to|on|at] [the|more] [to|on] [the] left [side|hand side] (of|from|with respect"
    " to|relative to|compared to"
    "|THAN)|more to the left than|further left than"
    "|left from|to the left from)",
    "right": "([to|on|at] [the|more] [to|on] [the] right [side|hand side] (of|from|with respect"
    " to|relative to|compared to"
    "|THAN)|more to the right than"
    "|further right than|right from|to the right from)",
    "front": "(in front of|before|ahead of|at the front of|in the front of|closer to ME than)",
    "behind": "(behind|in back of|at the back of|in the back of|behind of|beyond|in the rear of"
    "|to the rear of|at the rear of|(farther|further) back than)",
    "touching": "(touching|in contact with|up against|against|leaning against|leaning on|in touch"
    " with)",
    "supports": "(supporting|carrying|holding)",
    "higher": "(higher [up]|further up|at a (greater|higher) (height|level|position|place)) THAN",
    "lower": "(lower [down]|further down|at a (lower|smaller) (height|level|position|place)) THAN",
}
_VERBS: dict[RelationName, str] = {
    "touching": "(touch|touches|contact|contacts|lean against|leans against)",
    "supports": "(carry|carries|support|supports|hold|holds|have on it|has on it)",
    "beside": "(neighbour|neighbours|neighbor|neighbors)",
}


def _relation(name: str, relation: RelationName, words: str) -> None:
    @rule(name, f"[STAND|EXACTLY] [EXACTLY] {words} {{anchor:place}} [SEEN_FROM_ME]")
    def related(anchor: Place) -> Condition | None:
        return relation_to(relation, anchor)


def relation_to(relation: RelationName, anchor: Place) -> Condition | None:
    """Return the condition that It has a relation to a place; None where that makes no sense."""
    if isinstance(anchor, Floor):
        low = Compare(Quantity("bottom", (It(),)), "<", Constant(_ON_FLOOR, "m"))
        on_floor: dict[str, Condition] = {"on": low, "above": Not(low), "touching": low}
        return on_floor.get(relation)
    if isinstance(anchor, Wall):
        near: tuple[RelationName, ...] = ("beside", "touching", "on", "front")
        return Related("at_wall", It()) if relation in near else None
    if isinstance(anchor, Ceiling):
        return None
    if isinstance(anchor, Viewer) and relation in ("on", "inside", "touching", "above", "below"):
        return None
    return Related(relation, It(), (anchor,))


for _name, _words in _RELATIONS.items():
    _relation("relation", _name, _words)
for _name, _words in _VERBS.items():
    _relation("verb_predicate", _name, _words)


@rule("relation", "[STAND|EXACTLY] (on|to|at) {anchor:thing} _s left [side|hand side]")
def _on_its_left(anchor: Things) -> Condition:
    return Related("left", It(), (anchor,))


@rule("relation", "[STAND|EXACTLY] (on|to|at) {anchor:thing} _s right [side|hand side]")
def _on_its_right(anchor: Things) -> Condition:
    return Related("right", It(), (anchor,))


@rule(
    "relation",
    "[STAND|EXACTLY] (on|to|at) (my|your|our|the) left [side|hand side|hand] [of ME]"
    " [SEEN_FROM_ME]",
    "[STAND] left of ME",
    "[STAND] (on|to) the left [side|hand side] of ME",
)
def _on_my_left() -> Condition:
    return Related("left", It(), (Viewer(),))


@rule(
    "relation",
    "[STAND|EXACTLY] (on|to|at) (my|your|our|the) right [side|hand side|hand] [of ME]"
    " [SEEN_FROM_ME]",
    "[STAND] right of ME",
    "[STAND] (on|to) the right [side|hand side] of ME",
)
def _on_my_right() -> Condition:
    return Related("right", It(), (Viewer(),))


@rule(
    "relation",
    "[STAND|EXACTLY] (ahead|straight ahead|in front|up ahead)",
    "ahead of ME",
    "[STAND] (on|at) (my|your|the) front",
)
def _ahead() -> Condition:
    return Related("front", It(), (Viewer(),))


@rule(
    "relation",
    "[STAND|EXACTLY] (behind|in the back|to my back|at my back|in my back|at the back)",
    "(on|at|to) (my|your|the) (back|rear) [of ME]",
    "behind (my|your|our) back",
)
def _at_my_back() -> Condition:
    return Related("behind", It(), (Viewer(),))


@rule(
    "relation",
    "[STAND|EXACTLY] [EXACTLY] [in|in the space|somewhere in] between {pair} [SEEN_FROM_ME]",
    "[STAND|EXACTLY] in the middle (of|between) {pair}",
)
def _between(pair: tuple[Things, Things]) -> Condition:
    return Related("between", It(), pair)


@rule(
    "relation",
    "[STAND|EXACTLY] between ME and {place}",
    "[STAND|EXACTLY] between {place} and ME",
)
def _between_me(place: Place) -> Condition:
    return Related("between", It(), (Viewer(), place))


@rule(
    "relation",
    "[STAND|EXACTLY|leaning] (against|at|along|on|by|next to|near|beside) {wall}",
    "(hanging|mounted) on {wall}",
)
def _at_wall(wall: Wall) -> Condition:
    return Related("at_wall", It())


@rule(
    "relation",
    "[EXACTLY] (in|within) [the|my|your|our] [current] (view|sight|field of view|camera"
    " view|image|frame|camera image|picture) [NOW]",
    "[EXACTLY] (visible|seen|in view|in sight) [to ME|from here|for ME|by ME] [NOW]",
    "[that] I [can|could] [currently] see [NOW]",
    "[that] [the] [your] (camera|robot) [can] (see|sees) [NOW]",
    "visible (in|to|for) [the|your] (camera|image|view) [NOW]",
)
def _in_view() -> Condition:
    return Related("in_view", It())


@rule(
    "relation",
    "(not|no longer|out of) (visible|in view|in sight|view|sight|seen) [NOW]",
    "that I can not see [NOW]",
    "hidden [from ME]",
)
def _out_of_view() -> Condition:
    return Not(Related("in_view", It()))


# What it is -------------------------------------------------------------------------------------


@rule(
    "predicate",
    "[of] [the] [colour|color] {colour} [in] [colour|color|coloured]",
    "(coloured|colored|painted) {colour}",
)
def _is_coloured(colour: str) -> Condition:
    return Has(It(), "colour", colour)


@rule(
    "predicate",
    "[made|built] [out] (of|from) {material}",
    "{material}",
    "[a|an] {material} [one|thing|object]",
)
def _is_of(material: str) -> Condition:
    return Has(It(), "material", material)


@rule("predicate", "[a] {colour} one")
def _is_coloured_one(colour: str) -> Condition:
    return Has(It(), "colour", colour)


@rule("predicate", "[a|an] {noun}")
def _is_kind(noun: Noun) -> Condition | None:
    if not noun.kind or noun.one or not noun.known:
        return None
    return Has(It(), "kind", noun.kind)


@rule("predicate", "(not|n't|no) {predicate}")
def _not(predicate: Condition) -> Condition:
    return Not(predicate)


@rule("relation", "not {relation}")
def _not_related(relation: Condition) -> Condition:
    return Not(relation)


@rule("predicate", "{relation}")
def _relation_predicate(relation: Condition) -> Condition:
    return relation


@rule("predicates_and", "{predicate}")
@rule("predicates", "{predicate}")
def _single(predicate: Condition) -> Condition:
    return predicate


@rule("predicates_and", "[both] {left:predicate} (and|but|and also) {right:predicates_and}")
@rule("predicates", "[both] {left:predicate} (and|but|and also) {right:predicates}")
def _and(left: Condition, right: Condition) -> Condition:
    return All((left, right))


@rule("predicates", "[either] {left:predicate} or {right:predicates}", cost=0.5)
def _or(left: Condition, right: Condition) -> Condition:
    return Any((left, right))


@rule("predicate", "neither {left:predicate} nor {right:predicate}")
def _neither(left: Condition, right: Condition) -> Condition:
    return All((Not(left), Not(right)))


@rule("relation", "not seen (for|since|in|within) [the last] [{more_than}] {amount}")
def _not_seen_for(amount: Constant, more_than: Comparator = ">") -> Condition | None:
    if kind_of(amount.unit) != "time":
        return None
    return Compare(Quantity("unseen_for", (It(),)), more_than, amount)


_HALF_HOUR = 15.0  # degrees


@rule("relation", "[STAND] [EXACTLY] at [your|my] {hour:cardinal} CLOCK [FROM ME]")
def _at_hour(hour: int) -> Condition | None:
    """Return whether It lies within half an hour of a clock direction."""
    if not 1 <= hour <= 12:
        return None
    middle = -30.0 * hour if hour <= 6 else 360.0 - 30.0 * hour
    bearing = Quantity("bearing", (It(),))
    low, high = middle - _HALF_HOUR, middle + _HALF_HOUR
    if low < -180:
        after = Compare(bearing, ">", Constant(low + 360, "deg"))
        return Any((after, Compare(bearing, "<=", Constant(high, "deg"))))
    above = Compare(bearing, ">", Constant(low, "deg"))
    return All((above, Compare(bearing, "<=", Constant(high, "deg"))))
