# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Services on the object map: find, run a program, save, load, approach.

All run on the geometry lane, so none waits behind a language model; they exist in every lifecycle
state, as the other services do.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from spatialgeo_ros.errors import (
    BadRequestError,
    PhraseNotFoundError,
    SpatialGeoError,
    quoted,
)
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot
from spatialgeo_ros.node.conversions import MOST_LABEL
from spatialgeo_ros.node.lane_client import Host as LaneHost
from spatialgeo_ros.node.lane_client import LaneClient, fill_error
from spatialgeo_ros.node.messages import check_session, failed_answer
from spatialgeo_ros.node.object_messages import object_message, pose_messages, result_message
from spatialgeo_ros.node.outputs import Outputs
from spatialgeo_ros.node.target_frames import Target
from spatialgeo_ros.query.phrase_program import program_of_phrase
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.program_json import from_text, to_json
from spatialgeo_ros.query.result import Result, ResultType, error_of
from spatialgeo_ros.scene.approach import Base
from spatialgeo_ros.srv import FindObjects, GetApproachPose, LoadObjects, RunQuery, SaveObjects

#: Bounds of the requests, as the comments of srv/ state them.
MOST_PROGRAM, MOST_PATH = 20_000, 4000  # characters
_FOLDER = "spatialgeo_objects"


class Host(LaneHost, Protocol):
    """What the services need of the node."""

    outputs: Outputs

    def age_of(self, stamp_ns: int) -> float:
        """Return the seconds since a stamp by the node's clock; NaN for a zero stamp."""


class ObjectServices:
    """``~/find_objects``, ``~/run_query``, ``~/save_objects``, ... on the object map."""

    def __init__(self, node: Node, host: Host, client: LaneClient) -> None:
        """Create the services on ``node`` of ``host``; ``client`` hands requests to its lanes."""
        self._host, self._client = host, client
        waiting = ReentrantCallbackGroup()  # see services.py
        for kind, name, serve in (
            (FindObjects, "find_objects", self._find),
            (SaveObjects, "save_objects", self._save),
            (LoadObjects, "load_objects", self._load),
            (GetApproachPose, "get_approach_pose", self._approach),
        ):
            node.create_service(kind, f"~/{name}", self._served(serve), callback_group=waiting)
        node.create_service(RunQuery, "~/run_query", self._on_query, callback_group=waiting)

    def _served(self, serve: Callable[[Any, Any], None]) -> Callable[[Any, Any], Any]:
        """Return a callback that fills the response, or says in it what went wrong."""

        def callback(request: Any, response: Any) -> Any:
            try:
                with self._client.busy():
                    serve(request, response)
            except SpatialGeoError as error:
                fill_error(response, error)
            except Exception as error:
                fill_error(response, self._client.internal(error))
            return response

        return callback

    def _on_lane(self, work: Callable[[Any], Any]) -> Any:
        """Do something with the facade on the geometry lane, images or not."""
        return self._client.wait(
            self._client.request("", 0.0, lambda perception, _: work(perception), needs_image=False)
        )

    def _find(self, request: Any, response: Any) -> None:
        program = None
        if bool(request.phrase.strip()) == bool(request.program.strip()):
            raise BadRequestError("give either a phrase or a program, not both and not neither")
        if request.program.strip():
            program = decoded(request.program)
        check_length(request.phrase, "phrase", MOST_LABEL)
        camera = self._client.camera(request.camera)

        def work(perception: Any) -> None:
            if request.phrase.strip():
                perception.locator.note_asked(request.phrase)
            snapshot = perception.objects(camera)
            run = program
            if run is None:
                near = snapshot.viewer is not None
                labels = [one.label for one in snapshot.objects]
                run = program_of_phrase(request.phrase, nearest_first=near, labels=labels)
            result = perception.run_query(run, camera, include_gone=request.include_gone)
            things = found(result, snapshot)
            target = self._target_frame(request, snapshot)
            response.program = encoded(run)
            response.objects = [object_message(one, snapshot, target) for one in things]

        self._on_lane(work)

    def _on_query(self, request: Any, response: Any) -> Any:
        try:
            with self._client.busy():
                response.answer = self._query(request)
        except SpatialGeoError as error:
            response.answer = failed_answer("", error)
        except Exception as error:
            response.answer = failed_answer("", self._client.internal(error))
        return response

    def _query(self, request: Any) -> Any:
        check_session(request.session)
        program = decoded(request.program)
        camera = self._client.camera(request.camera)

        def work(perception: Any) -> Any:
            snapshot = perception.objects(camera)
            target = self._target_frame(request, snapshot)
            started = time.perf_counter()
            result = perception.run_query(program, camera, session=request.session)
            message = result_message(
                result,
                snapshot,
                encoded(program),
                perception.describe(),
                time.perf_counter() - started,
                self._host.age_of(snapshot.stamp_ns),
                target,
            )
            self._host.outputs.publish_result(message)
            return message

        return self._on_lane(work)

    def _save(self, request: Any, response: Any) -> None:
        path = self._path(request.path, make=True)
        response.objects = self._on_lane(lambda perception: perception.save_objects(path))
        response.path = str(path)

    def _load(self, request: Any, response: Any) -> None:
        path = self._path(request.path)

        def work(perception: Any) -> int:
            count: int = perception.load_objects(path)
            self._host.outputs.objects.publish(perception, now=True)
            return count

        response.objects = self._on_lane(work)
        response.path = str(path)

    def _approach(self, request: Any, response: Any) -> None:
        check_length(request.phrase, "phrase", MOST_LABEL)
        if bool(request.phrase.strip()) == bool(request.object_id.strip()):
            raise BadRequestError("give either a phrase or an object_id, not both and not neither")
        base = Base(request.robot_radius, request.robot_height)

        def work(perception: Any) -> None:
            snapshot = perception.objects()
            thing = self._thing(request, perception, snapshot)
            target = self._target_frame(request, snapshot)
            response.object = object_message(thing, snapshot, target)
            poses = perception.approach(thing, request.stand_off, base)
            response.poses = pose_messages(poses, snapshot, target)
            response.clearances = [one.clearance for one in poses]

        self._on_lane(work)

    def _thing(self, request: Any, perception: Any, snapshot: MapSnapshot) -> MapObject:
        name = request.object_id.strip()
        if name:
            for one in snapshot.objects:
                if one.id == name:
                    return one
            known = ", ".join(one.id for one in snapshot.objects[:20]) or "none"
            raise PhraseNotFoundError(f"no object {quoted(name)} in the map; there are: {known}")
        result = perception.run_query(program_of_phrase(request.phrase, one=True))
        return found(result, snapshot)[0]

    def _target_frame(self, request: Any, snapshot: MapSnapshot) -> Target | None:
        frames = self._client.target_frames()
        return frames.from_world(request.target_frame, snapshot.frame, snapshot.stamp_ns)

    def _path(self, path: str, make: bool = False) -> Path:
        return saved_map_path(path, self._host.config.objects_directory, make)


def encoded(program: Program) -> str:
    """Return a program as the JSON of a response."""
    return json.dumps(to_json(program), separators=(",", ":"))


def decoded(text: str) -> Program:
    """Return the program of a request's JSON.

    Raises:
        BadRequestError: It is too long, no JSON, or not of the schema; the message says where.
    """
    check_length(text, "program", MOST_PROGRAM)
    if not text.strip():
        raise BadRequestError("the program is empty: send JSON of the schema in docs/questions.md")
    return from_text(text)


def found(result: Result, snapshot: MapSnapshot) -> list[MapObject]:
    """Return the objects that a program found.

    Raises:
        SpatialGeoError: It failed, or its result is no object.
    """
    error = error_of(result)
    if error is not None:
        raise error
    if result.type not in (ResultType.OBJECT, ResultType.OBJECTS):
        raise BadRequestError(
            f"the program's result is of type {result.type.name}, not objects: use run_query"
        )
    named = {one.id: one for one in snapshot.objects}
    return [named[name] for name in result.objects if name in named]


def check_length(text: str, name: str, most: int) -> None:
    """Check the length of a text of a request.

    Raises:
        BadRequestError: It is too long.
    """
    if len(text) > most:
        raise BadRequestError(f"{name} has {len(text)} characters, allowed are {most}")


def saved_map_path(path: str, directory: str, make: bool = False) -> Path:
    """Return the file that a request names.

    Args:
        path: Absolute, or relative to ``directory``; "~" is the home of who runs the node.
        directory: The parameter ``objects_directory``.
        make: Whether to make that directory where it is missing and needed.

    Raises:
        BadRequestError: The path is empty, too long, or holds a control character.
    """
    text = path.strip()
    check_length(text, "path", MOST_PATH)
    if not text or not text.isprintable():
        raise BadRequestError(f"{quoted(path)} is no path: name a file, for example 'kitchen.json'")
    try:
        wanted = Path(text).expanduser()
        folder = Path(directory).expanduser() if directory else _default_folder()
    except RuntimeError as error:  # no such user
        raise BadRequestError(f"{quoted(text)}: {error}") from None
    if wanted.is_absolute():
        return wanted
    if make:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            pass  # writing into it says why
    return folder.absolute() / wanted


def _default_folder() -> Path:
    home = os.environ.get("ROS_HOME", "")
    return (Path(home) if home else Path.home() / ".ros") / _FOLDER
