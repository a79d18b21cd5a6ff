# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why a program has no answer: each cause with its cure in words."""

from __future__ import annotations

from spatialgeo_ros.query.result import QueryError, Result, ResultType


class QueryFailureError(Exception):
    """A program has no answer; its result says why.

    Attributes:
        result: of type ERROR.
    """

    def __init__(
        self,
        error: QueryError,
        text: str,
        objects: tuple[str, ...] = (),
        remarks: tuple[str, ...] = (),
    ) -> None:
        super().__init__(text)
        self.result = Result(ResultType.ERROR, text, error=error, objects=objects, remarks=remarks)


class SamePlaceError(QueryFailureError):
    """There is no direction from a place to itself; where objects are listed it takes no part."""

    def __init__(self) -> None:
        super().__init__(
            QueryError.UNANSWERABLE, "There is no direction between two things at the same place."
        )


def unanswerable(text: str) -> QueryFailureError:
    """The map cannot tell."""
    return QueryFailureError(QueryError.UNANSWERABLE, text)


def not_understood(text: str) -> QueryFailureError:
    """The program makes no sense: a height of a wall, metres compared with seconds."""
    return QueryFailureError(QueryError.NOT_UNDERSTOOD, text)


def empty(text: str) -> QueryFailureError:
    """There is nothing to choose from or to average."""
    return QueryFailureError(QueryError.EMPTY, text)


def no_viewer() -> QueryFailureError:
    """Nobody knows where the camera is."""
    return unanswerable(
        "I do not know where I am: the newest image has no pose. Give poses (TF or odometry) to "
        "ask about distances and directions from here."
    )


_ROOM_CURES = {
    "floor": "the floor has not been found yet. Let the camera see some of the floor.",
    "ceiling": "the ceiling has not been seen. Point the camera up or give the room's height.",
    "walls": "the walls have not been seen all around. Drive or turn until the camera saw them.",
}


def no_room(part: str, why: str = "") -> QueryFailureError:
    """The floor, the ceiling or the walls are not known; ``why`` has cause and cure, if known."""
    return unanswerable(f"I cannot tell: {why or _ROOM_CURES[part]}")
