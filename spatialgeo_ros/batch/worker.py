# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that works through one recording: ``python -m spatialgeo_ros.batch.worker``.

The job comes pickled on standard input, from whoever started the process. Lines of JSON go to
standard output: ``{"done": 3, "total": 20}``, and at the end ``{"summary": ..., "problem": ""}``.
Nothing is known here of the program that started it, which may be any script.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time

from spatialgeo_ros.batch.guarded import run_guarded

#: Least time between two reports, seconds.
_REPORT_S = 0.2


def main() -> int:
    """Work through the job of standard input."""
    job = pickle.load(sys.stdin.buffer)
    # What libraries print must not come between the lines.
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    told = -_REPORT_S

    def report(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _REPORT_S or done >= total:
            told = now
            print(json.dumps({"done": done, "total": total}), file=lines, flush=True)

    try:
        outcome = run_guarded(job, report)
        end = {"summary": outcome.summary, "problem": outcome.problem}
        print(json.dumps(end), file=lines, flush=True)
    except BrokenPipeError:  # nobody listens any more: a later run goes on from the saved state
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
