# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One recording of many: whatever goes wrong with it becomes a line of its outcome."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spatialgeo_ros.batch.job import Job
from spatialgeo_ros.batch.run import Report, finished_before, run_job
from spatialgeo_ros.errors import SpatialGeoError, escaped

#: Among the results: the traceback of a defect of ours.
ERROR_FILE = "error.txt"


@dataclass(frozen=True)
class Outcome:
    """What came of one recording.

    Attributes:
        job: what was to be done.
        summary: of the run; None where it failed.
        problem: why it failed, in a line; "" where it did not.
    """

    job: Job
    summary: dict[str, Any] | None
    problem: str = ""


def run_guarded(job: Job, report: Report) -> Outcome:
    """Work through one recording.

    A defect of ours is written with its traceback to :data:`ERROR_FILE` among the results.

    Raises:
        BrokenPipeError: ``report`` did.
    """
    return _guarded(job, lambda: run_job(job, report))


def outcome_before(job: Job) -> Outcome | None:
    """Return what came of a job where no work is left, so that nothing is started for it."""
    outcome = _guarded(job, lambda: finished_before(job))
    return outcome if outcome.problem or outcome.summary is not None else None


def _guarded(job: Job, work: Callable[[], dict[str, Any] | None]) -> Outcome:
    try:
        return Outcome(job, work())
    except SpatialGeoError as error:
        return Outcome(job, None, str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        return Outcome(job, None, f"{named}{error.strerror or error}")
    except MemoryError:
        return Outcome(job, None, "there is not enough memory for this")
    except Exception as error:
        with contextlib.suppress(OSError):
            (job.out / ERROR_FILE).write_text(traceback.format_exc())
        words = escaped(f"{type(error).__name__}: {error}", 300)
        return Outcome(job, None, f"internal error ({words}); see {job.out / ERROR_FILE}")
