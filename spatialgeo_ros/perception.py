# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one face of the package: frames in, metres and answers out. No ROS in it.

The node, the command line, training and evaluation use :class:`Perception`: a scene that measures
(:mod:`spatialgeo_ros.scene`) and the language model that speaks beside it
(:mod:`spatialgeo_ros.answer`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatialgeo_ros.answer.dialogues import Dialogues
from spatialgeo_ros.answer.language_part import speak
from spatialgeo_ros.answer.planner.choice import TIMEOUT, make_planner
from spatialgeo_ros.answer.planner.interface import Planner
from spatialgeo_ros.answer.question import AskedQuestion, ask_question
from spatialgeo_ros.answer.result import Answer
from spatialgeo_ros.errors import NoLanguageModelError, NoMapError, SpatialGeoError
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.choice import choose_grounding, load_grounding
from spatialgeo_ros.grounding.found import SeenObject
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.grounding.locator import Locator
from spatialgeo_ros.grounding.map_vocabulary import read_vocabulary
from spatialgeo_ros.memory.detected import MapUpdate
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Keyframe
from spatialgeo_ros.memory.objects import ObjectMap
from spatialgeo_ros.memory.observation import Mount, Observation
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence
from spatialgeo_ros.models.precision_choice import choose_precision
from spatialgeo_ros.models.profile_source import read_profile
from spatialgeo_ros.models.quantisation_choice import choose_quantisation
from spatialgeo_ros.networks.interface import Networks
from spatialgeo_ros.networks.warm_up import warm_up
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.parser import parse
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.result import Result
from spatialgeo_ros.scene.approach import ApproachPose, Base, approach_poses
from spatialgeo_ros.scene.executor import execute
from spatialgeo_ros.scene.frame_map import FRAME, same_in_next_image
from spatialgeo_ros.scene.mapping import why_not
from spatialgeo_ros.scene.scene import Scene
from spatialgeo_ros.scene.sighting import SightedEstimate, Sighting

__all__ = ["Answer", "Sighting", "Mount", "Observation", "Perception"]


class Perception:
    """A scene and a language model behind one face.

    One thread calls it; only :meth:`speak` may run on a second one meanwhile.

    Args:
        networks: the loaded networks, or None for sensor depth and detections alone.
        planner: asked for the program of a question that is not understood; None for nobody.
        clock: seconds, by which dialogues and what was asked about expire; of a recording, its own.
        options: keyword arguments of :class:`spatialgeo_ros.scene.scene.Scene`.

    Raises:
        BadRequestError: an option cannot be used.
    """

    def __init__(
        self,
        networks: Networks | None = None,
        planner: Planner | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        self.networks, self._planner = networks, planner
        self.scene = Scene(networks, clock=clock, **options)
        self._dialogues = Dialogues(clock=clock)
        self._map_problem = ""  # why the newest image did not go into the object map

    @classmethod
    def load(
        cls,
        profile: str,
        device: str = "auto",
        quantisation: str = "profile",
        threads: int = 0,
        engines: Mapping[str, Any] | None = None,
        planner: str = "",
        planner_timeout: float = TIMEOUT,
        planner_key_variable: str = "",
        precision: str = "profile",
        grounding: str = "profile",
        vocabulary_file: str = "",
        map_phrases: Sequence[str] = (),
        **options: Any,
    ) -> Perception:
        """Load a model profile and return the facade on it.

        Args:
            profile: name in config/models or path of a YAML file; "none" for no networks.
            device: "auto", "cpu", "cuda" or "cuda:<n>".
            quantisation: of the language model: "none", "nf4", "int8", or "profile" for what the
                profile says.
            threads: of PyTorch on the CPU; 0 leaves its choice.
            engines: how image towers and detector run: fields of
                ``tower_engines.EngineOptions``; PyTorch by default.
            planner: writes programs of questions that are not understood: "" for none,
                "openai:http://host:port/v1#model" or "local:/path/of/a/checkpoint".
            planner_timeout: seconds that it has for one question.
            planner_key_variable: name of the environment variable with the key of its API.
            precision: of the networks: "float32", "float16", "bfloat16", "half" for what suits
                network and card, or "profile" for what the profile says.
            grounding: what looks for phrases: "profile", "none", or a detector; see
                :func:`spatialgeo_ros.grounding.choice.choose_grounding`.
            vocabulary_file: nouns that a detector of any words looks for unasked; "" for the
                file of the package.
            map_phrases: more of them.
            options: keyword arguments of the constructor.

        Raises:
            ModelLoadError: the profile or its weights cannot be loaded, or not so quantised, or not
                in that precision.
            BadRequestError: the planner cannot be used; of a local one ModelLoadError.
        """
        if profile == "none":
            choose_quantisation(quantisation, profile, None)
            choose_precision(precision, profile, None)
        else:
            read_profile(profile)  # before what follows imports PyTorch, which takes seconds
        choice = choose_grounding(grounding, profile, device)
        writer = make_planner(planner, planner_timeout, planner_key_variable, device)
        looks = load_grounding(choice, device, engines, threads)
        options = {
            "grounder": looks.grounder,
            "map_nouns": (*read_vocabulary(vocabulary_file), *map_phrases),
            "without_grounding": choice.missing,
            "use_clip": choice.use_clip,
            **options,
        }
        if profile == "none":
            return cls(None, writer, **options)
        from spatialgeo_ros.networks.loader import load_networks
        from spatialgeo_ros.networks.tower_engines import EngineOptions

        how = EngineOptions(**(engines or {}))
        networks = load_networks(profile, device, quantisation, threads, how, precision)
        return cls(networks, writer, **options)

    def warm_up(self) -> None:
        """Run everything once, so that the first real request is not slower than the rest."""
        parse("how far is the chair?")  # makes the tables of the grammar
        if self.networks is not None:
            warm_up(self.networks)
        if self.grounder is not None:
            self.grounder.warm_up()

    @property
    def grounder(self) -> Grounder | None:
        """The detector of any words, None for none."""
        return self.scene.locator.grounder

    @property
    def loaded(self) -> dict[str, Any]:
        """What was loaded and holds nothing of what was seen, by name.

        Everything else of this object is what it has seen, and can be copied to another one.
        """
        grounder = self.grounder
        detector, segmenter = (None, None) if grounder is None else grounder.networks
        parts = {
            "networks": self.networks,
            "planner": self._planner,
            "detector": detector,
            "segmenter": segmenter,
        }
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def missing_grounding(self) -> str:
        """Why nothing looks for words, with the cure, where something was to; "" else."""
        return self.scene.without_grounding

    @property
    def usual_grounding_rate(self) -> float:
        """How often own networks look at a camera's images unasked where nobody says it, Hz.

        A language model that is asked for boxes gets images when somebody asks, and for what is
        watched: each takes seconds, and one that is served elsewhere may cost money and leaves the
        machine.
        """
        if self.grounder is None:
            return 1.0
        if self.grounder.kind == "vlm_boxes":
            return 0.0
        device = str(self.grounder.describe().get("device", ""))
        return {"cuda": 2.0, "cpu": 0.5}.get(device.partition(":")[0], 0.0)

    @property
    def locator(self) -> Locator:
        """What looks for phrases; its vocabulary says which words the profile knows."""
        return self.scene.locator

    def observe(self, frame: Frame) -> Observation:
        """Work out a frame's geometry; see :meth:`Scene.observe`."""
        return self.scene.observe(frame)

    @property
    def object_map(self) -> ObjectMap:
        """The things seen so far, in the world."""
        return self.scene.object_map

    def observe_aside(self, frame: Frame) -> Observation:
        """Work out a frame that is not the newest; see :meth:`Scene.observe_aside`."""
        return self.scene.observe_aside(frame)

    def observation_at(self, camera: str, stamp_ns: int) -> Observation | None:
        """Return the kept observation of an image; see :meth:`Scene.observation_at`."""
        return self.scene.observation_at(camera, stamp_ns)

    def locate(
        self,
        observation: Observation,
        what: Region | str,
        *,
        recall: bool = True,
        carried: bool = False,
    ) -> Sighting:
        """Find an object and its points; see :meth:`Scene.locate`."""
        return self.scene.locate(observation, what, recall=recall, carried=carried)

    def scan(self, observation: Observation) -> list[SeenObject]:
        """List the objects in view; see :meth:`Scene.scan`."""
        return self.scene.scan(observation)

    def measure(
        self,
        observation: Observation,
        kinds: Sequence[Kind | int],
        a: Sighting | Region | str,
        b: Sighting | Region | str | None = None,
        *,
        recall: bool = True,
    ) -> list[SightedEstimate]:
        """Measure on or between objects; see :meth:`Scene.measure`."""
        return self.scene.measure(observation, kinds, a, b, recall=recall)

    def ask(
        self,
        question: str,
        observation: Observation,
        regions: Sequence[Region] = (),
        on_token: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        earlier: Sequence[Observation] | None = None,
    ) -> Answer:
        """Answer a question about a frame: :meth:`begin` and :meth:`speak` one after the other.

        Args:
            question: in plain English.
            observation: the newest frame of the camera that is asked.
            regions: objects the question names, where they are known already (by label or order).
            on_token: gets each piece of the language model's text as it comes.
            cancelled: asked between stages and tokens.
            earlier: what a language model for clips looks at before the newest frame, oldest first;
                None for the keyframes.

        Raises:
            CancelledError: ``cancelled`` became true.
            PhraseNotFoundError: an object of the question is not found; the message names it.
            SpatialGeoError: there is neither a measurement nor a language model's answer.
        """
        asked = self.begin(question, observation, regions, cancelled, earlier)
        return self.speak(asked, on_token, cancelled)

    def begin(
        self,
        question: str,
        observation: Observation,
        regions: Sequence[Region] = (),
        cancelled: Callable[[], bool] | None = None,
        earlier: Sequence[Observation] | None = None,
        *,
        in_view_of: Collection[str] = (),
        session: str = "",
        dialogue: Dialogue | None = None,
    ) -> AskedQuestion:
        """Work out the measured part of a question; see :func:`ask_question`.

        A question that was understood and has no answer ("the chair" of three) is part of the
        dialogue too: "the red one" goes on from it.

        Args:
            question: in plain English.
            observation: the newest frame of the camera that is asked.
            regions: objects the question names, where they are known already.
            cancelled: asked between stages.
            earlier: what a language model for clips looks at; see :meth:`ask`.
            in_view_of: cameras whose view alone counts; empty where things may be remembered.
            session: name of a dialogue, in which "it" is what the question before was about.
            dialogue: the question before, where the same one is asked of several images; None for
                what the session remembers.
        """
        before = self.dialogue(session) if dialogue is None else dialogue
        looks = self.grounder
        try:
            with nullcontext() if looks is None else looks.cancelled_by(cancelled):
                asked = ask_question(
                    self.scene,
                    question,
                    observation,
                    regions,
                    cancelled,
                    earlier,
                    in_view_of=in_view_of,
                    dialogue=before,
                    planner=self._planner,
                )
        except SpatialGeoError as error:
            self._remember(session, error.program, error.result, error.snapshot)
            raise
        part = asked.measured
        self._remember(session, part.program, part.result, part.snapshot)
        if asked.language is not None:
            self.scene.keep_asked(observation)
        return asked

    def dialogue(self, session: str) -> Dialogue:
        """Return the last question of a session; an empty one where there was none."""
        return self._dialogues.before(session)

    def _remember(
        self,
        session: str,
        program: Program | None,
        result: Result | None,
        snapshot: MapSnapshot | None = None,
    ) -> None:
        objects = () if result is None else result.objects
        if snapshot is not None and snapshot.frame == FRAME and not same_in_next_image(objects):
            objects = ()  # "it" would be another one of them in the next image
        self._dialogues.remember(session, program, objects)

    def speak(
        self,
        asked: AskedQuestion,
        on_token: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Answer:
        """Let the language model speak, where it is asked, and join the parts.

        This alone may run on another thread than everything else: it touches no scene.

        Raises:
            CancelledError: ``cancelled`` became true.
            SpatialGeoError: there is neither a measurement nor a word.
        """
        if asked.language is None or self.networks is None:
            return asked.answer()
        started = time.perf_counter()
        try:
            text = speak(self.networks, asked.language, on_token, cancelled)
        except NoLanguageModelError as error:  # of a server; what was measured stays
            if not asked.measured.text:
                raise
            asked.language.notes.append(f"language model not heard: {error}")
            text = ""
        return asked.answer(text, time.perf_counter() - started)

    def update_map(self, observation: Observation) -> MapUpdate:
        """Work an observation into the object map; see :meth:`Scene.update_map`."""
        update = self.scene.update_map(observation)
        self._map_problem = "" if update.used else update.reason
        if update.cleared:
            self._dialogues.clear()
        return update

    def cannot_map(self, observation: Observation) -> str:
        """Say why an observation cannot go into the object map, "" where it can."""
        return why_not(observation)

    def objects(self, camera: str = "") -> MapSnapshot:
        """Return the object map as it is now.

        Args:
            camera: who looks; see :meth:`Scene.map_snapshot`.

        Raises:
            NoMapError: there is none, because no image had a pose and points in metres.
        """
        snapshot = self.scene.map_snapshot(camera)
        if not snapshot.frame:
            raise NoMapError(self._map_problem or "no object map: no image has come yet")
        return snapshot

    def run_query(
        self, program: Program, camera: str = "", *, include_gone: bool = False, session: str = ""
    ) -> Result:
        """Run a program on the object map; a program without an answer gives a result of ERROR.

        Args:
            program: what is asked.
            camera: who looks; see :meth:`Scene.map_snapshot`.
            include_gone: whether what is gone counts as if it were remembered.
            session: name of a dialogue that goes on from the program and its objects.

        Raises:
            NoMapError: there is no map.
        """
        snapshot = self.objects(camera)
        if include_gone:
            objects = tuple(
                replace(one, state=Presence.REMEMBERED) if one.state is Presence.GONE else one
                for one in snapshot.objects
            )
            snapshot = replace(snapshot, objects=objects)
        result = execute(program, snapshot)
        self._remember(session, program, result)
        return result

    def approach(self, target: MapObject, stand_off: float, base: Base) -> list[ApproachPose]:
        """Return poses of the robot around an object, best first; see :func:`approach_poses`.

        Raises:
            NoMapError: there is no map.
            NoFreePlaceError: there is no such pose; the message says what is in the way.
        """
        return approach_poses(self.objects(), target, self.scene.free_space.grid(), stand_off, base)

    def save_objects(self, path: Path) -> int:
        """Write the object map and return how many objects it has; see :meth:`ObjectMap.save`.

        Raises:
            NoMapError: there is no map.
            FileAccessError: the files cannot be written.
        """
        count = len(self.objects().objects)
        self.scene.object_map.save(path)
        return count

    def load_objects(self, path: Path) -> int:
        """Take over a saved object map and return how many objects it has.

        Raises:
            NoMapError: no image had a pose yet, so that the frame of the map cannot be compared.
            WrongFrameError: the map is of another world frame.
            FileAccessError: the files cannot be read.
        """
        if not self.scene.world_frame:
            why = self._map_problem or "no image has come yet"
            raise NoMapError(f"whether {path} is of the present world frame cannot be told: {why}")
        self.scene.object_map.load(path, self.scene.world_frame)
        self._dialogues.clear()  # its ids are of the map that was
        return len(self.objects().objects)

    def keyframes(self) -> tuple[Keyframe, ...]:
        """Return the kept frames, oldest first; their payload is the :class:`Observation`."""
        return self.scene.keyframes()

    def reset(self) -> None:
        """Forget every kept frame and the object map (time jump, another world frame)."""
        self.scene.reset()
        self._dialogues.clear()
        self._map_problem = ""

    def describe(self) -> dict[str, Any]:
        """Return facts for diagnostics."""
        facts = self.scene.describe()
        facts["planner"] = "none" if self._planner is None else self._planner.name
        if self._map_problem and not facts["object_map"]["world_frame"]:
            facts["degraded"] = (*facts["degraded"], self._map_problem)
        return facts

    def close(self) -> None:
        """Free the networks and the kept frames; the object cannot be used afterwards."""
        self.scene.close()
        if self._planner is not None:
            self._planner.close()
        self.networks = self._planner = None
