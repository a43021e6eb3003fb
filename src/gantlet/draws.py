"""Keyed random numbers: every draw is a pure function of its key, so nothing depends on what was drawn before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def key(*parts: int | str) -> int:
    """Return a 63-bit seed that depends on every part and on their order."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class SampleDraws:
    """Draws for inference: row i depends on (seed, numbers[i]) alone, whatever the batch it is computed in."""

    def __init__(self, seed: int, numbers: Sequence[int], device: torch.device | str = "cpu") -> None:
        self._seed, self._numbers, self._device = seed, list(numbers), torch.device(device)

    def __len__(self) -> int:
        return len(self._numbers)

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Return standard normal numbers [n, *shape], float32."""
        return self._rows(torch.randn, stream, shape)

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Return numbers [n, *shape], float32, uniform in [0, 1)."""
        return self._rows(torch.rand, stream, shape)

    def _rows(self, draw: object, stream: str, shape: tuple[int, ...]) -> Tensor:
        generator = torch.Generator()  # on the CPU, so that every device gives the same samples
        out = torch.empty(len(self._numbers), *shape)
        for row, number in zip(out, self._numbers, strict=True):
            generator.manual_seed(key(self._seed, stream, number))
            draw(shape, generator=generator, out=row)  # type: ignore[operator]
        return out.to(self._device)


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
