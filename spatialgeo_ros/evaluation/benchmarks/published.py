# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of the papers' tables, by benchmark and model."""

from __future__ import annotations

from collections.abc import Mapping

Row = dict[str, float]


def _columns(names: str, rows: Mapping[str, str]) -> dict[str, Row]:
    keys = names.split("|")
    return {
        model: {
            key: float(value) for key, value in zip(keys, text.split(), strict=True) if value != "-"
        }
        for model, text in rows.items()
    }


# SpatialRGPT, table 1 (arXiv 2406.01584): success in %, then mean |error| / truth of lengths and
# degrees of directions. SpatialGeo's README (arXiv 2511.17308, as of June 2025): success in %.
SPATIALRGPT = _columns(
    "below/above|left/right|big/small|tall/short|wide/thin|behind/front|comparisons|"
    "direct distance|horizontal distance|vertical distance|width|height|direction|"
    "direct distance, abs rel|horizontal distance, abs rel|vertical distance, abs rel|"
    "width, abs rel|height, abs rel|direction, degrees",
    {
        "GPT-4, blind": (
            "64.16 42.85 42.85 61.60 61.60 49.09 57.83 21.6 11.5 33.0 52.3 48.1 34.6 "
            "1.29 2.08 .65 .52 1.40 83.7"
        ),
        "GPT-4V": (
            "63.34 46.67 64.15 60.71 68.26 45.45 58.14 29.7 25.4 33.0 51.1 68.4 43.9 "
            ".92 2.75 .48 .37 1.57 69.9"
        ),
        "LLaVA-1.6-34B": (
            "44.16 45.71 36.79 53.57 37.50 45.45 43.98 24.3 24.5 30.1 30.8 42.8 33.6 "
            ".76 1.59 .62 .40 1.96 78.2"
        ),
        "SpatialRGPT-7B": (
            "99.17 99.04 80.19 91.96 87.50 91.81 91.78 41.2 65.6 51.9 49.6 57.9 95.3 "
            ".33 .25 .27 .31 .61 15.4"
        ),
        "SpatialRGPT-VILA-1.5-8B": (
            "99.17 100 84.90 89.28 91.34 90.90 92.69 45.9 68.0 56.6 48.9 61.7 95.3 "
            ".31 .22 .28 .28 .41 9.7"
        ),
    },
) | _columns(
    "height|width|vertical distance|horizontal distance|direct distance|lengths",
    {
        "LLaVA-1.5-7B (SpatialGeo's run)": "10.53 15.04 16.98 17.21 13.51 14.49",
        "LLaVA-OSD (SpatialGeo's run)": "54.14 34.59 56.60 50.82 40.54 46.73",
        "GPT-4o (SpatialGeo's run)": "18.80 10.53 4.72 5.74 2.03 8.41",
        "GPT-4V (SpatialGeo's run)": "24.06 21.05 6.60 9.02 7.43 13.86",
        "GPT-4.1 (SpatialGeo's run)": "61.65 36.84 2.83 9.02 19.59 27.10",
        "SpatialRGPT (SpatialGeo's run)": "63.61 48.12 50.94 49.18 33.78 48.60",
        "SpatialGeo": "58.65 41.35 56.60 59.02 48.65 52.49",
    },
)
#: The sources of SpatialScore that SpatialGeo's README reports, and the name of their plain mean.
SPATIALSCORE_SOURCES = (
    "QSpatialBench-Plus", "QSpatialBench-ScanNet", "spatialbench", "VSR-ZeroShot", "SpatialSense",
    "RealWorldQA", "VGBench",
)  # fmt: skip
SPATIALSCORE_MEAN = "mean of seven"
# SpatialGeo's README: accuracy, %.
SPATIALSCORE = _columns(
    "|".join((*SPATIALSCORE_SOURCES, SPATIALSCORE_MEAN)),
    {
        "LLaVA-1.5-7B": "38.61 47.65 53.45 70.13 60.24 54.38 31.79 50.89",
        "SpatialGeo": "58.42 54.12 53.45 68.66 63.11 55.69 37.54 55.86",
    },
)
_VSI_NAMES = (
    "object_counting|object_abs_distance|object_size_estimation|room_size_estimation|"
    "object_rel_distance|object_rel_direction|route_planning|obj_appearance_order|micro"
)
# Spatial-MLLM (arXiv 2505.23747), micro average; Gemini saw whole videos, the others their own
# numbers of frames, Qwen and Spatial-MLLM 16. Below it the README of version 1.1.
VSI_BENCH = _columns(
    _VSI_NAMES,
    {
        "GPT-4o": "46.2 5.3 43.8 38.2 37.0 41.3 31.5 28.5 34.0",
        "Gemini-1.5-Pro": "56.2 30.9 64.1 43.6 51.3 46.3 36.0 34.6 45.4",
        "InternVL2-40B": "34.9 26.9 46.5 31.8 42.1 32.2 34.0 39.6 36.0",
        "LLaVA-OneVision-72B": "43.5 23.9 57.6 37.5 42.5 39.9 32.5 44.6 40.2",
        "LLaVA-Video-72B": "48.9 22.8 57.4 35.3 42.4 36.7 35.0 48.6 40.9",
        "Qwen2.5-VL-3B": "24.3 24.7 31.7 22.6 38.3 41.6 26.3 21.2 30.6",
        "Qwen2.5-VL-7B": "40.9 14.8 43.4 10.7 38.6 38.5 33.0 29.8 33.0",
        "Qwen2.5-VL-72B": "25.1 29.3 57.9 29.4 41.7 37.0 23.2 29.0 37.0",
        "Spatial-MLLM-4B": "65.3 34.8 63.1 45.1 41.3 46.2 33.5 46.3 48.4",
    },
) | _columns(
    "micro|macro",
    {
        "Qwen2.5-VL-3B (1.1's run)": "27.86 27.25",
        "Qwen2.5-VL-3B, trained on 135K": "49.84 49.64",
        "Spatial-MLLM-1.1-135K": "51.13 50.48",
        "Spatial-MLLM-1.1-135K, space-aware": "52.75 51.81",
        "Spatial-MLLM-1.1-820K": "53.53 53.00",
        "Spatial-MLLM-1.1-820K, space-aware": "54.24 53.43",
    },
)
# Spatial-MLLM.
SCANQA = _columns(
    "BLEU-1|BLEU-4|METEOR|ROUGE-L|CIDEr",
    {
        "Qwen2.5-VL-3B": "26.4 7.5 12.2 33.2 62.7",
        "Qwen2.5-VL-7B": "26.2 9.6 12.7 34.2 64.9",
        "Qwen2.5-VL-72B": "26.8 12.0 13.0 35.2 66.9",
        "LLaVA-Video-7B": "39.7 3.1 17.7 44.6 88.7",
        "ScanQA": "30.2 10.1 13.1 33.3 64.9",
        "3D-LLM": "39.3 12.0 14.5 35.7 69.4",
        "LL3DA": "- 13.5 15.9 37.3 76.8",
        "Chat-Scene": "43.2 14.3 18.0 41.6 87.7",
        "3D-LLaVA": "- 17.1 18.4 43.1 92.6",
        "Video-3D-LLM": "47.1 16.2 19.8 49.0 102.1",
        "Spatial-MLLM-4B": "44.4 14.8 18.4 45.0 91.8",
    },
)
SQA3D = _columns(
    "EM-1|EM-R1",
    {
        "Qwen2.5-VL-3B": "43.4 45.9",
        "Qwen2.5-VL-7B": "46.5 49.8",
        "Qwen2.5-VL-72B": "47.0 50.9",
        "LLaVA-Video-7B": "48.5 -",
        "ScanQA": "47.2 -",
        "Chat-Scene": "54.6 57.5",
        "3D-LLaVA": "54.5 56.6",
        "Video-3D-LLM": "58.6 -",
        "Spatial-MLLM-4B": "55.9 58.7",
    },
)
