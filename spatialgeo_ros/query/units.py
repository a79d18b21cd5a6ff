# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one table of units: their names in questions, how they convert, how they are written."""

from __future__ import annotations

import functools
import math
import re

from spatialgeo_ros.query.program import Unit

#: Kind of quantity, factor to that kind's first unit, and the words for it. The international
#: yard and pound agreement of 1959 fixes the foot at 0.3048 m.
_TABLE: dict[Unit, tuple[str, float, str]] = {
    "m": ("length", 1.0, "m metre metres meter meters mtr mtrs"),
    "cm": ("length", 0.01, "cm cms centimetre centimetres centimeter centimeters"),
    "mm": ("length", 0.001, "mm mms millimetre millimetres millimeter millimeters"),
    "km": ("length", 1000.0, "km kms kilometre kilometres kilometer kilometers"),
    "ft": ("length", 0.3048, "ft foot feet foots feets ′ '"),
    "in": ("length", 0.0254, 'in inch inches inchs ins ″ "'),
    "yd": ("length", 0.9144, "yd yds yard yards"),
    "ft in": ("length", 0.3048, ""),
    "m2": ("area", 1.0, "m2 m² m^2 sqm"),
    "cm2": ("area", 1e-4, "cm2 cm² cm^2 sqcm"),
    "ft2": ("area", 0.3048**2, "ft2 ft² ft^2 sqft"),
    "m3": ("volume", 1.0, "m3 m³ m^3 cbm"),
    "l": ("volume", 0.001, "l litre litres liter liters"),
    "ft3": ("volume", 0.3048**3, "ft3 ft³ ft^3 cuft"),
    "s": ("time", 1.0, "s sec secs second seconds"),
    "min": ("time", 60.0, "min mins minute minutes"),
    "h": ("time", 3600.0, "h hr hrs hour hours"),
    "deg": ("angle", 1.0, "deg degs degree degrees °"),
    "rad": ("angle", 180.0 / math.pi, "rad rads radian radians"),
    "": ("ratio", 1.0, ""),
    "percent": ("ratio", 0.01, "% percent percentage pct"),
}

_FEET_AND_INCHES = re.compile(r"(?:ft|feet|foot)\s*(?:\+|&|,|and)?\s*(?:in|inch|inches)")
_POWERS = {"square": "2", "sq": "2", "squared": "2", "cubic": "3", "cu": "3", "cubed": "3"}


class UnitMismatchError(ValueError):
    """Two units measure different things: metres are no seconds."""


@functools.cache
def _unit_by_word() -> dict[str, Unit]:
    return {word: unit for unit, (_, _, words) in _TABLE.items() for word in words.split()}


def unit_of(words: str) -> Unit | None:
    """Return the unit that words name, or None.

    Args:
        words: as in a question, without the number: "feet", "cm", "square metres", "m^2",
            "feet and inches", "%".
    """
    text = " ".join(words.lower().strip().rstrip(".").split())
    if _FEET_AND_INCHES.fullmatch(text):
        return "ft in"
    known = _unit_by_word()
    if text in known:
        return known[text]
    parts = [part.rstrip(".") for part in text.split()]
    powers = [_POWERS[part] for part in parts if part in _POWERS]
    bases = [known.get(part) for part in parts if part not in _POWERS]
    if len(powers) == 1 and len(bases) == 1 and bases[0]:
        return known.get(bases[0] + powers[0])
    return None


def kind_of(unit: Unit) -> str:
    """Return what a unit measures: "length", "area", "volume", "time", "angle" or "ratio"."""
    return _TABLE[unit][0]


def fits(unit: Unit, other: Unit) -> bool:
    """Tell whether values convert from one unit to the other."""
    return kind_of(unit) == kind_of(other)


def convert(value: float, unit: Unit, to: Unit) -> float:
    """Return ``value`` in another unit; also for standard deviations, as no unit has an offset.

    "ft in" is a way to say decimal feet, so its values are feet.

    Raises:
        UnitMismatchError: the units measure different things.
    """
    if not fits(unit, to):
        raise UnitMismatchError(
            f"{kind_of(unit)} in '{unit or 'times'}' cannot be given as {kind_of(to)} in "
            f"'{to or 'times'}'"
        )
    return value * _TABLE[unit][1] / _TABLE[to][1]


def spoken(value: float, unit: Unit) -> str:
    """Write a number with its unit, as exactly as a map is good for: "1.25 m", "6 ft 2.4 in"."""
    if unit == "ft in":
        return _feet_and_inches(value)
    number = f"{value:.{_DECIMALS.get(unit, 2)}f}"
    if float(number) == 0:
        number = number.lstrip("-")
    # Three digits where so many decimals leave fewer: a cup has 0.000382 m3.
    if 0 < abs(value) < _SMALL.get(unit, 0.0):
        number = f"{value:.3g}"
    sign = _SIGNS.get(unit, unit)
    return f"{number}{'' if sign in ('', '°', '%') else ' '}{sign}"


def spoken_sigma(sigma: float, unit: Unit) -> str:
    """Write a standard deviation: " ± 0.02 m", or "" where it is unknown or rounds to nothing."""
    if not math.isfinite(sigma):
        return ""
    if unit == "ft in":  # of a length said in feet and inches, inches
        sigma, unit = convert(sigma, "ft", "in"), "in"
    text = spoken(sigma, unit)
    return f" ± {text}" if re.search("[1-9]", text.split(" ")[0]) else ""


_DECIMALS = {"cm": 1, "mm": 0, "km": 3, "in": 1, "cm2": 0, "l": 1, "s": 0, "deg": 0, "percent": 0}
_SMALL = {"m3": 0.1, "ft3": 0.1, "m2": 0.1, "ft2": 0.1, "km": 0.01, "min": 0.1, "h": 0.1}
_SIGNS = {"deg": "°", "percent": "%", "m2": "m²", "cm2": "cm²", "ft2": "ft²", "m3": "m³",
          "ft3": "ft³"}  # fmt: skip


def _feet_and_inches(feet: float) -> str:
    """6.2 ft as "6 ft 2.4 in"; never 12 inches."""
    tenths = round(abs(feet) * 120)
    whole, rest = divmod(tenths, 120)
    sign = "-" if feet < 0 and tenths else ""
    return f"{sign}{whole} ft {rest / 10:.1f} in"
