# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Focal length and shift: the solver against the published code's, and against known scenes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bench.focal_shift import published
from spatialgeo_ros.models.moge import focal as moge_focal
from spatialgeo_ros.models.moge.affine_points import (
    depth_to_points,
    focal_from_fov_x,
    focal_from_fx,
    intrinsics_from_focal,
    recover_focal_shift,
    solver_samples,
)

SIZES = [(48, 64), (90, 50), (64, 64), (70, 200)]


def scene(
    seed: int, size: tuple[int, int], focal: float, shift: float, noise: float = 0.0, batch: int = 1
) -> torch.Tensor:
    """Affine points [B, H, W, 3] of smooth random depth seen with a focal, moved along z."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 1 + 4 * torch.rand(batch, 1, 5, 6, generator=generator)
    depth = F.interpolate(coarse, size, mode="bilinear")[:, 0]
    matrix = intrinsics_from_focal(torch.full((batch,), focal), size[1] / size[0])
    points = depth_to_points(depth, matrix)
    points[..., 2] -= shift
    return points * (1 + noise * torch.randn(points.shape, generator=generator))


@pytest.mark.parametrize(("focal", "shift"), [(1.1, 0.4), (0.7, -0.5), (2.2, 0.0)])
def test_exact_scene(focal: float, shift: float) -> None:
    for size in SIZES:
        points = scene(2, size, focal, shift)
        found_focal, found_shift = recover_focal_shift(points)
        assert found_focal.item() == pytest.approx(focal, rel=5e-3)
        assert found_shift.item() == pytest.approx(shift, abs=1e-2)
        known = torch.tensor([focal])
        kept, found_shift = recover_focal_shift(points, focal=known)
        assert torch.equal(kept, known)
        assert found_shift.item() == pytest.approx(shift, abs=5e-3)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("known", [False, True])
def test_both_solvers_end_in_the_same_place(noise: float, known: bool) -> None:
    """A solver that converges fully would fail here from 10 % of noise on."""
    for seed, size in enumerate(SIZES * 3):
        points = scene(seed, size, 0.6 + 0.15 * seed, 0.08 * seed - 0.4, noise, batch=2)
        mask = torch.rand(points.shape[:3], generator=torch.Generator().manual_seed(seed)) < 0.7
        focal = torch.tensor([1.0, 1.4]) if known else None
        found = torch.stack(recover_focal_shift(points, mask, focal))
        expected = torch.stack(published(points, mask, focal))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_focals_known_of_some_images_only() -> None:
    points = scene(4, (48, 64), 1.3, 0.3, 0.05, batch=3)
    focal = torch.tensor([torch.nan, 1.1, torch.nan])
    found, shift = recover_focal_shift(points, focal=focal)
    free, free_shift = recover_focal_shift(points)
    fixed, fixed_shift = recover_focal_shift(points[1:2], focal=focal[1:2])
    torch.testing.assert_close(found[[0, 2]], free[[0, 2]])
    torch.testing.assert_close(shift[[0, 2]], free_shift[[0, 2]])
    assert found[1] == fixed[0] == 1.1 and shift[1] == fixed_shift[0]


def test_an_image_does_not_depend_on_its_batch() -> None:
    points = torch.cat([scene(s, (48, 64), 0.8 + 0.3 * s, 0.2 * s, 0.2 * s) for s in range(3)])
    together = torch.stack(recover_focal_shift(points))
    apart = torch.cat([torch.stack(recover_focal_shift(p[None])) for p in points], dim=1)
    torch.testing.assert_close(together, apart, rtol=1e-6, atol=1e-7)


def test_too_few_points() -> None:
    points = scene(1, (64, 64), 1.3, 0.3, batch=3)
    mask = torch.zeros(points.shape[:3], dtype=torch.bool)
    mask[0, 10, 10] = True
    mask[2] = True
    focal, shift = recover_focal_shift(points, mask)
    assert focal[:2].tolist() == [1.0, 1.0] and shift[:2].tolist() == [0.0, 0.0]
    assert focal[2].item() == pytest.approx(1.3, rel=5e-3)
    known, shift = recover_focal_shift(points, mask, torch.tensor([1.2] * 3))
    assert torch.equal(known, torch.tensor([1.2] * 3)) and shift[0] == 0


def test_values_outside_the_mask_do_not_count() -> None:
    points = scene(6, (64, 64), 1.3, 0.3)
    mask = torch.ones(1, 64, 64, dtype=torch.bool)
    mask[0, :20] = False
    expected = torch.stack(recover_focal_shift(points, mask))
    points[0, :20] = torch.nan
    points[0, 0] = torch.inf
    assert torch.equal(torch.stack(recover_focal_shift(points, mask)), expected)
    assert torch.equal(torch.stack(recover_focal_shift(points)), expected)


def test_all_points_in_one_place_give_finite_numbers() -> None:
    """No shift explains them: the safeguards must end the search."""
    points = torch.ones(2, 64, 64, 3)
    points[1, ..., :2] = 0.0
    for focal in (None, torch.tensor([1.0, 1.0])):
        solved, shift = recover_focal_shift(points, focal=focal)
        assert torch.isfinite(shift).all()
        assert torch.isfinite(solved[0])


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("all_known", [False, True])
def test_sums_on_pytorch_are_those_on_numpy(known: bool, all_known: bool) -> None:
    """GPUs sum on PyTorch, CPUs on NumPy, and the search is the same; also one per map of a batch.

    What a GPU computes ahead is used: the search finds its shifts to the bit.
    """
    if all_known and not known:
        pytest.skip("an unknown focal is not known")
    asked: list[np.ndarray] = []
    for noise in (0.3, 0.05, 0.0):
        points = scene(8, (64, 64), 1.3, 0.3, noise, batch=2)
        mask = torch.rand(points.shape[:3], generator=torch.Generator().manual_seed(2)) < 0.8
        focal = torch.tensor([1.3, 1.1 if all_known else torch.nan]) if known else None
        expected = recover_focal_shift(points, mask, focal)
        problem = moge_focal.torch_problem(
            *solver_samples(points, mask), focal, all_known=all_known
        )

        def ask(shift: np.ndarray, problem: moge_focal.Problem = problem) -> np.ndarray:
            asked.append(shift)
            return torch.stack(moge_focal.four(problem.at(torch.from_numpy(shift)))).numpy()

        asked.clear()
        foreseen = moge_focal.Foreseen(moge_focal.foresee(problem).numpy(), ask)
        shift = moge_focal.search_shift(foreseen, problem.enough.numpy())
        solved = problem.focal(torch.from_numpy(shift).float())
        torch.testing.assert_close(torch.from_numpy(shift).float(), expected[1])
        torch.testing.assert_close(solved.float(), expected[0])
    assert len(asked) < 3  # of the smooth maps


def test_focal_of_a_calibration() -> None:
    """Both ways to give a known camera say the same."""
    width, height, fov = 640, 480, 62.0
    fx = width / 2 / np.tan(np.deg2rad(fov / 2))
    from_fx = focal_from_fx(torch.tensor([fx]), width, height)
    from_fov = focal_from_fov_x(torch.tensor([fov]), width / height)
    torch.testing.assert_close(from_fx, from_fov.to(from_fx))
    matrix = intrinsics_from_focal(from_fx, width / height)
    assert matrix[0, 0, 0].item() * width == pytest.approx(fx, rel=1e-6)
    assert matrix[0, 1, 1].item() * height == pytest.approx(fx, rel=1e-6)


@pytest.mark.parametrize("known", [False, True])
def test_one_map_is_searched_as_one_of_several_to_the_bit(known: bool) -> None:
    """Of one map the search is in numbers, of several in arrays."""
    for seed in range(60):
        noise = (0.0, 0.02, 0.1, 0.3, 0.8)[seed % 5]
        points = scene(seed, (48, 64), 0.7 + 0.02 * seed, 0.5 - 0.02 * seed, noise)
        mask = torch.rand(points.shape[:3], generator=torch.Generator().manual_seed(seed)) < 0.5
        focal = torch.tensor([1.1]) if known else None
        samples = (one.numpy() for one in moge_focal._float64(*solver_samples(points, mask), focal))
        with np.errstate(all="ignore"):
            problem = moge_focal.Problem.of(np, *samples)

        def twice(shift: np.ndarray, problem: moge_focal.Problem = problem) -> moge_focal.Sums:
            every = [moge_focal.four(problem.at(shift[k : k + 1])) for k in range(2)]
            return moge_focal.Sums(*(np.concatenate(pair) for pair in zip(*every, strict=True)))

        alone = moge_focal.search_shift(problem.at, problem.enough)
        together = moge_focal.search_shift(twice, np.repeat(problem.enough, 2))
        assert alone.dtype == together.dtype == np.float64
        assert np.array_equal(together, np.repeat(alone, 2))


def test_numbers_obey_numpy_s_rules() -> None:
    """Infinities and what is no number end a search that nothing else would end."""
    odd = [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan]
    for a in odd:
        for b in odd:
            for ours, theirs in (
                (moge_focal._minimum, np.minimum), (moge_focal._maximum, np.maximum)
            ):  # fmt: skip
                found, right = ours(a, b), theirs(a, b)
                assert found == right or (np.isnan(found) and np.isnan(right))


def test_a_division_by_zero_goes_on_as_in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's numbers have no infinity to divide to: the search begins anew in arrays."""
    used: list[moge_focal.Arithmetic] = []
    original = moge_focal._search

    def recorded(at: object, enough: object, shift: object, use: moge_focal.Arithmetic) -> object:
        used.append(use)
        return original(at, enough, shift, use)  # type: ignore[arg-type]

    monkeypatch.setattr(moge_focal, "_search", recorded)

    def sums(shift: np.ndarray) -> moge_focal.Sums:
        """A cost of 0 at the first step: the gain of the next is 0 / 0."""
        here, one = np.maximum(1 - 10 * shift, 0.0), np.ones_like(shift)
        return moge_focal.Sums(focal=one, cost=here * here, jr=-10 * here - 1e-3, jj=100 * one)

    for count in (1, 2):
        found = moge_focal.search_shift(sums, np.ones(count, bool))
        np.testing.assert_array_equal(found, np.full(count, found[0]))
        assert np.isfinite(found).all()
    first, again, both = used
    assert (first, again, both) == (moge_focal._OF_ONE, moge_focal._OF_ALL, moge_focal._OF_ALL)


@pytest.mark.parametrize("known", [False, True])
def test_the_guess_is_where_the_search_ends(known: bool) -> None:
    right = 0
    for seed in range(40):
        points = scene(seed, (48, 64), 1.2, 0.01 * seed, noise=0.003 * (seed + 1))
        focal = torch.tensor([1.2]) if known else None
        problem = moge_focal.torch_problem(*solver_samples(points), focal, all_known=known)
        table = moge_focal.foresee(problem)
        guess = moge_focal.likely_shift(table)

        def ask(shift: np.ndarray, problem: moge_focal.Problem = problem) -> np.ndarray:
            return torch.stack(moge_focal.four(problem.at(torch.from_numpy(shift)))).numpy()

        found = moge_focal.search_shift(
            moge_focal.Foreseen(table.numpy(), ask), problem.enough.numpy()
        )
        right += bool(guess.item() == found[0])
    assert right >= 38, f"{right} of 40"
