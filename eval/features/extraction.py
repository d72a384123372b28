"""Running an extractor over batches of tiles; features do not depend on batch size or threads.

The rounding of a network depends on how many threads share a sum, and on how many tiles it sees at
once: other kernels are chosen. A CPU therefore computes tile by tile, each on one thread, and as
many tiles side by side as torch has threads. Their features depend on nothing but the tile, and
cores that work on tiles of their own wait less for each other. A GPU gets whole batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from eval.features.extractor import Extractor
from eval.features.tile_batches import TileBatch
from hpc.determinism import deterministic

# A batch and its features (B, D).
Extracted = tuple[TileBatch, NDArray[np.floating]]
_Waiting = Future[NDArray[np.floating]]

# With more of them Python, which one thread at a time may use, is what they wait for.
_MOST_WORKERS = 32


def extracted_features(
    extractor: Extractor, batches: Iterable[TileBatch]
) -> Generator[Extracted, None, None]:
    """Yield each batch with the features of its tiles, in order; a batch may have no tile.

    At most a batch, and a tile for each thread, wait while another batch is computed. Until it is
    exhausted or closed, torch computes on one thread. Raises what extractor and batches raise.
    """
    if extractor.device.type == "cpu":
        return _tile_by_tile(extractor, batches)
    return _batch_by_batch(extractor, batches)


def _batch_by_batch(
    extractor: Extractor, batches: Iterable[TileBatch]
) -> Generator[Extracted, None, None]:
    for batch in batches:
        yield batch, extractor(batch.tiles_NHWC) if batch.rows else _features(extractor, [])


def _tile_by_tile(
    extractor: Extractor, batches: Iterable[TileBatch]
) -> Generator[Extracted, None, None]:
    workers = min(torch.get_num_threads(), _MOST_WORKERS)
    with deterministic():
        pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        under_way: deque[tuple[TileBatch, list[_Waiting]]] = deque()
        try:
            for batch in batches:
                tiles = [pool.submit(extractor, tile_HWC[None]) for tile_HWC in batch.tiles_NHWC]
                under_way.append((batch, tiles))
                # Those behind the first batch are work for all, while it is waited for.
                while sum(len(tiles) for _, tiles in islice(under_way, 1, None)) >= workers:
                    first, tiles = under_way.popleft()
                    yield first, _features(extractor, tiles)
            for batch, tiles in under_way:
                yield batch, _features(extractor, tiles)
        finally:
            # After an error nobody wants the rest; what still runs relies on the settings.
            pool.shutdown(cancel_futures=True)


def _features(extractor: Extractor, tiles: Iterable[_Waiting]) -> NDArray[np.floating]:
    none_0D = np.empty((0, extractor.dimension), np.float32)
    return np.concatenate([none_0D, *(tile.result() for tile in tiles)])
