# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VGGT: full size, checkpoints of both kinds and broken ones, preprocessing, lean memory."""

from __future__ import annotations

import logging
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints.vggt import TINY, random_vggt, track_head_shapes, write_vggt
from PIL import Image
from safetensors.torch import load_file, save_file

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.vggt import (
    Vggt,
    VggtConfig,
    config_from_tensors,
    load_images,
    load_vggt,
    vggt_from_state,
)
from spatialgeo_ros.models.vggt.camera_head import extrinsics
from spatialgeo_ros.models.vggt.dpt import position_map
from spatialgeo_ros.models.vggt.rope import patch_positions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vggt(tmp_path_factory.mktemp("vggt"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Vggt:
    return load_vggt(folder)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(1, 3, 3, 42, 56, generator=torch.Generator().manual_seed(1))


def test_full_size_has_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        network = Vggt()
    counts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()
    }
    config = network.config
    track = sum(prod(s) for _, s in track_head_shapes(2 * config.embed_dim, config.dpt_channels))
    millions = {name: round(count / 1e6, 1) for name, count in counts.items()}
    assert millions == {
        "aggregator": 909.1,
        "camera_head": 216.2,
        "point_head": 32.7,
        "depth_head": 32.7,
    }
    assert round(track / 1e6, 1) == 65.9
    assert round((sum(counts.values()) + track) / 1e6, 1) == 1256.5


def test_published_sizes_are_read_off_tensors_of_that_size() -> None:
    with torch.device("meta"):
        state = dict(Vggt().state_dict())
        state["aggregator.patch_embed.patch_embed.proj.weight"] = torch.empty(1024, 3, 14, 14)
        state["aggregator.patch_embed.pos_embed"] = torch.empty(1, 1370, 1024)
        state.update(
            {
                f"aggregator.patch_embed.blocks.{i}.norm1.weight": torch.empty(1024)
                for i in range(24)
            }
        )
    assert config_from_tensors(state) == VggtConfig()


def test_both_file_kinds_give_the_same_network(
    model: Vggt, images: torch.Tensor, tmp_path: Path
) -> None:
    other = load_vggt(write_vggt(tmp_path, name="model.pt") / "model.pt")
    with torch.inference_mode():
        ours, theirs = model(images), other(images)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_outputs_have_the_promised_shapes(model: Vggt, images: torch.Tensor) -> None:
    with torch.inference_mode():
        out = model(images)
    shapes = {key: tuple(value.shape) for key, value in out.items()}
    assert shapes == {
        "pose_enc": (1, 3, 9),
        "extrinsic": (1, 3, 3, 4),
        "intrinsic": (1, 3, 3, 3),
        "world_points": (1, 3, 42, 56, 3),
        "world_points_conf": (1, 3, 42, 56),
        "depth": (1, 3, 42, 56, 1),
        "depth_conf": (1, 3, 42, 56),
    }
    rotation = out["extrinsic"][..., :3]
    torch.testing.assert_close(
        rotation @ rotation.transpose(-1, -2), torch.eye(3).expand(1, 3, 3, 3), atol=1e-5, rtol=0
    )
    assert out["world_points_conf"].min() >= 1 and out["depth"].min() > 0


def test_track_head_is_left_out_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        model = load_vggt(folder, heads=("point",))
    assert model.heads == ("point",) and not hasattr(model, "camera_head")
    assert "camera_head, depth_head, track_head" in caplog.text


def test_only_the_layers_asked_for_are_kept(model: Vggt, images: torch.Tensor) -> None:
    with torch.inference_mode():
        every, start = model.aggregate(images)
        some, _ = model.aggregate(images, [-1, 1])
    assert start == TINY.specials == 5 and len(every) == TINY.depth
    assert torch.equal(some[0], every[-1]) and torch.equal(some[1], every[1])
    assert model.layers_read() == [0, 1, 2, 3]


def test_layers_behind_the_last_one_read_do_not_run(
    model: Vggt, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("ran")

    monkeypatch.setattr(model.aggregator.frame_blocks[2], "forward", fail)
    with torch.inference_mode():
        model.aggregate(images, [1])
        with pytest.raises(AssertionError, match="ran"):
            model.aggregate(images, [2])


def test_frames_in_chunks_are_the_same(model: Vggt) -> None:
    layers = [torch.randn(5, 12, 2 * TINY.embed_dim) for _ in range(4)]
    with torch.inference_mode():
        whole = model.point_head(layers, (42, 56), 5)
        parts = model.point_head(layers, (42, 56), 2)
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=0)


def test_heads_stay_float32_beside_a_bfloat16_aggregator(
    folder: Path, images: torch.Tensor
) -> None:
    model = load_vggt(folder, torch.bfloat16)
    assert {p.dtype for p in model.aggregator.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in model.point_head.parameters()} == {torch.float32}
    with torch.inference_mode():
        out = model(images.to(torch.bfloat16))
        full = load_vggt(folder)(images)
    assert out["world_points"].dtype == torch.float32
    error = (out["depth_conf"] - full["depth_conf"]).abs().mean() / full["depth_conf"].std()
    assert 0 < error < 0.3


def test_autocast_lowers_the_aggregator_alone(model: Vggt, images: torch.Tensor) -> None:
    seen = []
    handle = model.point_head.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        lowered = model(images)
    with torch.inference_mode():
        full = model(images)
    handle.remove()
    assert seen == [torch.float32, torch.float32]
    assert not torch.equal(lowered["world_points"], full["world_points"])


def test_frames_after_the_first_share_their_tokens(model: Vggt) -> None:
    """Swapping two later frames swaps their outputs; swapping with the first does not."""
    frames = torch.rand(1, 3, 3, 28, 28, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        tokens = model.aggregate(frames, [-1])[0][0]
        later = model.aggregate(frames[:, [0, 2, 1]], [-1])[0][0]
        first = model.aggregate(frames[:, [1, 0, 2]], [-1])[0][0]
    torch.testing.assert_close(later[:, [0, 2, 1]], tokens, atol=1e-4, rtol=0)
    assert (first[:, [1, 0, 2]] - tokens).abs().max() > 0.01


@pytest.mark.parametrize("shape", [(1, 3, 28, 28), (1, 1, 4, 28, 28), (1, 1, 3, 30, 28)])
def test_images_of_a_wrong_shape_are_refused(model: Vggt, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        model.aggregate(torch.zeros(shape))


def test_broken_checkpoints_name_the_tensor(folder: Path, tmp_path: Path) -> None:
    state = load_file(folder / "model.safetensors")
    path = tmp_path / "model.safetensors"

    def refused(match: str, **changed: torch.Tensor | None) -> None:
        broken = {**state, **{k: v for k, v in changed.items() if v is not None}}
        for name in [name for name, value in changed.items() if value is None]:
            del broken[name]
        save_file(broken, path)
        with pytest.raises(ModelLoadError, match=match):
            load_vggt(path)

    name = "aggregator.global_blocks.1.attn.proj.weight"
    refused("global_blocks.1.attn.proj.weight", **{name: None})
    refused("global_blocks.1.attn.proj.weight", **{name: torch.zeros(3, 3)})
    refused("point_head.surprise", **{"point_head.surprise": torch.zeros(1)})
    refused(
        "point_head.norm.bias.*not finite", **{"point_head.norm.bias": torch.full((64,), torch.nan)}
    )
    refused(
        "patch_embed.blocks.0.attn.qkv", **{"aggregator.patch_embed.blocks.0.attn.qkv.weight": None}
    )
    refused("'aggregator.register_token'.*no VGGT", **{"aggregator.register_token": None})
    path.write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelLoadError, match="damaged"):
        load_vggt(path)
    with pytest.raises(ModelLoadError, match="model.safetensors"):
        load_vggt(tmp_path / "..")


def test_state_of_another_family_is_refused() -> None:
    with pytest.raises(ModelLoadError, match="no VGGT checkpoint"):
        vggt_from_state({"backbone.cls_token": torch.zeros(1)}, "file")


def test_unknown_head() -> None:
    with pytest.raises(ValueError, match="unknown VGGT heads"):
        Vggt(TINY, heads=("track",))


def test_extrinsics_of_a_known_turn() -> None:
    """90 degrees about y, quaternion of length 2: x goes to -z."""
    half = 2 * 0.5**0.5
    pose = torch.tensor([1.0, 2.0, 3.0, 0.0, half, 0.0, half, 1.0, 1.0])
    expected = torch.tensor([[0.0, 0, 1, 1], [0, 1, 0, 2], [-1, 0, 0, 3]])
    torch.testing.assert_close(extrinsics(pose), expected, atol=1e-6, rtol=0)


def test_fields_of_view_are_never_negative(folder: Path) -> None:
    """They are cut off for the caller alone: the next iteration goes on from the raw value."""
    head = load_vggt(folder, heads=("camera",)).camera_head
    tokens = torch.randn(1, 2, 5, 2 * TINY.embed_dim, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        head.pose_branch.fc2.weight.zero_()
        head.pose_branch.fc2.bias.copy_(torch.tensor([0.0] * 6 + [1.0, -1.0, 1.0]))
        poses = head(tokens, iterations=3)
    assert [pose[0, 0, 7:].tolist() for pose in poses] == [[0, 1], [0, 2], [0, 3]]
    assert poses[-1][0, 1, 6] == 3


def test_positions_of_patches_start_at_one() -> None:
    assert patch_positions((2, 3), 2).tolist() == [
        [0, 0], [0, 0], [1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3],
    ]  # fmt: skip


def test_position_map_codes_u_then_v() -> None:
    """In the middle of an odd grid both coordinates are 0: sines 0, cosines 1."""
    code = position_map(8, (3, 5), 5 / 3)
    assert code.shape == (8, 3, 5)
    assert code[:, 1, 2].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert (code[:4, 0] == code[:4, 2]).all() and (code[4:, :, 0] == code[4:, :, 4]).all()


@pytest.mark.parametrize(
    ("height", "width", "mode", "size"),
    [
        (480, 640, "crop", (392, 518)),
        (720, 1280, "crop", (294, 518)),
        (1280, 720, "crop", (518, 518)),
        (480, 640, "pad", (518, 518)),
        (1280, 720, "pad", (518, 518)),
    ],
)
def test_preprocessed_sizes(height: int, width: int, mode: str, size: tuple[int, int]) -> None:
    frames = [np.zeros((height, width, 3), np.uint8)] * 2
    assert load_images(frames, mode).shape == (2, 3, *size)


def test_crop_keeps_the_middle_and_pad_adds_white() -> None:
    frame = np.zeros((100, 50, 3), np.uint8)
    frame[50:] = 200
    cropped = load_images([frame], "crop", size=28)[0]
    assert cropped.shape == (3, 28, 28)
    assert cropped[:, :10].max() < 0.05 and cropped[:, 18:].min() > 0.75
    padded = load_images([frame], "pad", size=28)[0]
    assert (padded[:, :, :7] == 1).all() and (padded[:, :, 21:] == 1).all()
    assert padded[:, :10, 8:20].max() < 0.05


def test_resize_is_pillows_bicubic() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (60, 84, 3)).astype(np.uint8)
    expected = np.array(Image.fromarray(frame).resize((42, 28), Image.Resampling.BICUBIC))
    actual = load_images([frame], "crop", size=42)[0].permute(1, 2, 0).numpy() * 255
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_portrait_frames_turn_clockwise_when_asked() -> None:
    frame = np.zeros((56, 28, 3), np.uint8)
    frame[:28] = 255  # the top goes to the right
    turned = load_images([frame], "crop", turn_portrait=True, size=56)[0]
    assert turned.shape == (3, 28, 56)
    assert turned[:, :, 32:].min() > 0.95 and turned[:, :, :24].max() < 0.05


def test_mixed_sizes_and_transparency() -> None:
    clear = np.zeros((28, 28, 4), np.uint8)
    wide = np.zeros((14, 28, 3), np.uint8)
    both = load_images([clear, wide], "crop", size=28)
    assert both.shape == (2, 3, 28, 28)
    assert (both[0] == 1).all()  # wholly transparent over white
    assert (both[1, :, :7] == 1).all() and (both[1, :, 7:21] == 0).all()


@pytest.mark.parametrize(
    ("frames", "options", "match"),
    [
        ([], {}, "no frames"),
        ([np.zeros((28, 28, 3), np.uint8)], {"mode": "square"}, "crop or pad"),
        ([np.zeros((28, 28), np.uint8)], {}, "uint8"),
        ([np.zeros((28, 28, 3), np.uint8)], {"size": 30}, "multiple of 14"),
    ],
)
def test_wrong_frames_are_refused(frames: list, options: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        load_images(frames, **options)


def test_random_checkpoints_differ_by_seed() -> None:
    a, b = random_vggt(seed=0), random_vggt(seed=1)
    assert a.keys() == b.keys() and not torch.equal(
        a["point_head.norm.bias"], b["point_head.norm.bias"]
    )
