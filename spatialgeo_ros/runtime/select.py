# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the backend that runs an encoder: the best one that is here and computes the same."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.backend import Backend, BackendUnavailableError
from spatialgeo_ros.runtime.candidates import onnxruntime_backend, tensorrt_backend
from spatialgeo_ros.runtime.gate import Encoder, EngineContext
from spatialgeo_ros.runtime.parity import ParityReport
from spatialgeo_ros.runtime.tensorrt_module import UnsupportedChipError

log = logging.getLogger(__name__)

#: Best first. PyTorch is the reference: it is always here and passes by definition.
ORDER = ("tensorrt", "tensorrt_rtx", "onnxruntime", "torch")
#: What may be asked for -> the kinds that serve it.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "auto": ORDER,
    "tensorrt": ("tensorrt", "tensorrt_rtx"),
    "tensorrt_rtx": ("tensorrt_rtx",),
    "onnxruntime": ("onnxruntime",),
    "torch": ("torch",),
}
POLICIES = ("fail", "next_backend")

Make = Callable[[Encoder, EngineContext], tuple[Backend, ParityReport | None]]


@dataclass(frozen=True)
class Selection:
    """The backend that runs, and why no better one does.

    Attributes:
        backend: Ready to run.
        kind: "tensorrt", "tensorrt_rtx", "onnxruntime" or "torch".
        rejected: Kind -> why it does not run, in the order in which they were tried.
        check: Gate or self-check that the backend has passed; None for PyTorch.
        degraded: A backend that is here was not trusted, or the one asked for does not run.
    """

    backend: Backend
    kind: str
    rejected: Mapping[str, str] = field(default_factory=dict)
    check: ParityReport | None = None
    degraded: bool = False

    def __str__(self) -> str:
        """For log, diagnostics and results: what runs, and why not the better ones."""
        reasons = "; ".join(f"not {kind}: {reason}" for kind, reason in self.rejected.items())
        return f"{self.backend.name} ({reasons})" if reasons else self.backend.name


def _tensorrt(encoder: Encoder, context: EngineContext) -> tuple[Backend, ParityReport | None]:
    return tensorrt_backend("tensorrt", encoder, context)


def _tensorrt_rtx(encoder: Encoder, context: EngineContext) -> tuple[Backend, ParityReport | None]:
    return tensorrt_backend("tensorrt_rtx", encoder, context)


def _torch(encoder: Encoder, context: EngineContext) -> tuple[Backend, ParityReport | None]:
    del context
    return encoder.reference(), None


MAKERS: Mapping[str, Make] = {
    "tensorrt": _tensorrt,
    "tensorrt_rtx": _tensorrt_rtx,
    "onnxruntime": onnxruntime_backend,
    "torch": _torch,
}


def select_backend(
    encoder: Encoder,
    context: EngineContext,
    wanted: str = "auto",
    policy: str = "next_backend",
    makers: Mapping[str, Make] = MAKERS,
) -> Selection:
    """Choose and load a backend.

    Args:
        encoder: What is to run.
        context: Device, engine cache and whether engines may be built.
        wanted: See ``CHOICES``. "auto" takes the best kind that is here.
        policy: What happens when a backend that is here fails, or the one asked for is not here:
            "fail" raises, "next_backend" goes on to the next one and warns.
        makers: How each kind is made.

    Raises:
        ModelLoadError: By policy "fail", with every reason; or nothing runs.
        ValueError: An unknown ``wanted`` or ``policy``.
    """
    if wanted not in CHOICES:
        raise ValueError(f"backend '{wanted}' is none of {', '.join(CHOICES)}")
    if policy not in POLICIES:
        raise ValueError(f"policy '{policy}' is none of {', '.join(POLICIES)}")
    asked = CHOICES[wanted]
    # After those asked for come the others from the next best on.
    others = ORDER[ORDER.index(asked[-1]) + 1 :] if policy == "next_backend" else ()
    rejected: dict[str, str] = {}
    degraded = False
    for kind in (*asked, *others):
        try:
            backend, check = makers[kind](encoder, context)
        except UnsupportedChipError as error:  # installed to be used, so it is said aloud
            rejected[kind] = str(error)
            log.warning("%s: not %s: %s", encoder.name, kind, error)
        except BackendUnavailableError as error:
            rejected[kind] = str(error)
            log.info("%s: not %s: %s", encoder.name, kind, error)
        except ModelLoadError as error:
            rejected[kind] = str(error)
            degraded = True
            if policy == "fail":
                raise ModelLoadError(f"{encoder.name} with {kind}: {error}") from error
            log.warning("%s: %s is NOT USED: %s", encoder.name, kind, error)
        else:
            if kind not in asked:
                degraded = True
                log.warning("%s: %s was asked for, %s runs", encoder.name, wanted, kind)
            selection = Selection(backend, kind, rejected, check, degraded)
            log.info("%s runs on %s", encoder.name, selection)
            return selection
    reasons = "; ".join(f"{kind}: {reason}" for kind, reason in rejected.items())
    raise ModelLoadError(f"{encoder.name} cannot run as '{wanted}': {reasons}")
