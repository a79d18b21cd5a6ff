# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""METEOR and the Penn Treebank tokeniser: programs in Java, from the package pycocoevalcap.

Their results cannot be had otherwise: METEOR's tables of paraphrases are in its jar. Where Java or
the package is missing, METEOR is not reported, and scores that need the tokeniser are refused.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence

from spatialgeo_ros.errors import BadRequestError


def missing() -> str:
    """Say what is missing for METEOR and the tokeniser, "" where nothing is."""
    if shutil.which("java") is None:
        return "Java is not installed (apt install default-jre-headless)"
    if importlib.util.find_spec("pycocoevalcap") is None:
        return "the package pycocoevalcap is not installed (pip install pycocoevalcap)"
    return ""


def meteor(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, list[float]]:
    """METEOR 1.5 (Denkowski and Lavie 2014) of the whole set and of each item, 0 to 1.

    Raises:
        BadRequestError: Java or the package is missing; see :func:`missing`.
    """
    _require()
    from pycocoevalcap.meteor.meteor import Meteor

    scorer = Meteor()
    try:
        ids = range(len(predictions))
        given = {k: [predictions[k]] for k in ids}
        score, items = scorer.compute_score({k: list(references[k]) for k in ids}, given)
    finally:
        scorer.meteor_p.stdin.close()
        scorer.meteor_p.kill()
        scorer.meteor_p.wait()
    return float(score), [float(item) for item in items]


def tokenise(texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """Tokenise as the Penn Treebank does, in lower case and without punctuation.

    Args:
        texts: of each item.

    Raises:
        BadRequestError: Java or the package is missing; see :func:`missing`.
    """
    _require()
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    given = {k: [{"caption": text} for text in item] for k, item in enumerate(texts)}
    found = PTBTokenizer().tokenize(given)
    return [list(found[k]) for k in range(len(texts))]


def _require() -> None:
    if why := missing():
        raise BadRequestError(f"METEOR and the Penn Treebank tokeniser cannot run: {why}")
