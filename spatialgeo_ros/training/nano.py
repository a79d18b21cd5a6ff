# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One command from nothing to the nano profile's weights: render, train, export, describe.

``spatialgeo train --folder runs/nano`` does every step that is not done yet; interrupted, the same
command goes on from the last checkpoint. ``runs/nano/*/log.jsonl`` are the learning curves.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.clip import NANO_TEXT_CONFIG, NANO_VISION_CONFIG, Clip
from spatialgeo_ros.models.construction import choose_device
from spatialgeo_ros.models.domain import NANO_DOMAIN_CONFIG
from spatialgeo_ros.models.files.weights import save_weights
from spatialgeo_ros.models.moge.moge2 import NANO_CONFIG, MoGe2
from spatialgeo_ros.models.spatialgeo import (
    NANO_ADAPTER_CONFIG,
    NANO_LANGUAGE_CONFIG,
)
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer, build_nano_tokenizer
from spatialgeo_ros.training.contrastive import CAPTION_WORDS, train_contrastive
from spatialgeo_ros.training.data import FrameStore
from spatialgeo_ros.training.depth_network import train_geometry
from spatialgeo_ros.training.detector import command as detector_command
from spatialgeo_ros.training.domain import DomainPlan, train_domain
from spatialgeo_ros.training.features import (
    FrameFeatures,
    encode_frames,
    load_features,
    save_features,
)
from spatialgeo_ros.training.language_network import train_language
from spatialgeo_ros.training.loop import DEVICE_HELP, Schedule
from spatialgeo_ros.training.render import (
    HELD_OUT_SEEDS,
    TRAINED_SEEDS,
    RenderPlan,
    render_dataset,
)

log = logging.getLogger(__name__)

#: What the committed weights were trained with.
TRAINING_ROOMS = RenderPlan(first_seed=TRAINED_SEEDS.start, rooms=len(TRAINED_SEEDS))
HELD_OUT_ROOMS = RenderPlan(first_seed=HELD_OUT_SEEDS, rooms=20, frames_per_room=10)
GEOMETRY = Schedule(steps=4500, batch=8, rate=1.5e-3)
CONTRASTIVE = Schedule(steps=5000, batch=8, rate=1e-3, weight_decay=0.05)
LANGUAGE = {
    "base": Schedule(steps=1200, batch=8, rate=1.5e-3, evaluate_every=100),
    "stage1": Schedule(steps=100, batch=8, rate=1e-3, evaluate_every=50),
    "stage2": Schedule(steps=1000, batch=8, rate=1e-3, evaluate_every=100),
}
DOMAIN = Schedule(steps=5000, batch=32, rate=3e-3, weight_decay=0.05)
#: Frames the language model is trained on, evenly spread over all rooms.
LANGUAGE_FRAMES = 10_000


def shorten(schedule: Schedule, factor: float) -> Schedule:
    """Scale the length of a schedule, for a quick trial of the whole command."""
    steps = max(2, round(schedule.steps * factor))
    return Schedule(
        steps, schedule.batch, schedule.rate, schedule.weight_decay, schedule.seed,
        min(schedule.evaluate_every, steps),
    )  # fmt: skip


def _features(
    path: Path, store: FrameStore, clip: Clip, moge: MoGe2, frames: np.ndarray
) -> list[FrameFeatures]:
    if not path.exists():
        save_features(encode_frames(store, clip, moge, frames), path)
    return load_features(path)


def train_nano(
    folder: Path, factor: float = 1.0, workers: int = 2, device: torch.device | str = "cpu"
) -> dict[str, torch.nn.Module]:
    """Do every step that is not done yet.

    Args:
        folder: for data, checkpoints and logs; about 4 GB.
        factor: share of the full data and steps; below 1 only to try the command out.
        workers: rendering processes.
        device: where the networks are trained; a run may go on on another one.

    Returns:
        The trained networks: "geometry", "clip", "language", "adapter" and "domain".
    """
    tokenizer = build_nano_tokenizer(CAPTION_WORDS)
    rooms = max(2, round(TRAINING_ROOMS.rooms * factor))
    training = RenderPlan(rooms=rooms)
    held_rooms = RenderPlan(
        first_seed=HELD_OUT_SEEDS,
        rooms=max(2, round(HELD_OUT_ROOMS.rooms * min(1.0, factor * 5))),
        frames_per_room=HELD_OUT_ROOMS.frames_per_room,
    )
    store = FrameStore(render_dataset(training, folder / "data" / "train", workers))
    held_out = FrameStore(render_dataset(held_rooms, folder / "data" / "held", workers))
    log.info("%d training frames, %d held out", len(store), len(held_out))
    moge = train_geometry(store, held_out, folder / "geometry", shorten(GEOMETRY, factor), device)
    clip = train_contrastive(
        store, held_out, tokenizer, folder / "clip", shorten(CONTRASTIVE, factor), device
    )
    count = min(len(store), max(16, round(LANGUAGE_FRAMES * factor)))
    chosen = np.linspace(0, len(store) - 1, count).astype(int)
    frames = _features(folder / "features_train.pt", store, clip, moge, chosen)
    held = _features(folder / "features_held.pt", held_out, clip, moge, np.arange(len(held_out)))
    schedules = {stage: shorten(schedule, factor) for stage, schedule in LANGUAGE.items()}
    model = train_language(frames, held, tokenizer, folder / "language", schedules, device=device)
    return {
        "geometry": moge,
        "clip": clip,
        "language": model.language_model,
        "adapter": model.adapter,
        "domain": train_nano_domain(folder, factor, workers, device),
    }


def train_nano_domain(
    folder: Path, factor: float = 1.0, workers: int = 2, device: torch.device | str = "cpu"
) -> torch.nn.Module:
    """Train what says that an image is none of the rooms; needs none of the other networks."""
    plan = DomainPlan().scaled(factor)
    return train_domain(folder / "domain", shorten(DOMAIN, factor), plan, workers, device)


def export(
    networks: dict[str, torch.nn.Module], tokenizer: LanguageTokenizer, folder: Path
) -> dict[str, str]:
    """Write the weights as float16 safetensors, and the language model's tokenizer beside it.

    Returns:
        The SHA-256 of each file by its name.
    """
    configs = {
        "geometry": NANO_CONFIG,
        "clip": {
            "vision": NANO_VISION_CONFIG,
            "text": {**NANO_TEXT_CONFIG, "vocab_size": len(tokenizer)},
        },
        "language": {**NANO_LANGUAGE_CONFIG, "vocab_size": len(tokenizer)},
        "adapter": NANO_ADAPTER_CONFIG,
        "domain": NANO_DOMAIN_CONFIG,
    }
    hashes = {}
    for name, network in networks.items():
        network.cpu()
        path = folder / f"{name}.safetensors"
        hashes[path.name] = save_weights(network, path, config=configs[name], licence="Apache-2.0")
        log.info("%s: %.1f MB", path, path.stat().st_size / 1e6)
    if "language" in networks:
        tokenizer.save(folder / "tokenizer.json")
    return hashes


def update_profile(profile: Path, hashes: dict[str, str]) -> None:
    """Put new hashes into a profile, in place; the rest of the file stays as it is.

    Raises:
        ValueError: the profile names no such file, or no hash beside it.
    """
    text = profile.read_text(encoding="utf-8")
    for name, digest in hashes.items():
        pattern = rf'(weights: \S*/{re.escape(name)}\n\s*(?:adapter_)?sha256: )"?[0-9a-f]*"?'
        text, count = re.subn(pattern, rf'\g<1>"{digest}"', text)
        if count != 1:
            raise ValueError(f"{profile} has no sha256 line after {name}")
    profile.write_text(text, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments_ = list(sys.argv[1:] if argv is None else argv)
    if arguments_[:1] == ["nano_detector"]:
        return detector_command.main(arguments_[1:])
    parser = argparse.ArgumentParser(prog="spatialgeo train", description=__doc__.split("\n")[0])
    folder = Path("runs/nano")
    parser.add_argument("--folder", type=Path, default=folder, help="data and checkpoints")
    parser.add_argument("--output", type=Path, help="where the weights go; default: below --folder")
    parser.add_argument("--profile", type=Path, help="profile YAML whose hashes are updated")
    parser.add_argument(
        "--only",
        choices=("domain",),
        help="this stage alone: what says that an image is none of the rooms",
    )
    parser.add_argument("--factor", type=float, default=1.0, help="share of data and steps")
    parser.add_argument("--workers", type=int, default=2, help="rendering processes")
    parser.add_argument("--device", default="auto", help=DEVICE_HELP)
    parser.add_argument("--threads", type=int, default=0, help="PyTorch threads; 0: its choice")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        device = choose_device(arguments.device)
    except ModelLoadError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    how = (arguments.folder, arguments.factor, arguments.workers, device)
    networks = {"domain": train_nano_domain(*how)} if arguments.only else train_nano(*how)
    output = arguments.output or arguments.folder / "weights"
    hashes = export(networks, build_nano_tokenizer(CAPTION_WORDS), output)
    if arguments.profile:
        update_profile(arguments.profile, hashes)
    for name, digest in hashes.items():
        print(f"{digest}  {output / name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
