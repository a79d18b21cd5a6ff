# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo export``: the simulator's questions in the data formats of the published trainings.

LLaVA's JSON asks about single views, in the families of SpatialRGPT-Bench; Qwen's JSON lines about
clips of a drive through a room, in types of VSI-Bench. Truth is the simulator's. Each line for Qwen
is also an item for policy optimisation (``problem``, ``problem_type``, ``solution``).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera, level_frame
from spatialgeo_ros.query.families import REGION_PLACEHOLDER
from spatialgeo_ros.sim.path import RobotPath
from spatialgeo_ros.sim.renderer import RoomRenderer
from spatialgeo_ros.sim.rig import camera_pose, default_camera
from spatialgeo_ros.sim.room import Room, SceneObject, make_room
from spatialgeo_ros.speech.prompts import CHOICE_REQUEST, NUMBER_REQUEST
from spatialgeo_ros.training.questions import QA, VisibleObject, make_questions
from spatialgeo_ros.training.render import HELD_OUT_SEEDS, TRAINED_SEEDS, random_view
from spatialgeo_ros.training.rewards import CHOICE, NUMERICAL, REGRESSION

#: Shares of an image that an object must cover: to be asked about in a view, to be seen in a clip.
_VIEW_SHARE, _CLIP_SHARE = 0.01, 0.002
#: How much nearer the nearest of some objects must be to be asked for.
_CLEARLY = 0.85
_PHRASE = re.compile(rf"the ((?:(?!\bthe\b)[a-z ])+) {REGION_PLACEHOLDER}")
_FRAMES_PER_SECOND = 4.0


def image_conversations(
    seeds: Sequence[int], views: int, questions: int, folder: Path, size: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """Render views of rooms and ask about each; yields LLaVA's entries.

    Args:
        seeds: of the rooms.
        views: of each room.
        questions: of each view, at most.
        folder: images are written to ``images`` below it.
        size: width and height.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    base = default_camera(*size)
    for seed, room, rng, renderer in _rooms(seeds, 5, size):
        for number in range(views):
            view = random_view(room, rng, base)
            if view is None:
                continue
            picture, index = renderer.render_objects(*view)
            objects = visible_objects(room, *view, index)
            asked = make_questions(objects, rng, questions)
            if not asked:
                continue
            name = f"room_{seed:06d}_{number}"
            _write_image(folder / "images" / f"{name}.jpg", picture)
            turns: list[dict[str, str]] = []
            for question in asked:
                said, answer = in_words(question, objects)
                mark = "" if turns else "<image>\n"
                turns += [{"from": "human", "value": f"{mark}{said}"},
                          {"from": "gpt", "value": answer}]  # fmt: skip
            yield {"id": name, "image": f"{name}.jpg", "conversations": turns}


def visible_objects(
    room: Room, pose: Pose, camera: PinholeCamera, index: npt.NDArray[np.integer[Any]]
) -> list[VisibleObject]:
    """Objects of a view whose centres are in it and that cover enough of it."""
    rotation, inside = level_frame(gravity_in_camera(pose)), pose.inverse()
    found: list[VisibleObject] = []
    for number, thing in enumerate(room.objects):
        if (index == number).mean() < _VIEW_SHARE:
            continue
        centre = inside.apply(np.array([thing.centre]))
        u, v = camera.project(centre)[0]
        if not (0 <= u < camera.width and 0 <= v < camera.height):
            continue
        x, y, z = (float(one) for one in rotation @ centre[0])
        found.append(
            VisibleObject(thing.name, thing.kind, thing.colour, (x, y, z), thing.size, len(found))
        )
    return found


def in_words(question: QA, objects: Sequence[VisibleObject]) -> tuple[str, str]:
    """A question and its answer with every object called by its full name, and no regions."""
    names = iter(objects[k].name for k in question.regions)
    text = _PHRASE.sub(lambda _: f"the {next(names)}", question.question)
    text = re.sub(r" (?=[?,.])", "", text)
    answer = question.answer
    if question.form == "which":
        asked = [objects[k].name for k in question.regions]
        answer = "the " + next(name for name in asked if name.endswith(str(question.choice)))
    return text[0].upper() + text[1:], answer[0].upper() + answer[1:]


def clip_conversations(
    seeds: Sequence[int], frames: int, questions: int, folder: Path, size: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """Drive through rooms and ask about each drive; yields lines for Qwen.

    Args:
        seeds: of the rooms.
        frames: of each clip.
        questions: of each clip, at most.
        folder: clips are written to ``clips`` below it.
        size: width and height.
    """
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    camera = default_camera(*size)
    for seed, room, rng, renderer in _rooms(seeds, 6, size):
        path = RobotPath(room)
        seen: set[int] = set()
        pictures = []
        for number in range(frames):
            state = path.at(number * path.period / frames)
            pose = camera_pose(state.x, state.y, state.yaw)
            picture, index = renderer.render_objects(pose, camera)
            pictures.append(picture)
            shares = np.bincount(index[index >= 0].ravel(), minlength=len(room.objects))
            seen |= set(np.flatnonzero(shares / index.size >= _CLIP_SHARE).tolist())
        name = f"room_{seed:06d}.mp4"
        _write_clip(folder / "clips" / name, pictures, size)
        problems = clip_problems(room, [room.objects[k] for k in sorted(seen)], rng)
        order = rng.permutation(len(problems))[:questions]
        for number, k in enumerate(order):
            yield {"id": f"{seed:06d}_{number}", "video": name, "path": name, **problems[k]}


def clip_problems(
    room: Room, seen: Sequence[SceneObject], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Questions about a room of which some objects were seen, with their true answers.

    Distances are between centres, which the words say.
    """
    found = [_asked("What is the size of this room (in square meters)?", REGRESSION,
                    f"{room.width * room.depth:.1f}", "room_size_estimation")]  # fmt: skip
    there, visible = (Counter(thing.kind for thing in group) for group in (room.objects, seen))
    for kind, count in visible.items():
        if count == there[kind]:  # one that was not seen cannot be counted
            found.append(_asked(f"How many {kind}(s) are in this room?", NUMERICAL, str(count),
                                "object_counting"))  # fmt: skip
    for thing in seen:
        text = (
            "What is the length of the longest dimension (length, width, or height) of the "
            f"{thing.name}, measured in centimeters?"
        )
        longest = str(round(100 * max(thing.size)))
        found.append(_asked(text, REGRESSION, longest, "object_size_estimation"))
    for k in rng.permutation(len(seen)):
        others = [seen[j] for j in rng.permutation(len(seen)) if j != k]
        if others:
            text = (f"What is the distance between the centers of the {seen[k].name} and the "
                    f"{others[0].name} (in meters)?")  # fmt: skip
            apart = f"{_apart(seen[k], others[0]):.1f}"
            found.append(_asked(text, REGRESSION, apart, "object_abs_distance"))
        choices = others[:4]
        ordered = sorted(choices, key=lambda one, k=k: _apart(seen[k], one))  # type: ignore[misc]
        if len(choices) < 4 or _apart(seen[k], ordered[0]) > _CLEARLY * _apart(seen[k], ordered[1]):
            continue
        text = (
            "Measuring from the centers of the objects, which of these objects "
            f"({', '.join(one.name for one in choices)}) is the closest to the {seen[k].name}?"
        )
        options = [f"{letter}. {one.name}" for letter, one in zip("ABCD", choices, strict=True)]
        right = "ABCD"[choices.index(ordered[0])]
        found.append(_asked(text, CHOICE, right, "object_rel_distance", options))
    return found


def _asked(
    text: str, kind: str, truth: str, question_type: str, options: Sequence[str] = ()
) -> dict[str, Any]:
    listed = "\nOptions:\n" + "\n".join(options) if options else ""
    request = CHOICE_REQUEST if options else NUMBER_REQUEST
    return {
        "conversations": [
            {"from": "human", "value": f"<video>\n{text}{listed}\n{request}"},
            {"from": "gpt", "value": truth},
        ],
        "problem": text,
        "problem_type": kind,
        "original_question_type": question_type,
        "options": list(options),
        "solution": f"<answer>{truth}</answer>",
    }


def _apart(a: SceneObject, b: SceneObject) -> float:
    return float(np.linalg.norm(np.subtract(a.centre, b.centre)))


def _rooms(
    seeds: Sequence[int], stream: int, size: tuple[int, int]
) -> Iterator[tuple[int, Room, np.random.Generator, RoomRenderer]]:
    """Yield each seed with its room, random numbers of a stream, and one renderer for all."""
    renderer: RoomRenderer | None = None
    try:
        for seed in seeds:
            room = make_room(seed)
            if renderer is None:
                renderer = RoomRenderer(room, *size)
            else:
                renderer.load(room)
            yield seed, room, np.random.default_rng([seed, stream]), renderer
    finally:
        if renderer is not None:
            renderer.close()


def _write_image(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def _write_clip(path: Path, pictures: Sequence[Any], size: tuple[int, int]) -> None:
    code = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), code, _FRAMES_PER_SECOND, size)
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="spatialgeo export", description=__doc__.split("\n")[0])
    parser.add_argument("--format", choices=("llava", "qwen"), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--rooms", type=int, default=100)
    parser.add_argument("--views", type=int, default=8, help="llava: of each room")
    parser.add_argument("--frames", type=int, default=64, help="qwen: of each clip")
    parser.add_argument("--questions", type=int, default=8, help="of each view or clip, at most")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("W", "H"))
    parser.add_argument(
        "--held-out", action="store_true",
        help="rooms that no training of this package sees, for tests",
    )  # fmt: skip
    options = parser.parse_args(list(sys.argv[1:] if argv is None else argv))
    first = HELD_OUT_SEEDS if options.held_out else TRAINED_SEEDS.start
    seeds = range(first, first + options.rooms)
    size = (options.size[0], options.size[1])
    rooms = tqdm(seeds, "rooms", disable=None)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.format == "llava":
        entries = list(
            image_conversations(rooms, options.views, options.questions, options.out, size)
        )
        path = options.out / "llava.json"
        path.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    else:
        path = options.out / "qwen.jsonl"
        lines = clip_conversations(rooms, options.frames, options.questions, options.out, size)
        entries = list(lines)
        path.write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")
    print(f"{path}: {len(entries)} entries")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
