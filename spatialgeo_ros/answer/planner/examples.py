# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a planner is told in words: rules, what quantities and relations mean, worked examples."""

from __future__ import annotations

from spatialgeo_ros.query.program import QuantityName, RelationName

RULES = """\
A person asks a robot about the room around it. Translate the question into one program. Geometry
runs the program on a map of measured objects; you never answer the question yourself.
Reply with one JSON object and nothing else: {"program": P}. P is a node of the group Program, or
{"op":"not_understood","words":W}. Every node is a JSON object with its name in "op".
1. Every condition of the question is in the program. If a part of it is none of the quantities,
relations and attributes below (weight, contents, use, price, feelings, plans, what would happen),
P is not_understood, and W is that part. Never leave a part out, never guess.
2. Invent no kinds, numbers or ids: kinds and numbers are those of the question, ids those of the
question before. A kind is a singular noun; prefer the word of the nouns in the map that means the
same. "thing" and "object" are everything.
3. An adjective that is no colour, material or size goes into "unknown" of named.
4. "the chair" is {"op":"the","of":SET}: exactly one is meant. "a chair" and "chairs" are sets.
5. Superlatives are rank with count 1; "second" has skip 1; greatest first is descending.
6. "it" is the object that a filter, rank or over looks at, never a word of the question: that is
those, with the ids of the question before.
7. I, you, me, here and the robot are viewer. A number has the unit in which it is said."""

#: What each quantity means, in as few words as may be.
QUANTITIES: dict[QuantityName, str] = {
    "width": "of one object, along its own x",
    "depth": "of one object, along its own y",
    "height": "of one object; of room: floor to ceiling",
    "length": "the longer horizontal side",
    "size": "width, depth and height at once",
    "volume": "big and small compare it",
    "area": "seen from above; of room: its floor",
    "bottom": "height of its lower side above the floor; of viewer: the camera's height",
    "top": "height of its upper side above the floor",
    "clearance": "free height under it",
    "first_seen": "seconds after the start",
    "last_seen": "seconds after the start",
    "unseen_for": "seconds since it was last seen",
    "order_seen": "by which an order of appearance is ranked",
    "bearing": "degrees to turn to it, left positive",
    "distance": "between two, centres; from viewer: to the nearest point",
    "gap": "free space between two, nearest points; near things are ranked by it",
    "passage": "free space between two on the floor: what passes between them",
    "horizontal": "between two, along the floor",
    "vertical": "between two, of their heights",
    "higher_by": "how much higher the first is than the second",
    "drive": "from the robot on the floor to it",
}
RELATIONS: dict[RelationName, str] = {
    "on": "lies or stands on",
    "supports": "carries: the converse of on",
    "above": "over it, touching or not",
    "below": "under it",
    "higher": "its centre is higher, anywhere",
    "lower": "its centre is lower, anywhere",
    "inside": "in it",
    "beside": "within 0.5 m: near, next to",
    "touching": "touches",
    "left": "as seen from viewer or frame; anchor viewer: on my left",
    "right": "likewise",
    "front": "likewise; anchor viewer: ahead of me",
    "behind": "likewise; anchor viewer: behind me",
    "between": "two anchors",
    "at_wall": "no anchor: against or near a wall",
    "in_view": "no anchor: seen now",
}

#: The question that the example with ids goes on from.
PREVIOUS = '"How far is the chair?" with the ids ["chair_1"]'

_CHAIR = '{"op":"the","of":{"op":"named","kind":"chair"}}'
_SOFA = '{"op":"the","of":{"op":"named","kind":"sofa"}}'
_TABLE = '{"op":"the","of":{"op":"named","kind":"table"}}'
_DOOR = '{"op":"the","of":{"op":"named","kind":"door"}}'
_WINDOW = '{"op":"the","of":{"op":"named","kind":"window"}}'
_FROM_ME = '{"op":"quantity","name":"distance","of":[{"op":"viewer"},{"op":"it"}]}'

#: Questions and their programs. Tests run each beside what the grammar reads, where it does.
EXAMPLES: tuple[tuple[str, str], ...] = (
    (
        "How far is the nearest chair, in feet?",
        '{"op":"tell_number","number":{"op":"quantity","name":"distance","of":[{"op":"viewer"},'
        '{"op":"the","of":{"op":"rank","of":{"op":"named","kind":"chair"},"by":'
        + _FROM_ME
        + ',"count":1}}]},"unit":"ft"}',
    ),
    (
        "how many red chairs are next to the table?",
        '{"op":"tell_number","number":{"op":"count","of":{"op":"filter","of":{"op":"named",'
        '"kind":"chair","colour":"red"},"where":{"op":"related","relation":"beside","subject":'
        '{"op":"it"},"anchors":[' + _TABLE + "]}}}}",
    ),
    (
        "Suppose I vacuum between the sofa and the table with a 35 cm head; does it go through?",
        '{"op":"tell_whether","condition":{"op":"compare","left":{"op":"quantity","name":"passage",'
        '"of":['
        + _SOFA
        + ","
        + _TABLE
        + ']},"comparator":">=","right":{"op":"constant","value":35,"unit":"cm"}}}',
    ),
    (
        "Am I closer to the door or to the window?",
        '{"op":"tell_objects","things":{"op":"rank","of":{"op":"union","of":['
        + _DOOR
        + ","
        + _WINDOW
        + ']},"by":'
        + _FROM_ME
        + ',"count":1},"one":true}',
    ),
    (
        "name whatever sits lower than my camera",
        '{"op":"tell_objects","things":{"op":"filter","of":{"op":"everything"},"where":{"op":'
        '"compare","left":{"op":"quantity","name":"top","of":[{"op":"it"}]},"comparator":"<",'
        '"right":{"op":"quantity","name":"bottom","of":[{"op":"viewer"}]}}}}',
    ),
    (
        "how much taller is the door than the chair?",
        '{"op":"tell_number","number":{"op":"arithmetic","operation":"difference","of":['
        '{"op":"quantity","name":"height","of":['
        + _DOOR
        + ']},{"op":"quantity","name":"height","of":['
        + _CHAIR
        + "]}]}}",
    ),
    (
        "what is the total width of all tables?",
        '{"op":"tell_number","number":{"op":"over","fold":"sum","number":{"op":"quantity",'
        '"name":"width","of":[{"op":"it"}]},"of":{"op":"named","kind":"table"}}}',
    ),
    (
        "Which way is the window from the door if I face the sofa there, on the clock?",
        '{"op":"tell_direction","of":'
        + _WINDOW
        + ',"form":"clock","frame":{"op":"standing","at":'
        + _DOOR
        + ',"facing":'
        + _SOFA
        + "}}",
    ),
    (
        "What colour is the chair that is not at the table?",
        '{"op":"tell_attribute","attribute":"colour","of":{"op":"the","of":{"op":"filter","of":'
        '{"op":"named","kind":"chair"},"where":{"op":"not","condition":{"op":"related","relation":'
        '"beside","subject":{"op":"it"},"anchors":[' + _TABLE + "]}}}}}",
    ),
    (
        "And how wide is it?",
        '{"op":"tell_number","number":{"op":"quantity","name":"width","of":[{"op":"the","of":'
        '{"op":"those","ids":["chair_1"]}}]}}',
    ),
    (
        "Is the wobbly chair near a wall?",
        '{"op":"tell_whether","condition":{"op":"related","relation":"at_wall","subject":{"op":'
        '"the","of":{"op":"named","kind":"chair","unknown":["wobbly"]}}}}',
    ),
    (
        "Is the chair heavy enough to block the door?",
        '{"op":"not_understood","words":"heavy enough to block"}',
    ),
)
