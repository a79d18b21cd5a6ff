# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small parser for grammars written as readable patterns, each with the meaning it builds.

A rule names what it makes and how that is said::

    @grammar.rule("number", "[the] distance (between|from) {a:place} (and|to) {b:place}")
    def distance(a, b): ...

Words stand for themselves, ``[x]`` may be missing, ``(x|y)`` is a choice, ``NAME`` in capitals is a
macro (text put in its place), and ``{a:place}`` is whatever the rules of ``place`` make, handed to
the function as ``a``; ``{a:place}*`` any number of them, as a list. Commas in the question are
passed over wherever a pattern does not ask for them. A function that returns None refuses.

Every way to read a span of words is tried; of those that end at the same word the cheapest is kept
(Earley's idea with costs, as recursive descent with a table), so that time grows with the square
of the question's length and the same question always has the same reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from spatialgeo_ros.query.tokens import COMMA

_ATOM = re.compile(r"\{[a-z_]+(?::[a-z_]+)?\}\*?|[\[\]()|]|[^\s\[\]()|{}]+")
_DEEPEST = 60

#: (end, value, cost) of one reading of a span.
Reading = tuple[int, Any, float]
#: Reads terminals: (state, position) -> readings.
Terminal = Callable[["State", int], list[Reading]]


@dataclass(frozen=True)
class _Words:
    words: frozenset[str]


@dataclass(frozen=True)
class _Slot:
    rule: str
    name: str
    many: bool


@dataclass(frozen=True)
class _Choice:
    options: tuple[tuple[_Element, ...], ...]


_Element = _Words | _Slot | _Choice


@dataclass(frozen=True)
class _Production:
    elements: tuple[_Element, ...]
    build: Callable[..., Any]
    cost: float
    first: frozenset[str] | None


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
    depth: int = 0


class Grammar:
    """Rules by the name of what they make.

    Args:
        macros: text by name in capitals; macros may hold macros.
    """

    def __init__(self, macros: dict[str, str]) -> None:
        self._macros = macros
        self._rules: dict[str, list[_Production]] = {}
        self._terminals: dict[str, Terminal] = {}
        self.words: set[str] = set()

    def rule(
        self, name: str, *patterns: str, cost: float = 0.0
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add patterns that make a ``name``.

        Args:
            cost: what this reading costs against others of the same words.
        """

        def add(build: Callable[..., Any]) -> Callable[..., Any]:
            for pattern in patterns:
                elements = self._compile(pattern)
                production = _Production(elements, build, cost, self._first(elements))
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
        for name, productions in self._rules.items():
            for production in productions:
                for slot in _slots(production.elements):
                    if slot.rule not in self._rules and slot.rule not in self._terminals:
                        raise ValueError(f"'{slot.rule}' in a rule of '{name}' has no rules")

    def parse(self, name: str, state: State) -> list[tuple[Any, float]]:
        """Return what the whole question may mean as a ``name``, cheapest first."""
        whole = [
            (value, cost)
            for end, value, cost in self._read(name, state, 0)
            if end == len(state.tokens)
        ]
        return sorted(whole, key=lambda one: one[1])

    # Reading

    def _read(self, name: str, state: State, position: int) -> list[Reading]:
        key = (name, position)
        if key in state.table:
            return state.table[key]
        state.table[key] = []  # a rule that begins with itself reads nothing
        if state.depth > _DEEPEST:
            return []
        state.depth += 1
        best: dict[int, Reading] = {}
        for reading in self._readings(name, state, position):
            end, _, cost = reading
            if end not in best or cost < best[end][2]:
                best[end] = reading
        state.depth -= 1
        found = [best[end] for end in sorted(best, reverse=True)]
        state.table[key] = found
        return found

    def _readings(self, name: str, state: State, position: int) -> Iterator[Reading]:
        if name in self._terminals:
            yield from self._terminals[name](state, position)
        tokens = state.tokens
        word = tokens[position] if position < len(tokens) else None
        if word == COMMA and position + 1 < len(tokens):
            following = tokens[position + 1]
        else:
            following = word
        for production in self._rules.get(name, ()):
            first = production.first
            if first is not None and word not in first and following not in first:
                continue
            for end, slots, cost in self._match(production.elements, 0, state, position):
                value = production.build(**dict(slots))
                if value is not None:
                    yield end, value, cost + production.cost

    def _match(
        self, elements: tuple[_Element, ...], index: int, state: State, position: int
    ) -> Iterator[tuple[int, tuple[tuple[str, Any], ...], float]]:
        """Yield (end, slots, cost) of every way the elements from ``index`` on can be read."""
        state.furthest = max(state.furthest, position)
        if index == len(elements):
            yield position, (), 0.0
            return
        element = elements[index]
        if isinstance(element, _Words):
            at = position
            if at < len(state.tokens) and state.tokens[at] not in element.words:
                at += state.tokens[at] == COMMA
            if at < len(state.tokens) and state.tokens[at] in element.words:
                yield from self._match(elements, index + 1, state, at + 1)
            return
        if isinstance(element, _Choice):
            for option in element.options:
                yield from self._match((*option, *elements[index + 1 :]), 0, state, position)
            return
        starts = [position]
        if position < len(state.tokens) and state.tokens[position] == COMMA:
            starts.append(position + 1)
        if element.many:
            for values, end, cost in self._repeat(element, state, position, ()):
                for last, slots, more in self._match(elements, index + 1, state, end):
                    yield last, ((element.name, list(values)), *slots), cost + more
            return
        for start in starts:
            for end, value, cost in self._read(element.rule, state, start):
                for last, slots, more in self._match(elements, index + 1, state, end):
                    yield last, ((element.name, value), *slots), cost + more

    def _repeat(
        self, slot: _Slot, state: State, position: int, so_far: tuple[Any, ...]
    ) -> Iterator[tuple[tuple[Any, ...], int, float]]:
        yield so_far, position, 0.0
        if len(so_far) >= 8:
            return
        starts = [position]
        if position < len(state.tokens) and state.tokens[position] == COMMA:
            starts.append(position + 1)
        for start in starts:
            for end, value, cost in self._read(slot.rule, state, start):
                if end > start:
                    for values, last, more in self._repeat(slot, state, end, (*so_far, value)):
                        yield values, last, cost + more

    # Compiling

    def _expand(self, pattern: str) -> str:
        def text(match: re.Match[str]) -> str:
            name = match[0]
            if name not in self._macros:
                raise ValueError(f"no macro '{name}'")
            return f"({self._expand(self._macros[name])})"

        return re.sub(r"\b[A-Z][A-Z_]*\b", text, pattern)

    def _compile(self, pattern: str) -> tuple[_Element, ...]:
        atoms = _ATOM.findall(self._expand(pattern))
        elements, rest = self._sequence(atoms, 0)
        if rest != len(atoms):
            raise ValueError(f"unbalanced brackets in '{pattern}'")
        return elements

    def _sequence(self, atoms: list[str], at: int) -> tuple[tuple[_Element, ...], int]:
        """Read alternatives up to a closing bracket; several become one choice."""
        options: list[tuple[_Element, ...]] = []
        current: list[_Element] = []
        while at < len(atoms) and atoms[at] not in "])":
            atom = atoms[at]
            at += 1
            if atom == "|":
                options.append(tuple(current))
                current = []
            elif atom in "[(":
                inner, at = self._sequence(atoms, at)
                at += 1
                if atom == "[":
                    current.append(_Choice((inner, ())))
                else:
                    current.extend(inner)
            elif atom.startswith("{"):
                many = atom.endswith("*")
                name, _, rule = atom.strip("{}*").partition(":")
                current.append(_Slot(rule or name, name, many))
            else:
                self.words.add(atom)
                current.append(_Words(frozenset((atom,))))
        options.append(tuple(current))
        if len(options) == 1:
            return options[0], at
        single = [o[0].words for o in options if len(o) == 1 and isinstance(o[0], _Words)]
        several = tuple(o for o in options if not (len(o) == 1 and isinstance(o[0], _Words)))
        merged = _Words(frozenset().union(*single))
        if not several:
            return (merged,), at
        return (_Choice((*several, (merged,)) if single else several),), at

    def _first(self, elements: tuple[_Element, ...]) -> frozenset[str] | None:
        """Return the words that a reading can begin with; None when anything can."""
        words: set[str] = set()
        for element in elements:
            if isinstance(element, _Slot):
                return None
            if isinstance(element, _Words):
                return frozenset(words | element.words)
            nullable = False
            for option in element.options:
                first = self._first(option) if option else None
                if not option:
                    nullable = True
                elif first is None:
                    return None
                else:
                    words |= first
            if not nullable:
                return frozenset(words)
        return None


def _slots(elements: tuple[_Element, ...]) -> Iterator[_Slot]:
    for element in elements:
        if isinstance(element, _Slot):
            yield element
        elif isinstance(element, _Choice):
            for option in element.options:
                yield from _slots(option)
