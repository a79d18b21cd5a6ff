# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of Hugging Face repositories over the network: what there is, and getting one of them.

Only ``spatialgeo models download`` comes here. huggingface_hub's own download throws a partial file
away when the process ends; this one keeps it, and goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.digest import sha256_of


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository.

    Attributes:
        name: Within the repository.
        size: Bytes.
        sha256: Of the content, "" for small files that are stored in git itself.
        git_id: Git's own hash of those.
    """

    name: str
    size: int
    sha256: str
    git_id: str

    def is_copy(self, path: Path) -> bool:
        """Tell whether a local file has this content."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        if self.sha256:
            return sha256_of(path) == self.sha256
        digest = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        digest.update(path.read_bytes())
        return digest.hexdigest() == self.git_id


@dataclass(frozen=True)
class Listing:
    """A repository at one commit.

    Attributes:
        repo: ``owner/name``.
        commit: Of the listing.
        files: By name.
    """

    repo: str
    commit: str
    files: dict[str, RemoteFile]


def list_repository(repo: str, revision: str) -> Listing:
    """Ask the Hub for a repository's files.

    Raises:
        ModelLoadError: The Hub cannot be reached, or has no such repository or revision.
    """
    with _named_errors(f"{repo} at {revision}"):
        info = HfApi(endpoint=_endpoint()).model_info(repo, revision=revision, files_metadata=True)
    files = {}
    for sibling in info.siblings or ():
        sha256 = sibling.lfs.sha256 if sibling.lfs else ""
        files[sibling.rfilename] = RemoteFile(
            sibling.rfilename, sibling.size or 0, sha256, sibling.blob_id or ""
        )
    if not info.sha:
        raise ModelLoadError(f"the Hub does not say which commit {repo} at {revision} is")
    return Listing(repo, info.sha, files)


def fetch(listing: Listing, name: str, folder: Path) -> Path:
    """Download one file, going on where an earlier attempt stopped.

    Args:
        listing: Of the repository.
        name: Of the file.
        folder: Of the repository on this machine.

    Returns:
        The file's path, once it is complete and has the hash that the Hub states.

    Raises:
        ModelLoadError: It cannot be downloaded, the disk is too full, or the content is wrong;
            what is wrong is removed.
    """
    file = listing.files[name]
    target = folder / name
    if folder.resolve() not in target.resolve().parents:
        raise ModelLoadError(f"{listing.repo} names a file outside its own folder: '{name}'")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Of this content alone: never continued with the bytes of another version.
    partial = target.with_name(f"{target.name}.{(file.sha256 or file.git_id)[:12]}.part")
    done = partial.stat().st_size if partial.exists() else 0
    if done > file.size:
        partial.unlink()
        done = 0
    free = shutil.disk_usage(target.parent).free
    if free < file.size - done:
        raise ModelLoadError(
            f"{target.parent} has {free / 1e9:.1f} GB left, but '{name}' needs "
            f"{(file.size - done) / 1e9:.1f} GB"
        )
    url = hf_hub_url(listing.repo, name, revision=listing.commit, endpoint=_endpoint())
    with _named_errors(f"'{name}' of {listing.repo}"), partial.open("ab") as stream:
        http_get(
            url, stream, resume_size=done, headers=build_hf_headers(), expected_size=file.size,
            displayed_filename=name,
        )  # fmt: skip
    if not file.is_copy(partial):
        size = partial.stat().st_size
        partial.unlink()
        raise ModelLoadError(
            f"what was downloaded as '{name}' of {listing.repo} is not that file ({size} bytes, "
            "with another hash than the Hub states); it was removed, download it again"
        )
    os.replace(partial, target)
    return target


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


@contextmanager
def _named_errors(what: str) -> Iterator[None]:
    try:
        yield
    except GatedRepoError as error:
        raise ModelLoadError(
            f"{what} is given out only to those who accepted its licence: do so on its page at "
            "huggingface.co, then log in with 'hf auth login'"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelLoadError(f"the Hub has no {what}: the revision does not exist") from error
    except RepositoryNotFoundError as error:
        raise ModelLoadError(f"the Hub has no {what}, or it is private") from error
    except OfflineModeIsEnabled as error:
        raise ModelLoadError(
            f"{what} cannot be downloaded: HF_HUB_OFFLINE is set; unset it for the download"
        ) from error
    except (ModelLoadError, KeyboardInterrupt):
        raise
    except Exception as error:  # the client's transport, and so its errors, differ by version
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelLoadError(
            f"{what} could not be downloaded ({first}); try again: what has arrived is kept"
        ) from error
