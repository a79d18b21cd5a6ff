# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The errors a caller can act on, each with the code that ``msg/ErrorCode.msg`` gives it.

The message of an error names what was wrong and the cure. The node copies code and message into
the response, so nothing ever fails as an empty success.
"""

from __future__ import annotations

from typing import Any

_LONGEST = 2000  # characters of an error's message: a sentence and, at most, a compiler's words


def escaped(text: object, limit: int) -> str:
    """Return ``text`` on one line, without control characters, and of about ``limit`` characters.

    For everything that came from outside and goes into a message, a diagnostic or the log: a line
    break there would start a line of the log that nobody wrote, and a text of a megabyte would be
    repeated with every answer.
    """
    whole = str(text)
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in whole[:limit]
    )
    return shown if len(whole) <= limit else f"{shown}... ({len(whole)} characters)"


def quoted(text: object, limit: int = 80) -> str:
    """Return input as an error names it: in quotes, escaped and cut (see :func:`escaped`)."""
    return f"'{escaped(text, limit)}'"


class SpatialGeoError(Exception):
    """Base of every expected failure; ``code`` equals the constant in ``ErrorCode.msg``.

    Its text is escaped and cut, whatever it quotes.

    Attributes:
        result: the typed result of a program that has no answer (``query.result.Result``), for its
            candidates; None for other failures.
        program: what was understood of the question that failed (``query.program.Program``); None
            when nothing was, and for other failures.
        snapshot: the map that the objects of ``result`` are in (``memory.snapshot.MapSnapshot``);
            None where nothing was looked up.
        candidates: the things in one image that a phrase fits alike (``scene.sighting.Sighting``).
        observation: the image that was asked about (``memory.observation.Observation``); None
            where there was none yet.
        retry_after: seconds after which the same request may well succeed (a server that is busy,
            or was not reached); None where asking again is of no use.
    """

    code: int = 1
    result: Any = None
    program: Any = None
    snapshot: Any = None
    candidates: tuple[Any, ...] = ()
    observation: Any = None
    retry_after: float | None = None

    def __str__(self) -> str:
        """Return the message as it may be sent and logged."""
        return escaped(super().__str__(), _LONGEST)


class InternalError(SpatialGeoError):
    """A defect of ours: the log holds the traceback."""

    code = 1


class BadRequestError(SpatialGeoError):
    """The request itself cannot be served (empty question, unknown kind, rate out of range)."""

    code = 2


class BadRegionError(SpatialGeoError):
    """A region is empty, not finite or lies outside the image."""

    code = 3


class PhraseNotFoundError(SpatialGeoError):
    """No object in view matches a phrase; the message names the phrase."""

    code = 4


class NoFrameError(SpatialGeoError):
    """No image has arrived yet from the camera asked for."""

    code = 5


class StaleFrameError(SpatialGeoError):
    """The newest image is older than the request allows."""

    code = 6


class NoCameraInfoError(SpatialGeoError):
    """There is no usable calibration: none arrived, or why the one that did cannot be used."""

    code = 7


class BadImageError(SpatialGeoError):
    """An image message cannot be decoded (encoding, size, step or buffer length)."""

    code = 8


class NoGeometryError(SpatialGeoError):
    """Neither sensor depth nor a geometry network gives metric points for this frame."""

    code = 9


class TooLittleSupportError(SpatialGeoError):
    """Too few valid points lie on the object to measure it."""

    code = 10


class NoLanguageModelError(SpatialGeoError):
    """The loaded profile has no language model, so only measurements can be answered."""

    code = 11


class ModelLoadError(SpatialGeoError):
    """A profile or checkpoint could not be loaded; the message names the file or tensor."""

    code = 12


class BusyError(SpatialGeoError):
    """Another request is being served and the queue is full."""

    code = 13


class CancelledError(SpatialGeoError):
    """The client cancelled the request."""

    code = 14


class NotActiveError(SpatialGeoError):
    """The node is not in the active lifecycle state."""

    code = 15


class UnknownCameraError(SpatialGeoError):
    """The request names a camera that the node does not have."""

    code = 16


class RequestTimeoutError(SpatialGeoError):
    """The request was not served within its time limit."""

    code = 17


class AmbiguousError(SpatialGeoError):
    """Several objects fit a phrase and nothing says which; the message lists them."""

    code = 18


class UnknownAttributeError(SpatialGeoError):
    """A property is asked for that was not observed; the message names it."""

    code = 19


class NotUnderstoodError(SpatialGeoError):
    """A question or phrase holds words that could not be placed; the message names them."""

    code = 20


class UnanswerableError(SpatialGeoError):
    """The question is understood, but what it needs is not known; the message says what."""

    code = 21


class NoMapError(SpatialGeoError):
    """There is no object map, because no camera pose is known; the message says why."""

    code = 22


class WrongFrameError(SpatialGeoError):
    """A frame is unknown at the image's stamp, or a saved map belongs to another world frame."""

    code = 23


class FileAccessError(SpatialGeoError):
    """A file cannot be written or read; the message names it and says why."""

    code = 24


class NoFreePlaceError(SpatialGeoError):
    """No pose around an object lies on floor that was seen free."""

    code = 25


class PlannerFailedError(SpatialGeoError):
    """The question is not understood here, and the planner that was asked gave no program."""

    code = 26


def code_name(error: SpatialGeoError) -> str:
    """Return the name that ``ErrorCode.msg`` gives to the code of an error ("NO_FRAME")."""
    kinds = (kind for kind in SpatialGeoError.__subclasses__() if kind.__module__ == __name__)
    kind = next((kind for kind in kinds if kind.code == error.code), InternalError)
    words = kind.__name__.removesuffix("Error").removeprefix("Request")
    return "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(words)).upper()
