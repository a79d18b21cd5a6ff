# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The English grammar of questions: its macros, its words, and what one question is read with.

:mod:`.parser` puts the rules together. They stand, from small to large, in

- :mod:`.english_words`: nouns, colours, materials, numbers and amounts;
- :mod:`.english_rankings`, :mod:`.english_modifiers`: "second nearest", and what stands around
  nouns; :mod:`.english_phrases`, :mod:`.english_places`: noun phrases, places, lists and pairs;
- :mod:`.english_predicates`, :mod:`.english_limits`, :mod:`.english_about`: what is said of a
  thing;
- :mod:`.english_numbers`, :mod:`.english_sums`, :mod:`.english_together`: quantities, numbers
  made of numbers, things taken together;
- what is asked: :mod:`.english_asked` (properties, with question words), :mod:`.english_sizes`,
  :mod:`.english_distances`, :mod:`.english_comparisons`, :mod:`.english_directions`,
  :mod:`.english_views` (other points of view, routes), :mod:`.english_yes_no`,
  :mod:`.english_alternatives`, :mod:`.english_fits`, :mod:`.english_counts`,
  :mod:`.english_more_of`, :mod:`.english_lists`, :mod:`.english_chosen`, :mod:`.english_which`,
  :mod:`.english_times`;
- :mod:`.english_dialogue`: what goes on from the question before;
- :mod:`.english_talk`, :mod:`.english_rewrites`: what may stand around a question, and plainer
  words for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from spatialgeo_ros.query.program import Program, Things
from spatialgeo_ros.query.rule_engine import Grammar

#: Text by name in capitals; see :mod:`.rule_engine`.
MACROS = {
    "BE": "(is|are|was|were|be|being|am)",
    "DO": "(do|does|did|can|could|will|would|should|must|shall|may|might)",
    "HAVE": "(has|have|had|having)",
    "I": "(i|you|we|one|they|somebody|someone|anybody|anyone|people|[the|a|this|my|our] robot"
    "|he|she)",
    "ME": "(me|you|us|i|we|myself|yourself|ourselves|[the|this|your|my|our] (robot|camera|viewer"
    "|observer|rover|platform)|here|[the|your|my|our|this|its] [current] (position|viewpoint"
    "|standpoint|location|place|spot|lens) [of the (robot|camera)])",
    "WHERE_I_AM": "where (i|you|we|the robot) (am|are|is|stand|stands) [standing|located|now"
    "|right now|currently]",
    "STAND": "(stand|stands|standing|stood|sit|sits|sitting|sat|lie|lies|lying|lay|rest|rests"
    "|resting|hang|hangs|hanging|located|positioned|situated|placed|put|found|kept|mounted|set"
    "|appear|appears|seen|parked|stored|leaning|leans|hidden)",
    "EXACTLY": "(right|directly|immediately|just|exactly|straight|still|really|actually|currently"
    "|now|anywhere|somewhere|located|positioned|already|also|clearly|very|quite)",
    "ABOUT": "(about|approximately|roughly|exactly|around|precisely|at most|currently|approx)",
    "NOW": "(right now|now|at the moment|currently|at present|presently|today|from here"
    "|at this moment|just now)",
    "SO_FAR": "(so far|until now|up to now|by now|already|yet|to date|in total|altogether|overall"
    "|in all|all together|together|combined)",
    "HERE": "(here|up there|down there|in here|around here|there|in there|around|around you"
    "|around me|over there"
    "|nearby|present|available|anywhere|somewhere)",
    "IN_ROOM": "(in|on|within|inside|of|around|across|from) ([the|this|your|our|my|that] [whole"
    "|entire"
    "|current] (room|place|scene|world|map|area|space|building|environment|house|surroundings"
    "|workspace)|(this|the|that) (image|picture|photo|video))",
    "KNOWN": "(you|i|we|the robot) [have|can|could|did|do] [ever|already|currently] (know|knows"
    "|known|knew|mapped|map|remember|remembered|recorded|seen|saw|noticed|discovered|found|find"
    "|identified|identify|detected|detect|registered|observed|spotted) [of|about]",
    "FROM": "(from|to|of|off|until|till|up to|away from|relative to|with respect to|towards"
    "|toward)",
    "AWAY": "(away|off|distant|apart|far away|removed)",
    "DISTANCE": "(distance|distance measurement|separation|spacing|range|offset|length between)",
    "PLAIN": "(my|your|our|approximate|exact|estimated|total|overall|actual|real|rough|measured"
    "|current"
    "|straight line|euclidean|direct|precise|metric|approximated)",
    "GAP": "(gap|clearance|free space|clear space|empty space|free room|open space|space|room"
    "|air|headroom|clear distance|free distance|passage|aisle|corridor|lane|opening|free gap"
    "|(free|clear|open) width|spare room|spare space"
    "|leeway)",
    "SHORTEST": "(shortest|minimum|minimal|smallest|closest|nearest|least|narrowest|tightest)",
    "HORIZONTAL": "(horizontal|lateral|ground|ground plane|planar|floor|in plane)",
    "HORIZONTALLY": "[only|just|purely] (horizontally|without (regard to|considering|counting"
    "|regarding|taking into account) [the] (height|heights|height difference)|(on|in) (a|the)"
    " floor plan|laterally|(along|on|across|over|in) the (floor|ground)"
    "|in [the] horizontal (plane|direction)|on the floor plan|(in|on) the (ground|floor) plane"
    "|in the horizontal|in"
    " plan"
    "|seen from above|[if] [you|i|we] (ignoring|ignore|neglect|neglecting|disregard|disregarding)"
    " [the|any|all] (height|heights|height difference|vertical part)|on the ground only"
    "|measured (on|along) the (ground|floor) [only])",
    "VERTICAL": "(vertical|elevation)",
    "VERTICALLY": "[only|just|purely] (vertically|in height|in elevation|in [the] vertical"
    " [direction])",
    "SEEN_FROM_ME": "[as] [seen|viewed|looking|judged|observed|measured] (from|by) ([the|your|my"
    "|our]"
    " [current]"
    " (point of view|viewpoint|perspective|view|position|camera|robot|side|vantage point)"
    "|[the|your|my] (camera|robot|viewer|observer) _s (point of view|viewpoint|perspective|view"
    "|position)"
    "|you|me|here|the robot|WHERE_I_AM)",
    "THAN": "(than|then|compared to|compared with|as compared to|in comparison to|in comparison"
    " with"
    "|relative to|versus)",
    "FACE": "(face|faces|facing|look at|looks at|looking at|look to|looks to|looking to"
    "|look toward|look towards|looking toward|looking towards|watch|watching|face toward"
    "|face towards|facing toward|facing towards|facing to|turned to|turned toward|turned towards"
    "|oriented to|oriented towards|pointed at|see|gaze at|gazing at|looking|orientated towards"
    "|directed at|directed towards|staring at|stare at|look in the direction of"
    "|looking in the direction of)",
    "TURN": "(turn|rotate|spin|swivel|pan|yaw)",
    "WANT_TO": "(would like to|want to|need to|have to|plan to|am going to|intend to|must|wish to)",
    "PLACE": "(put|lay|place|fit|park|drive|push|move|get|set|squeeze|store|carry)",
    "ADJECTIVE": "(wide|broad|tall|high|deep|long)",
    "SIDE": "(width|height|depth|length|breadth)",
    "DIMENSIONS": "([exact|outer|overall] (dimensions|measurements|measures|dimension|proportions)"
    "|dims|measures|bounding box [size]"
    "|SIDE [and] SIDE and SIDE|SIDE SIDE SIDE|size in all (three|3)"
    " (dimensions|directions)|length and width|width and length)",
    "COLOUR": "(colour|color|shade|hue|tint)",
    "CENTER": "(center|middle|midpoint|centre point|center point)",
    "EXCEPT": "(except|except for|but not|excluding|besides|other than|apart from|aside from"
    "|without"
    "|but|not counting|ignoring|leaving out|not including"
    "|(if|when) I (ignore|disregard|exclude|skip|leave out))",
    "AND_NOW": "[and|so|ok|okay|then|now|but|also|well] [,]",
    "CLOCK": "(oclock|clock [position|direction|hour|angle]|hour [on the clock])",
    "DEGREES": "(degrees|degree|deg)",
    "ANGLE": "(angle|bearing|heading|azimuth|angular direction|turn angle|turning angle"
    "|rotation angle|relative bearing|horizontal angle)",
    "DIRECTION": "(direction|way)",
    "THING_WORD": "(object|objects|thing|things|item|items|one|ones|stuff)",
    "OBJ": "(object|thing|item|one)",
    "OBJS": "(objects|things|items|ones|stuff)",
    "WHAT": "(what|who|what kind of|what sort of|which|whichever|what all)",
    "TELL": "(tell me|show me|give me|say|list|name|find me|enumerate|report|print|output|display"
    "|tell us|give us|show|identify|mention|return)",
}

grammar = Grammar(MACROS)


@dataclass(frozen=True)
class Dialogue:
    """What the question before was about; empty at the start.

    Attributes:
        program: that was run for it, or None.
        objects: ids of the objects of its answer.
        mentioned: things that a sentence before the question names; used where there are no
            objects.
    """

    program: Program | None = None
    objects: tuple[str, ...] = ()
    mentioned: tuple[Things, ...] = ()


@dataclass(frozen=True)
class Context:
    """What one question is read with.

    Attributes:
        nouns: names of things beside the table's: the labels in the map.
        dialogue: the question before.
        regions: how many regions the request has.
        story: words of a sentence before the question.
    """

    nouns: frozenset[str] = frozenset()
    dialogue: Dialogue = field(default_factory=Dialogue)
    regions: int = 0
    story: tuple[str, ...] = ()
