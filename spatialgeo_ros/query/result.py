# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The typed result of a program: what a robot reads instead of our words."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from spatialgeo_ros.errors import (
    AmbiguousError,
    InternalError,
    NotUnderstoodError,
    PhraseNotFoundError,
    SpatialGeoError,
    UnanswerableError,
    UnknownAttributeError,
)


class ResultType(enum.IntEnum):
    """What kind of answer it is; values equal the TYPE_ constants of ``msg/SpatialAnswer.msg``."""

    NONE = 0
    NUMBER = 1
    BOOLEAN = 2
    COUNT = 3
    OBJECT = 4
    OBJECTS = 5
    DIRECTION = 6
    TEXT = 7
    ERROR = 8


class QueryError(enum.Enum):
    """Why a program has no answer."""

    UNKNOWN_OBJECT = "unknown_object"
    AMBIGUOUS = "ambiguous"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    NOT_UNDERSTOOD = "not_understood"
    UNANSWERABLE = "unanswerable"
    EMPTY = "empty"


@dataclass(frozen=True)
class Result:
    """The answer to one program.

    Attributes:
        type: which of the fields below hold the answer.
        text: the whole answer as a sentence.
        values: the number asked for in ``unit``; three for sizes; degrees or the clock hour of a
            direction. Empty for other types.
        std_devs: standard deviation of each of ``values``, same unit; NaN when unknown.
        unit: of ``values``; "clock" and "deg" for directions, "" for counts and ratios.
        boolean: the answer of a yes/no question.
        probability: that ``boolean`` is right, from the standard deviations; NaN when unknown.
        direction: the direction in words ("left", "front-left", "back").
        word: the answer of a TEXT: a colour, a material, "front", "left, right".
        objects: ids of the objects that are the answer, or that a number was measured on, or the
            candidates of AMBIGUOUS.
        error: why there is no answer; None when there is one.
        remarks: what a caller should know ("remembered, 12 s old").
    """

    type: ResultType
    text: str
    values: tuple[float, ...] = ()
    std_devs: tuple[float, ...] = ()
    unit: str = ""
    boolean: bool = False
    probability: float = math.nan
    direction: str = ""
    word: str = ""
    objects: tuple[str, ...] = ()
    error: QueryError | None = None
    remarks: tuple[str, ...] = ()


_ERRORS: dict[QueryError, type[SpatialGeoError]] = {
    QueryError.UNKNOWN_OBJECT: PhraseNotFoundError,
    QueryError.AMBIGUOUS: AmbiguousError,
    QueryError.UNKNOWN_ATTRIBUTE: UnknownAttributeError,
    QueryError.NOT_UNDERSTOOD: NotUnderstoodError,
    QueryError.UNANSWERABLE: UnanswerableError,
    QueryError.EMPTY: PhraseNotFoundError,
}


def error_of(result: Result) -> SpatialGeoError | None:
    """Return the error that a caller gets for a result of type ERROR; None for all others."""
    if result.type is not ResultType.ERROR:
        return None
    kind = InternalError if result.error is None else _ERRORS[result.error]
    error = kind(result.text)
    error.result = result
    return error
