# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tensors of files on the device, in a known order: the next are read while one is worked on.

The tensors are views of files that are mapped into memory, so reading one costs no memory of the
process's own. To a GPU they go through a few page-locked buffers that are used in turn.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator

import torch
from torch import Tensor

Read = Callable[[], Tensor]

#: The page-locked buffers, and how many tensors may wait on the device. A layer of a 7B model has
#: matrices of 34 and 90 MB.
CHUNK_BYTES = 16 << 20
CHUNKS = 4
AHEAD = 4
#: Tensors that the system is told of before they are read, and the least bytes that are worth it.
_ANNOUNCED = 8
_LEAST_ANNOUNCED = 1 << 20
_WILL_NEED = 3  # MADV_WILLNEED of madvise(2) on Linux


def upload(reads: Iterable[Read], device: torch.device | str) -> Generator[Tensor, None, None]:
    """Read tensors one after the other and give each on the device.

    On a CPU a tensor is the view of its file: copy what is kept. On a GPU it is a tensor of its
    own, safe to use in the stream that was current when it was asked for.

    Close the generator where it is not read to its end.

    Args:
        reads: Each gives one tensor, mapped or not, on the CPU; called in order, ahead of use.
        device: Where the tensors go.

    Raises:
        Exception: What a read raises, in its place in the order.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return _from_thread(reads, device)
    return (tensor.to(device) for tensor in _announced(reads))


def _announced(reads: Iterable[Read]) -> Iterator[Tensor]:
    """Tensors in order; the system begins to read those that come next."""
    pending: Iterator[Read] = iter(reads)
    window: deque[Tensor | Exception] = deque()
    try:
        while True:
            while len(window) < _ANNOUNCED and (read := next(pending, None)) is not None:
                try:
                    tensor = read()
                except Exception as error:  # raised after what comes before it
                    window.append(error)
                    pending = iter(())
                    break
                _announce(tensor)
                window.append(tensor)
            if not window:
                return
            item = window.popleft()
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        window.clear()  # views of files that are closed next


def _announce(tensor: Tensor) -> None:
    """Ask for the pages below a tensor; it is advice, so nothing fails where it is not taken."""
    begin = tensor.data_ptr()
    size = tensor.numel() * tensor.element_size()
    if begin == 0 or size < _LEAST_ANNOUNCED or not tensor.is_contiguous():
        return
    begin, skipped = begin - begin % mmap.PAGESIZE, begin % mmap.PAGESIZE
    advise = getattr(_libc(), "madvise", None)
    if advise is not None:
        advise(ctypes.c_void_p(begin), ctypes.c_size_t(size + skipped), _WILL_NEED)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


class _Uploader(threading.Thread):
    """Copies tensors to the GPU in a stream of its own."""

    def __init__(self, reads: Iterable[Read], device: torch.device) -> None:
        super().__init__(name="upload", daemon=True)
        self.ready: queue.Queue[tuple[Tensor, torch.cuda.Event] | Exception | None]
        self.ready = queue.Queue(AHEAD)
        self.ended = threading.Event()
        self._reads, self._device = reads, device

    def run(self) -> None:
        """Copy until all is copied or nobody wants more."""
        last: Exception | None = None
        try:
            self._copy_all()
        except Exception as error:  # raised where the tensor is asked for
            last = error
        self._put(last)

    def _put(self, item: tuple[Tensor, torch.cuda.Event] | Exception | None) -> None:
        while not self.ended.is_set():
            try:
                return self.ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def _copy_all(self) -> None:
        stream = torch.cuda.Stream(self._device)
        chunks = itertools.cycle(
            [
                (torch.empty(CHUNK_BYTES, dtype=torch.uint8, pin_memory=True), torch.cuda.Event())
                for _ in range(CHUNKS)
            ]
        )
        with torch.no_grad(), torch.cuda.device(self._device), torch.cuda.stream(stream):
            for tensor in _announced(self._reads):
                if self.ended.is_set():
                    return
                target = torch.empty(tensor.shape, dtype=tensor.dtype, device=self._device)
                source, bytes_ = _bytes(tensor.contiguous()), _bytes(target)
                for start in range(0, len(source), CHUNK_BYTES):
                    part = source[start : start + CHUNK_BYTES]
                    buffer, free = next(chunks)
                    free.synchronize()
                    buffer[: len(part)].copy_(part)
                    bytes_[start : start + len(part)].copy_(buffer[: len(part)], non_blocking=True)
                    free.record(stream)
                arrived = torch.cuda.Event()
                arrived.record(stream)
                self._put((target, arrived))
        stream.synchronize()


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1).view(torch.uint8)


def _from_thread(reads: Iterable[Read], device: torch.device) -> Generator[Tensor, None, None]:
    uploader = _Uploader(reads, device)
    uploader.start()
    try:
        while (item := uploader.ready.get()) is not None:
            if isinstance(item, Exception):
                raise item
            tensor, arrived = item
            current = torch.cuda.current_stream(device)
            current.wait_event(arrived)
            tensor.record_stream(current)
            yield tensor
            del tensor, item
    finally:
        uploader.ended.set()
        uploader.join()
