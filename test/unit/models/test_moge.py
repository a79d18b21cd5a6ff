# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Both MoGes, the nano geometry network, camera prior, and backbones beyond the golden files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checkpoints.moge import write_moge1
from transformers import Dinov2Config, Dinov2Model

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.models.backbones import ConvBackbone, Dinov2Backbone, build_backbone
from spatialgeo_ros.models.moge.affine_points import (
    floor_prior,
    focal_from_fov_x,
    remap_points,
)
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import NANO_CONFIG, MoGe2
from spatialgeo_ros.models.moge.moge_checkpoint import load_moge

TOKENS = 48


@pytest.fixture(scope="module")
def nano() -> MoGe2:
    torch.manual_seed(0)
    return MoGe2(**NANO_CONFIG).eval()


def test_nano_shapes(nano: MoGe2) -> None:
    image, prior = torch.rand(2, 3, 96, 128), torch.rand(2, 4, 96, 128)
    with torch.inference_mode():
        raw = nano(image, TOKENS, prior, upsample=False)
        full = nano(image, TOKENS, prior)
    assert raw["points"].shape == (2, 48, 64, 3)
    assert full["points"].shape == (2, 96, 128, 3)
    assert raw["mask"].shape == (2, 48, 64)
    assert raw["metric_scale"].shape == (2,)
    tokens = raw["features"].tokens()
    assert [t.shape for t in tokens] == [(2, TOKENS, 160)] * 4
    # All four layers go through the norm: unit scale, before its gain is trained.
    for layer in tokens:
        torch.testing.assert_close(
            layer.var(dim=-1, correction=0), torch.ones(2, TOKENS), rtol=0, atol=0.05
        )


def test_prior_reaches_the_network(nano: MoGe2) -> None:
    image, prior = torch.rand(1, 3, 96, 128), torch.rand(1, 4, 96, 128)
    with torch.inference_mode():
        with_prior = nano(image, TOKENS, prior, upsample=False)["points"]
        unknown = nano(image, TOKENS, upsample=False)["points"]
        zeros = nano(image, TOKENS, torch.zeros_like(prior), upsample=False)["points"]
    assert not torch.allclose(with_prior, unknown)
    torch.testing.assert_close(unknown, zeros)


def test_tokens_are_row_major(nano: MoGe2) -> None:
    features = nano.encoder.backbone(torch.rand(1, 3, 96, 128))
    torch.testing.assert_close(features.tokens()[2][0, 8 * 2 + 5], features.maps[2][0, :, 2, 5])


def test_infer_without_batch_axis(nano: MoGe2) -> None:
    image = torch.rand(3, 96, 128)
    single = nano.infer(image, TOKENS, fov_x=60.0)
    batch = nano.infer(image[None], TOKENS, fov_x=60.0)
    assert single["points"].shape == (96, 128, 3)
    torch.testing.assert_close(single["depth"], batch["depth"][0])
    with pytest.raises(ValueError, match="resolution_level"):
        nano.infer(image, resolution_level=10)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> MoGe1:
    model = load_moge(write_moge1(tmp_path_factory.mktemp("moge1")))
    assert isinstance(model, MoGe1)
    return model


@pytest.mark.parametrize("size", [(48, 64), (70, 42), (56, 56)])
def test_heads_on_features_from_elsewhere(first: MoGe1, size: tuple[int, int]) -> None:
    """What a shared tower computed gives the same maps as a pass of the network's own."""
    image = torch.rand(2, 3, *size)
    with torch.inference_mode():
        expected = first(image, 20, upsample=False)
        working = first.working_size(20, size)
        features = first.backbone(first.patches_input(image, working))
        found = first.predict_from_features(features, working, working[1] / working[0])
    assert found["points"].shape == (2, *working, 3)
    for key in ("points", "mask"):
        assert torch.equal(found[key], expected[key])
    assert found["features"] is features
    result = first.to_metric(found, fov_x=60.0)
    assert result["depth"].shape == (2, *working)


def test_heads_take_a_square_of_patches(first: MoGe1) -> None:
    """SpatialGeo's tower sees whole patches of a square: nothing is cut off."""
    image = torch.rand(1, 3, 56, 56)
    with torch.inference_mode():
        expected = first(image, 16, upsample=False)
        assert first.working_size(16, (56, 56)) == (56, 56)
        features = first.backbone((image - first.image_mean) / first.image_std)
        found = first.predict_from_features(features, (56, 56), 1.0)
    torch.testing.assert_close(found["points"], expected["points"], rtol=0, atol=1e-5)


def test_first_version_keeps_what_its_mask_says(first: MoGe1) -> None:
    """MoGe-2 also drops points behind the camera; MoGe 1 does not."""
    points = torch.ones(1, 30, 40, 3)
    points[0, :, :20, 2] = -5.0
    out = {"points": points, "mask": torch.full((1, 30, 40), 0.6)}
    assert first.to_metric(out, fov_x=60.0)["mask"].all()
    out["mask"] = torch.full((1, 30, 40), 0.5)
    assert not first.to_metric(out, fov_x=60.0)["mask"].any()


def test_second_version_drops_what_is_behind_the_camera(nano: MoGe2) -> None:
    points = torch.ones(1, 30, 40, 3)
    points[0, :, :20, 2] = -500.0
    out = {"points": points, "mask": torch.full((1, 30, 40), 0.6)}
    mask = nano.to_metric(out, fov_x=60.0)["mask"]
    assert not mask[:, :, :20].any() and mask[:, :, 20:].all()


def test_first_version_takes_no_camera_prior(first: MoGe1) -> None:
    with pytest.raises(ValueError, match="prior"):
        first(torch.rand(1, 3, 48, 64), 20, torch.zeros(1, 4, 48, 64))


def test_known_focal_is_kept(nano: MoGe2) -> None:
    aspect = 128 / 96
    focal = focal_from_fov_x(torch.tensor([62.0]), aspect)
    matrix = nano.infer(torch.rand(1, 3, 96, 128), TOKENS, focal=focal)["intrinsics"]
    fov = 2 * torch.atan(0.5 / matrix[0, 0, 0])
    assert torch.rad2deg(fov).item() == pytest.approx(62.0, abs=1e-3)


@pytest.mark.parametrize("mode", ["linear", "exp", "sinh", "sinh_exp"])
def test_remaps(mode: str) -> None:
    x = torch.tensor([0.5, -1.0, 0.25])
    expected = {
        "linear": x,
        "exp": torch.stack([x[0] * x[2].exp(), x[1] * x[2].exp(), x[2].exp()]),
        "sinh": x.sinh(),
        "sinh_exp": torch.stack([x[0].sinh(), x[1].sinh(), x[2].exp()]),
    }[mode]
    torch.testing.assert_close(remap_points(x, mode), expected)


def test_unknown_remap() -> None:
    with pytest.raises(ValueError, match="cubic"):
        remap_points(torch.zeros(3), "cubic")


def test_floor_prior_gives_the_floor() -> None:
    camera = PinholeCamera(128, 96, 105.0, 105.0, 63.5, 47.5)
    pitch, height = np.deg2rad(12), 0.9
    gravity = np.array([0.0, np.cos(pitch), np.sin(pitch)])
    prior = floor_prior(camera, gravity, height)
    assert prior.shape == (4, 96, 128) and prior.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(prior[:3], axis=0), 1, atol=1e-6)
    # A point of the floor projects to a pixel whose inverse depth the prior must hold.
    x, z_forward = 0.2, 2.0
    level_to_camera = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    point = level_to_camera @ np.array([x, height, z_forward])
    u, v = np.rint(camera.project(point[None])[0]).astype(int)
    ray = camera.rays()[v, u].astype(np.float64)
    expected = (gravity @ ray) / height
    assert prior[3, v, u] == pytest.approx(expected, rel=1e-5)
    assert 1 / prior[3, v, u] == pytest.approx(point[2], rel=0.02)
    above = camera.rays() @ gravity < 0
    assert above.any() and not prior[3][above].any()
    with pytest.raises(ValueError, match="above the floor"):
        floor_prior(camera, gravity, 0.0)


def test_dinov2_equals_transformers_at_its_own_size() -> None:
    torch.manual_seed(1)
    config = Dinov2Config(
        hidden_size=24, num_hidden_layers=5, num_attention_heads=2, image_size=70, patch_size=14
    )
    reference = Dinov2Model(config).eval()
    ours = Dinov2Backbone(
        {"embed_dim": 24, "depth": 5, "num_heads": 2, "img_size": 70, "norm_eps": 1e-6}
    ).eval()
    ours.model.load_state_dict(reference.state_dict(), strict=True)
    image = torch.randn(1, 3, 70, 70)
    with torch.inference_mode():
        expected = reference(image, output_hidden_states=True)
        features = ours(image)
        for tokens, hidden in zip(features.tokens(), expected.hidden_states[-4:], strict=True):
            normed = reference.layernorm(hidden)[:, 1:]
            torch.testing.assert_close(tokens, normed, rtol=0, atol=1e-5)
    torch.testing.assert_close(features.cls, expected.pooler_output, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="prior"):
        ours(image, torch.zeros(1, 4, 70, 70))


def test_backbone_choices() -> None:
    with torch.device("meta"):
        small = build_backbone("dinov2_vits14")
    assert sum(p.numel() for p in small.parameters()) == pytest.approx(22.06e6, rel=1e-3)
    assert isinstance(build_backbone({"kind": "conv"}), ConvBackbone)
    for wrong in ("dinov9", {"kind": "mlp"}):
        with pytest.raises(ModelLoadError, match="unknown backbone"):
            build_backbone(wrong)
    with pytest.raises(ValueError, match="four blocks"):
        ConvBackbone(depths=(1, 1, 3))
