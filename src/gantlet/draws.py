"""Keyed random numbers: every draw is a pure function of its key, so nothing depends on what was drawn before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor


def key(*parts: int | str) -> int:
    """Return a 63-bit seed that depends on every part and on their order."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class SampleDraws:
    """Draws for inference: row i depends on (seed, numbers[i]) alone, whatever the batch it is computed in.

    A counter-based generator, vectorised in numpy: element j of row i is a mix of (seed, stream), numbers[i] and j
    (the finalizer of SplitMix64, Steele et al. 2014, three rounds). Every device gives the same samples.
    """

    def __init__(self, seed: int, numbers: Sequence[int], device: torch.device | str = "cpu") -> None:
        self._seed, self._device = seed, torch.device(device)
        self._numbers = np.asarray(list(numbers), dtype=np.int64).astype(np.uint64)

    def __len__(self) -> int:
        return len(self._numbers)

    def repeated(self, number: int = 0) -> SampleDraws:
        """Return draws for as many rows, all those of one sample: what a batch shares, whatever rows it has."""
        return SampleDraws(self._seed, [number] * len(self), self._device)

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Return standard normal numbers [n, *shape], float32 (Box-Muller)."""
        count = prod(shape)
        unit = self._unit(stream, 2 * count)
        first, second = unit[:, :count], unit[:, count:]
        numbers = np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)
        return self._tensor(numbers, shape)

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Return numbers [n, *shape], float32, uniform in [0, 1)."""
        # 24 bits are what a float32 holds: rounding more of them could reach 1.
        return self._tensor(np.floor(self._unit(stream, prod(shape)) * 2.0**24) / 2.0**24, shape)

    def _unit(self, stream: str, count: int) -> np.ndarray[Any, Any]:
        """Return float64 numbers [n, count], uniform in [0, 1) with 53 bits."""
        rows = _mix(self._numbers * GOLDEN + np.uint64(key(self._seed, stream)))
        columns = _few_columns(count) if count <= FEW else _columns(count)
        return np.asarray((_mix(rows[:, None] ^ columns[None, :]) >> np.uint64(11)) * 2.0**-53)

    def _tensor(self, numbers: np.ndarray[Any, Any], shape: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(numbers.astype(np.float32)).view(-1, *shape).to(self._device)


GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FEW = 2**14  # numbers of a row whose half of the mixing is kept: one picture is asked for again and again


def _mix(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the finalizer of SplitMix64 of every element: a bijection of 64 bits that scatters neighbours."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _columns(count: int) -> np.ndarray[Any, Any]:
    return _mix(np.arange(1, count + 1, dtype=np.uint64) * GOLDEN)


_few_columns = lru_cache(maxsize=32)(_columns)


class BatchDraws:
    """Draws for training: rows `offset : offset + size` of what one process would draw for all `total` rows.

    Parts of an accumulated batch and the batches of several processes so add up to the same numbers.
    """

    def __init__(self, keys: tuple[int | str, ...], offset: int, size: int, total: int, device: torch.device) -> None:
        self._keys, self._rows, self._total, self._device = keys, slice(offset, offset + size), total, device

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Return standard normal numbers [size, *shape], float32."""
        return self._draw(torch.randn, stream, shape)

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Return numbers [size, *shape], float32, uniform in [0, 1)."""
        return self._draw(torch.rand, stream, shape)

    def _draw(self, draw: object, stream: str, shape: tuple[int, ...]) -> Tensor:
        generator = torch.Generator(self._device).manual_seed(key(*self._keys, stream))
        rows: Tensor = draw((self._total, *shape), generator=generator, device=self._device)  # type: ignore[operator]
        return rows[self._rows]
