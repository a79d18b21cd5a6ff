# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The patterns of grammar rules as trees of words, slots and choices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

_ATOM = re.compile(r"\{[a-z_]+(?::[a-z_]+)?\}\*?|[\[\]()|]|[^\s\[\]()|{}]+")


@dataclass(frozen=True)
class Words:
    """One of these words."""

    words: frozenset[str]


@dataclass(frozen=True)
class Slot:
    """What the rules of ``rule`` make; ``many``: any number of them."""

    rule: str
    name: str
    many: bool


@dataclass(frozen=True)
class Choice:
    """One of these rows of elements; an empty one stands for nothing."""

    options: tuple[tuple[Element, ...], ...]


Element: TypeAlias = Words | Slot | Choice


class Patterns:
    """Compiles patterns.

    Args:
        macros: text by name in capitals; macros may hold macros.

    Attributes:
        words: every word of the patterns so far.
    """

    def __init__(self, macros: dict[str, str]) -> None:
        self._macros = macros
        self.words: set[str] = set()

    def compile(self, pattern: str) -> tuple[Element, ...]:
        """Return the elements of a pattern.

        Raises:
            ValueError: it names no macro, or its brackets do not match.
        """
        atoms = _ATOM.findall(self._expand(pattern))
        elements, rest = self._sequence(atoms, 0)
        if rest != len(atoms):
            raise ValueError(f"unbalanced brackets in '{pattern}'")
        return elements

    def _expand(self, pattern: str) -> str:
        def text(match: re.Match[str]) -> str:
            name = match[0]
            if name not in self._macros:
                raise ValueError(f"no macro '{name}'")
            return f"({self._expand(self._macros[name])})"

        return re.sub(r"\b[A-Z][A-Z_]*\b", text, pattern)

    def _sequence(self, atoms: list[str], at: int) -> tuple[tuple[Element, ...], int]:
        """Read alternatives up to a closing bracket; several become one choice."""
        options: list[tuple[Element, ...]] = []
        current: list[Element] = []
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
                    current.append(Choice((inner, ())))
                else:
                    current.extend(inner)
            elif atom.startswith("{"):
                name, _, rule = atom.strip("{}*").partition(":")
                current.append(Slot(rule or name, name, atom.endswith("*")))
            else:
                self.words.add(atom)
                current.append(Words(frozenset((atom,))))
        options.append(tuple(current))
        return (options[0] if len(options) == 1 else (_choice(options),)), at


def _choice(options: list[tuple[Element, ...]]) -> Element:
    """Return a choice with its single words put together."""
    words: set[str] = set()
    several: list[tuple[Element, ...]] = []
    for option in options:
        if len(option) == 1 and isinstance(option[0], Words):
            words |= option[0].words
        elif len(option) == 1 and isinstance(option[0], Choice):
            several.extend(option[0].options)  # a macro that is a choice itself
        else:
            several.append(option)
    if not several:
        return Words(frozenset(words))
    rest = [(Words(frozenset(words)),)] if words else []
    return Choice((*several, *rest))


def words_of(elements: tuple[Element, ...]) -> tuple[frozenset[str], ...]:
    """Return sets of words of which a question must have one each."""
    needed: list[frozenset[str]] = []
    for element in elements:
        if isinstance(element, Words):
            needed.append(element.words)
        elif isinstance(element, Choice):
            inner = [words_of(option) for option in element.options]
            if all(inner):
                needed.append(frozenset().union(*(min(sets, key=len) for sets in inner)))
    return tuple(sorted(set(needed), key=lambda words: (len(words), sorted(words))))


def slots_of(elements: tuple[Element, ...]) -> Iterator[Slot]:
    """Yield every slot."""
    for element in elements:
        if isinstance(element, Slot):
            yield element
        elif isinstance(element, Choice):
            for option in element.options:
                yield from slots_of(option)
