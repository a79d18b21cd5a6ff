# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drawing primitives on RGB arrays: text, tags, lines with a casing, and where labels have room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Point = tuple[float, float]
Rect = tuple[float, float, float, float]  # left, top, right, bottom

INK: Colour = (24, 28, 36)
PAPER: Colour = (255, 255, 255)
MUTED: Colour = (138, 146, 160)

# Bright, distinct for colour-blind viewers too, and none of them the white of measured lines.
PALETTE: tuple[Colour, ...] = (
    (255, 176, 0),
    (86, 196, 255),
    (255, 106, 106),
    (72, 214, 150),
    (196, 140, 255),
    (240, 228, 66),
    (255, 140, 200),
    (120, 220, 220),
)

_REGULAR, _BOLD = 400, 640
# OpenCV 5 brings a TrueType font; OpenCV 4 has the stroke fonts of Hershey, in ASCII only.
_TRUETYPE = hasattr(cv2, "FontFace")
_ASCII = str.maketrans({"±": "+/-", "–": "-", "—": "-", "…": "...", "·": "-", "°": " deg"})
_SUBPIXEL_BITS = 4


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Return the width of one line of ``text`` in pixels; ``size`` is the font's height."""
    return _measure(text, round(size), bold)


def draw_text(
    image: Image, text: str, at: Point, size: float, colour: Colour, bold: bool = False
) -> None:
    """Write one line whose box has its upper left corner at ``at``; changes ``image``."""
    if not text:
        return
    size = round(size)
    origin = (round(at[0]), round(at[1] + 0.8 * size))  # the baseline
    if _TRUETYPE:
        weight = _BOLD if bold else _REGULAR
        cv2.putText(image, text, origin, colour, _face(), size, weight)
    else:
        scale, thickness = _hershey(size, bold)
        cv2.putText(
            image, text.translate(_ASCII), origin, cv2.FONT_HERSHEY_SIMPLEX, scale, colour,
            thickness, cv2.LINE_AA,
        )  # fmt: skip


def draw_halo_text(
    image: Image, text: str, at: Point, size: float, colour: Colour, halo: Colour = PAPER
) -> None:
    """Write one bold line with a soft rim that keeps it legible on any ground."""
    if not text:
        return
    pad = max(2, round(size * 0.2))
    width = round(text_width(text, size, bold=True)) + 2 * pad
    alpha = np.zeros((round(size * 1.2) + 2 * pad, width, 3), np.uint8)
    draw_text(alpha, text, (pad, pad), size, (255, 255, 255), bold=True)
    rim = cv2.dilate(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pad - 1,) * 2))
    rim = cv2.GaussianBlur(rim, (0, 0), pad / 3)
    at = (at[0] - pad, at[1] - pad)
    _blend(image, halo, rim, at)  # type: ignore[arg-type]
    _blend(image, colour, alpha, at)


def tag_size(text: str, size: float) -> tuple[float, float]:
    """Return width and height in pixels of :func:`draw_tag`."""
    return text_width(text, size, bold=True) + size * 0.8, size * 1.5


def draw_tag(
    image: Image, text: str, at: Point, size: float, fill: Colour, ink: Colour | None = None
) -> None:
    """Draw text on a filled plate with round corners; ``at`` is its upper left corner."""
    width, height = tag_size(text, size)
    rounded_rectangle(image, (at[0], at[1], at[0] + width, at[1] + height), size * 0.3, fill)
    colour = ink if ink is not None else readable_on(fill)
    draw_text(image, text, (at[0] + size * 0.4, at[1] + size * 0.27), size, colour, bold=True)


def readable_on(fill: Colour) -> Colour:
    """Return dark or light ink, whichever is easier to read on ``fill`` (BT.601 luma)."""
    luma = 0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2]
    return INK if luma > 140 else PAPER


def wrap(text: str, size: float, width: float, lines: int, bold: bool = False) -> list[str]:
    """Break ``text`` at spaces into at most ``lines`` lines; what is left over becomes "…"."""
    out: list[str] = []
    words = text.split()
    while words and len(out) < lines:
        count = 1
        while count < len(words) and text_width(" ".join(words[: count + 1]), size, bold) <= width:
            count += 1
        out.append(" ".join(words[:count]))
        words = words[count:]
    if out:
        out[-1] = _shorten(out[-1], bool(words), size, width, bold)
    return out


def polyline(
    image: Image,
    points: Iterable[Point],
    colour: Colour,
    width: float,
    casing: Colour | None = None,
    closed: bool = False,
) -> None:
    """Draw an anti-aliased line through ``points``, with a rim in ``casing`` where given."""
    path = _fixed(points)
    if len(path) < 2:
        return
    for tint, extra in ((casing, 2 * max(1, round(width * 0.35))), (colour, 0)):
        if tint is not None:
            thickness = max(1, round(width)) + extra
            cv2.polylines(image, [path], closed, tint, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def polygon(image: Image, points: Iterable[Point], fill: Colour) -> None:
    """Fill a polygon with anti-aliased edges."""
    cv2.fillPoly(image, [_fixed(points)], fill, cv2.LINE_AA, _SUBPIXEL_BITS)


def disc(
    image: Image, centre: Point, radius: float, fill: Colour, casing: Colour | None = None
) -> None:
    """Fill a circle, with a rim in ``casing`` where given."""
    at = tuple(int(v) for v in _fixed([centre])[0])
    one = 1 << _SUBPIXEL_BITS
    if casing is not None:
        rim = round((radius + max(1.0, radius * 0.3)) * one)
        cv2.circle(image, at, rim, casing, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.circle(image, at, round(radius * one), fill, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def rounded_rectangle(image: Image, rect: Rect, radius: float, fill: Colour) -> None:
    """Fill a rectangle with round corners."""
    left, top, right, bottom = rect
    radius = max(0.0, min(radius, (right - left) / 2, (bottom - top) / 2))
    quarter = np.linspace(0, np.pi / 2, 6)
    arc = np.stack([np.cos(quarter), np.sin(quarter)], axis=1) * radius
    corners = (
        arc * (1, 1) + (right - radius, bottom - radius),
        arc[::-1] * (-1, 1) + (left + radius, bottom - radius),
        arc * (-1, -1) + (left + radius, top + radius),
        arc[::-1] * (1, -1) + (right - radius, top + radius),
    )
    polygon(image, np.concatenate(corners).tolist(), fill)


def tint(image: Image, mask: npt.NDArray[np.bool_], colour: Colour, strength: float) -> None:
    """Mix ``colour`` into the masked pixels; ``strength`` 0 leaves them, 1 replaces them."""
    picked = image[mask].astype(np.float32)
    image[mask] = (
        picked + (np.array(colour, np.float32) - picked) * np.float32(strength) + 0.5
    ).astype(np.uint8)


def hatch(
    image: Image, mask: npt.NDArray[np.bool_], colour: Colour, period: int, rising: bool = True
) -> None:
    """Draw diagonal lines over the masked pixels, between which they can be seen.

    Args:
        image: [H, W, 3]; changed.
        mask: [H, W].
        colour: of the lines.
        period: pixels from line to line along a row; a third of it is line.
        rising: lines go up to the right, else down.
    """
    rows, columns = np.nonzero(mask)
    phase = (columns + rows if rising else columns - rows) % period
    line = phase < max(1, period // 3)
    image[rows[line], columns[line]] = colour


def place(
    size: tuple[float, float], candidates: Sequence[Point], taken: Sequence[Rect], area: Rect
) -> Rect:
    """Choose where a label goes: the first candidate corner with the least in its way.

    Candidates are upper left corners in order of preference; each is moved into ``area`` first.
    """
    best: tuple[float, Rect] | None = None
    for x, y in candidates:
        left = max(area[0], min(x, area[2] - size[0]))
        top = max(area[1], min(y, area[3] - size[1]))
        rect = (left, top, left + size[0], top + size[1])
        cost = sum(_overlap(rect, other) for other in taken)
        if best is None or cost < best[0] - 1.0:
            best = (cost, rect)
        if cost <= 0:
            break
    assert best is not None, "place needs at least one candidate"
    return best[1]


@lru_cache(maxsize=1)
def _face() -> cv2.FontFace:
    return cv2.FontFace("sans")


@lru_cache(maxsize=512)
def _measure(text: str, size: int, bold: bool) -> float:
    if not text:
        return 0.0
    if _TRUETYPE:
        # A leading or trailing space has no ink and would not count.
        weight = _BOLD if bold else _REGULAR
        box = cv2.getTextSize((0, 0), text, (0, 0), _face(), size, weight)
        return float(box[2])
    scale, thickness = _hershey(size, bold)
    (width, _), _ = cv2.getTextSize(
        text.translate(_ASCII), cv2.FONT_HERSHEY_SIMPLEX, scale, thickness
    )
    return float(width)


def _hershey(size: float, bold: bool) -> tuple[float, int]:
    """Scale and stroke of FONT_HERSHEY_SIMPLEX for a font ``size`` pixels high."""
    return size / 31.0, max(1, round(size / (11 if bold else 18)))


def _shorten(line: str, more: bool, size: float, width: float, bold: bool) -> str:
    if not more and text_width(line, size, bold) <= width:
        return line
    while line and text_width(line + "…", size, bold) > width:
        line = line[:-1].rstrip()
    return line + "…"


def _fixed(points: Iterable[Point]) -> npt.NDArray[np.int32]:
    """Points as the fixed-point integers of cv2's sub-pixel drawing, far ones pulled in."""
    values = np.asarray(list(points), np.float64).reshape(-1, 2)
    return np.round(np.clip(values, -16000, 16000) * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _overlap(a: Rect, b: Rect) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def _blend(image: Image, colour: Colour, alpha: Image, at: Point) -> None:
    """Mix ``colour`` in by ``alpha`` with its upper left corner at ``at``, cut at the borders."""
    x, y = round(at[0]), round(at[1])
    left, top = max(0, x), max(0, y)
    right = min(image.shape[1], x + alpha.shape[1])
    bottom = min(image.shape[0], y + alpha.shape[0])
    if right <= left or bottom <= top:
        return
    share = alpha[top - y : bottom - y, left - x : right - x].astype(np.float32) / 255
    part = image[top:bottom, left:right]
    part[:] = (part + (np.array(colour, np.float32) - part) * share + 0.5).astype(np.uint8)
