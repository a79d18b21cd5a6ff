# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small parser for grammars written as readable patterns, each with the meaning it builds.

A rule names what it makes and how that is said::

    @grammar.rule("number", "[the] distance (between|from) {a:place} (and|to) {b:place}")
    def distance(a, b): ...

Words stand for themselves, ``[x]`` may be missing, ``(x|y)`` is a choice, ``NAME`` in capitals is a
macro (text put in its place), and ``{a:place}`` is whatever the rules of ``place`` make, handed to
the function as ``a``; ``{a:place}*`` any number of them, as a list. Commas in the question are
passed over wherever a pattern does not ask for them. A function that returns None refuses. A
pattern may begin with what it makes itself: "{a:number} plus {b:number}".

Every way to read a span of words is tried; of those that end at the same word the cheapest is kept
(Earley's idea with costs, as recursive descent with a table), so that time grows with the square
of the question's length and the same question always has the same reading. Patterns with a word
that the question does not have are never tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from spatialgeo_ros.query.rule_patterns import (
    Choice,
    Element,
    Patterns,
    Slot,
    Words,
    slots_of,
    words_of,
)
from spatialgeo_ros.query.tokens import COMMA

_DEEPEST = 60
_MOST_REPEATS = 8

#: How a reading came about: the pattern, and how its slots did.
Trace = tuple[Any, ...]
#: (end, value, cost, trace) of one reading of a span.
Reading = tuple[int, Any, float, Trace]
#: (end, value, cost) of what a terminal reads.
Found = tuple[int, Any, float]
#: Reads terminals: (state, position) -> what can be read there.
Terminal = Callable[["State", int], list[Found]]
_Match = tuple[int, tuple[tuple[str, Any], ...], float, Trace]


@dataclass(frozen=True, eq=False)
class Production:
    """One pattern of a rule.

    Attributes:
        rule: what it makes.
        pattern: as written.
        elements: compiled.
        build: its meaning.
        cost: of using it.
    """

    rule: str
    pattern: str
    elements: tuple[Element, ...]
    build: Callable[..., Any]
    cost: float


@dataclass
class State:
    """One question being read.

    Attributes:
        tokens: its words.
        context: handed to terminals.
        furthest: the last word that any rule reached.
    """

    tokens: Sequence[str]
    context: Any
    furthest: int = 0
    table: dict[tuple[str, int], list[Reading]] = field(default_factory=dict)
    possible: dict[str, tuple[list[Production], list[Production]]] = field(default_factory=dict)
    depth: int = 0

    def __post_init__(self) -> None:
        """Note which words there are."""
        self.words = frozenset(self.tokens)
        self.has = 0


class Grammar:
    """Rules by the name of what they make.

    Args:
        macros: text by name in capitals; macros may hold macros.
    """

    def __init__(self, macros: dict[str, str]) -> None:
        self._patterns = Patterns(macros)
        self._rules: dict[str, list[Production]] = {}
        self._terminals: dict[str, Terminal] = {}
        self._first: dict[str, frozenset[str] | None] = {}
        self._begins: dict[Production, frozenset[str] | None] = {}
        self._needs: dict[Production, int] = {}
        self._needed_by: dict[str, int] = {}

    @property
    def words(self) -> set[str]:
        """Every word that a pattern asks for."""
        return self._patterns.words

    def productions(self) -> list[Production]:
        """Return every pattern, in the order they were added."""
        return [production for rules in self._rules.values() for production in rules]

    def rule(
        self, name: str, *patterns: str, cost: float = 0.0
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add patterns that make a ``name``.

        Args:
            name: of what is made.
            *patterns: ways to say it.
            cost: what this reading costs against others of the same words.
        """

        def add(build: Callable[..., Any]) -> Callable[..., Any]:
            for pattern in patterns:
                elements = self._patterns.compile(pattern)
                production = Production(name, pattern, elements, build, cost)
                self._rules.setdefault(name, []).append(production)
            return build

        return add

    def terminal(self, name: str) -> Callable[[Terminal], Terminal]:
        """Add a function that reads a ``name`` from the words itself."""

        def add(read: Terminal) -> Terminal:
            self._terminals[name] = read
            return read

        return add

    def check(self) -> None:
        """Make sure that every slot has rules.

        Raises:
            ValueError: a pattern names something that nothing makes.
        """
        for production in self.productions():
            for slot in slots_of(production.elements):
                if slot.rule not in self._rules and slot.rule not in self._terminals:
                    raise ValueError(f"'{slot.rule}' in a rule of '{production.rule}' has no rules")
        self._note_words()

    def parse(
        self, name: str, state: State, start: int = 0, end: int | None = None
    ) -> list[Reading]:
        """Return what some of the words may mean as a ``name``, cheapest first.

        Args:
            name: of a rule.
            state: the question.
            start: first word.
            end: where the last word ends; None for the end of the question.
        """
        last = len(state.tokens) if end is None else end
        whole = [reading for reading in self._read(name, state, start) if reading[0] == last]
        return sorted(whole, key=lambda one: one[2])

    def beginning(self, name: str, state: State, position: int) -> list[Reading]:
        """Return what the words from ``position`` on begin with as a ``name``, longest first."""
        return self._read(name, state, position)

    # Reading

    def _read(self, name: str, state: State, position: int) -> list[Reading]:
        key = (name, position)
        if key in state.table:
            return state.table[key]
        state.table[key] = []  # what begins with itself is read below
        if state.depth > _DEEPEST:
            return []
        state.depth += 1
        best: dict[int, Reading] = {}
        plain, recursive = self._possible(name, state)
        if name in self._terminals:
            for end, value, cost in self._terminals[name](state, position):
                _keep(best, (end, value, cost, ()))
        tokens = state.tokens
        word = tokens[position] if position < len(tokens) else ""
        following = tokens[position + 1] if word == COMMA and position + 1 < len(tokens) else word
        for production in plain:
            first = self._begins[production]
            if first is None or word in first or following in first:
                for match in self._match(production.elements, 0, state, position):
                    _build(best, production, match)
        waiting = list(best.values()) if recursive else []
        while waiting:
            end, value, cost, trace = waiting.pop(0)
            for production in recursive:
                slot = production.elements[0]
                assert isinstance(slot, Slot)
                for last, slots, more, traces in self._match(production.elements, 1, state, end):
                    whole = (last, ((slot.name, value), *slots), cost + more, (trace, *traces))
                    kept = _build(best, production, whole)
                    if kept is not None:
                        waiting.append(kept)
        state.depth -= 1
        found = [best[end] for end in sorted(best, reverse=True)]
        state.table[key] = found
        return found

    def _possible(self, name: str, state: State) -> tuple[list[Production], list[Production]]:
        """Return the patterns whose words the question has; apart, those that begin with itself."""
        if name not in state.possible:
            if not state.has:
                for word in state.words:
                    state.has |= self._needed_by.get(word, 0)
                state.has |= 1
            plain: list[Production] = []
            recursive: list[Production] = []
            for production in self._rules.get(name, ()):
                if self._needs[production] & ~state.has:
                    continue
                first = production.elements[0]
                own = isinstance(first, Slot) and first.rule == name and not first.many
                (recursive if own else plain).append(production)
            state.possible[name] = (plain, recursive)
        return state.possible[name]

    def _match(
        self, elements: tuple[Element, ...], index: int, state: State, position: int
    ) -> Iterator[_Match]:
        """Yield every way the elements from ``index`` on can be read."""
        tokens = state.tokens
        while index < len(elements):
            element = elements[index]
            if not isinstance(element, Words):
                break
            if position < len(tokens) and tokens[position] not in element.words:
                position += tokens[position] == COMMA
            if position >= len(tokens) or tokens[position] not in element.words:
                return
            position += 1
            index += 1
        state.furthest = max(state.furthest, position)
        if index == len(elements):
            yield position, (), 0.0, ()
            return
        element = elements[index]
        if isinstance(element, Choice):
            word = tokens[position] if position < len(tokens) else ""
            for option in element.options:
                head = option[0] if option else None
                if isinstance(head, Words) and word not in head.words and word != COMMA:
                    continue
                if index + 1 == len(elements):
                    yield from self._match(option, 0, state, position)
                    continue
                for end, slots, cost, traces in self._match(option, 0, state, position):
                    for last, others, more, rest in self._match(elements, index + 1, state, end):
                        yield last, (*slots, *others), cost + more, (*traces, *rest)
            return
        assert isinstance(element, Slot)
        if element.many:
            for values, end, cost, traces in self._repeat(element, state, position):
                for last, slots, more, rest in self._match(elements, index + 1, state, end):
                    yield last, ((element.name, values), *slots), cost + more, (*traces, *rest)
            return
        first = self._first[element.rule]
        for start in _starts(tokens, position):
            if first is not None and (start >= len(tokens) or tokens[start] not in first):
                if start >= len(tokens) or tokens[start] != COMMA:
                    continue
            for end, value, cost, trace in self._read(element.rule, state, start):
                for last, slots, more, rest in self._match(elements, index + 1, state, end):
                    yield last, ((element.name, value), *slots), cost + more, (trace, *rest)

    def _repeat(
        self, slot: Slot, state: State, position: int, most: int = _MOST_REPEATS
    ) -> Iterator[tuple[list[Any], int, float, Trace]]:
        yield [], position, 0.0, ()
        if not most:
            return
        for start in _starts(state.tokens, position):
            for end, value, cost, trace in self._read(slot.rule, state, start):
                if end > start:
                    for values, last, more, rest in self._repeat(slot, state, end, most - 1):
                        yield [value, *values], last, cost + more, (trace, *rest)

    # What words a pattern needs, and which it can begin with

    def _note_words(self) -> None:
        """Number the sets of words that patterns need one word of, and note first words."""
        numbers: dict[frozenset[str], int] = {}
        for production in self.productions():
            needs = 1  # bit 0 is always there
            for words in words_of(production.elements):
                needs |= 2 << numbers.setdefault(words, len(numbers))
            self._needs[production] = needs
        for words, number in numbers.items():
            for word in words:
                self._needed_by[word] = self._needed_by.get(word, 0) | 2 << number
        self._first = {name: frozenset() for name in self._rules}
        self._first.update(dict.fromkeys(self._terminals))
        changed = True
        while changed:
            changed = False
            for name, productions in self._rules.items():
                if self._first[name] is None:
                    continue
                firsts = [self._beginnings(production.elements) for production in productions]
                known = [first for first in firsts if first is not None]
                joint = frozenset().union(*known) if len(known) == len(firsts) else None
                if joint != self._first[name]:
                    self._first[name] = joint
                    changed = True
        for production in self.productions():
            self._begins[production] = self._beginnings(production.elements)

    def _beginnings(self, elements: tuple[Element, ...]) -> frozenset[str] | None:
        """Return the words that a reading can begin with; None when anything can."""
        words: set[str] = set()
        for element in elements:
            if isinstance(element, Words):
                return frozenset(words | element.words)
            nullable = False
            if isinstance(element, Slot):
                firsts = [self._first[element.rule]]
                nullable = element.many
            else:
                firsts = [self._beginnings(option) for option in element.options if option]
                nullable = () in element.options
            for first in firsts:
                if first is None:
                    return None
                words |= first
            if not nullable:
                return frozenset(words)
        return None


def _starts(tokens: Sequence[str], position: int) -> tuple[int, ...]:
    """Return where a slot may begin: here, and behind a comma that stands here."""
    if position < len(tokens) and tokens[position] == COMMA:
        return (position, position + 1)
    return (position,)


def _keep(best: dict[int, Reading], reading: Reading) -> Reading | None:
    """Keep a reading if it is the cheapest that ends there."""
    end = reading[0]
    if end in best and best[end][2] <= reading[2]:
        return None
    best[end] = reading
    return reading


def _build(best: dict[int, Reading], production: Production, match: _Match) -> Reading | None:
    """Keep the meaning of a match if it is the cheapest that ends there and makes sense."""
    end, slots, cost, traces = match
    cost += production.cost
    if end in best and best[end][2] <= cost:
        return None
    value = production.build(**dict(slots))
    return None if value is None else _keep(best, (end, value, cost, (production, *traces)))
