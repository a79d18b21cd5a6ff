# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many recordings on a Ray cluster: one task each, in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spatialgeo_ros.batch.fleet import FleetEnd, settled_before
from spatialgeo_ros.batch.guarded import Outcome, run_guarded
from spatialgeo_ros.batch.job import Job
from spatialgeo_ros.errors import BadRequestError, escaped

#: Bytes of shared memory of a cluster of our own: the least that Ray takes, for summaries alone.
_STORE = 80_000_000


def run_on_ray(
    jobs: Sequence[Job],
    address: str,
    workers: int,
    gpus: float,
    end: FleetEnd = lambda number, outcome: None,
) -> list[Outcome]:
    """Work through recordings on a cluster.

    Its nodes need this package in their Python and the recordings and the folder of results under
    the same paths, for example on a network file system.

    Args:
        jobs: the recordings.
        address: of the cluster; "" starts one on this machine and ends it again.
        workers: how many at a time on a cluster of our own.
        gpus: that each recording takes; a fraction shares one.
        end: told what came of each.

    Returns:
        Outcomes in the order of the jobs. A task whose process dies makes its job fail, no other.

    Raises:
        BadRequestError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
    except ImportError as error:
        raise BadRequestError(
            "the package ray is not installed: pip install 'spatialgeo_ros[fleet]'"
        ) from error
    try:
        if address:
            ray.init(address=address, log_to_driver=False)
        else:
            ray.init(
                num_cpus=max(1, workers), include_dashboard=False, log_to_driver=False,
                object_store_memory=_STORE,
            )  # fmt: skip
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BadRequestError(
            f"no Ray cluster at {address or 'this machine'}: {escaped(error, 200)}"
        ) from error
    try:
        return _run(ray, jobs, gpus, end)
    finally:
        ray.shutdown()


def _run(ray: Any, jobs: Sequence[Job], gpus: float, end: FleetEnd) -> list[Outcome]:
    # A fresh process for each, and a dead one is not tried again: it would die again.
    task = ray.remote(num_cpus=1, num_gpus=gpus, max_calls=1, max_retries=0)(_work)
    # Of other nodes, or of Ray's own, the working folder is another one.
    jobs = [replace(job, path=job.path.absolute(), out=job.out.absolute()) for job in jobs]
    outcomes = settled_before(jobs, end)
    numbers = {
        task.remote(job): number for number, job in enumerate(jobs) if number not in outcomes
    }
    waiting = list(numbers)
    while waiting:
        (ready,), waiting = ray.wait(waiting, num_returns=1)
        number = numbers[ready]
        try:
            outcome = ray.get(ready)
        except ray.exceptions.RayError as error:  # it died, was out of memory, or its node left
            words = escaped(str(error).strip().splitlines()[0], 300)
            problem = f"its Ray task ended: {words} Run the command again to go on"
            outcome = Outcome(jobs[number], None, problem)
        outcomes[number] = outcome
        end(number, outcome)
    return [outcomes[number] for number in range(len(jobs))]


def _work(job: Job) -> Outcome:
    return run_guarded(job, lambda done, total: None)
