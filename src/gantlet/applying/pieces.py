"""Sounds of any length through functions of a bounded one, piece after piece, in memory that does not grow.

A sound is an iterator of consecutive chunks [C, n] on the host. Pieces reach `margin` beyond what is used of them, on
both sides where the sound goes on, begin at multiples of `multiple`, and fade into each other over `fade`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.resample import resample, resampled_length

ZEROS = 24  # zero crossings to each side of the resampling filter
BLOCK = 2**16  # values that are resampled at once, at least


@dataclass(frozen=True)
class Cut:
    """How a sound is cut. All but `scale` are counted in values of the input, and multiples of `multiple`."""

    step: int  # from the beginning of one piece's part to the next one's
    fade: int  # over which neighbours mix
    margin: int  # beyond that, on both sides
    multiple: int = 1
    scale: int = 1  # values of the output per value of the input

    @classmethod
    def of(cls, step: int, fade: int, margin: int, multiple: int, scale: int = 1) -> Cut:
        """Return a cut of about these lengths: rounded up to multiples, the step at least twice as long as the fade."""
        fade, margin = (-(-length // multiple) * multiple for length in (max(fade, 1), margin))
        step = max(-(-step // multiple) * multiple, 2 * fade)
        return cls(step, fade, margin, multiple, scale)

    def count(self, length: int) -> int:
        """Return the number of pieces of a sound."""
        return max(1, -(-(length - self.fade) // self.step))


class Tape:
    """The part of a stream of chunks that somebody may still ask for."""

    def __init__(self, chunks: Iterable[Tensor]) -> None:
        self._chunks, self._start = iter(chunks), 0
        self._held: Tensor | None = None

    def read(self, start: int, stop: int) -> Tensor:
        """Return the values from `start` to `stop`, fewer at the end of the stream; forget what lies before them."""
        parts = [] if self._held is None else [self._held]
        there = self._start + sum(part.shape[-1] for part in parts)
        while there < stop:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            parts.append(chunk)
            there += chunk.shape[-1]
        held = torch.cat(parts, -1)[..., max(start - self._start, 0) :]
        self._held, self._start = held.clone(), max(start, self._start)  # a view would keep all of it
        return held[..., : stop - self._start]


def in_pieces(
    function: Callable[[Tensor], Tensor], chunks: Iterable[Tensor], length: int, cut: Cut
) -> Iterator[Tensor]:
    """Yield what `function` ([C, n] -> [C', n * scale]) makes of a sound of `length` values, in order, seamlessly.

    Zeros follow the sound up to a multiple. Raises ValueError if `function` gives another length.
    """
    tape, pieces = Tape(chunks), cut.count(length)
    tail: Tensor | None = None
    for number in range(pieces):
        last = number + 1 == pieces
        begin = number * cut.step
        end = length if last else begin + cut.step + cut.fade
        start, stop = max(begin - cut.margin, 0), min(end + cut.margin, length)
        given = tape.read(start, stop)
        made = function(F.pad(given, (0, -given.shape[-1] % cut.multiple)))
        if made.shape[-1] < (stop - start) * cut.scale:
            raise ValueError(f"{made.shape[-1]} values are made of {given.shape[-1]}, not {cut.scale} of each")
        part = made[..., (begin - start) * cut.scale : (end - start) * cut.scale]
        if tail is not None:
            fade = tail.shape[-1]
            ramp = (torch.arange(fade) + 0.5) / fade
            part = torch.cat([torch.lerp(tail, part[..., :fade], ramp), part[..., fade:]], -1)
        kept = part.shape[-1] if last else cut.step * cut.scale
        tail = part[..., kept:].clone()
        yield part[..., :kept]


def resampled(chunks: Iterable[Tensor], length: int, old: int, new: int) -> Iterator[Tensor]:
    """Yield a sound of `length` values at another rate: the values that resampling it whole gives, without joints."""
    if old == new:
        yield from chunks
        return
    up, down = new // gcd(old, new), old // gcd(old, new)
    # Block k begins at input k * inputs, a whole number of turns of the filter's phases, and so at output k * outputs.
    turns = max(1, BLOCK // down)
    inputs, outputs = turns * down, turns * up
    reach = -(-ZEROS * max(up, down) // up) + 1
    context = -(-reach // down)  # turns to each side
    tape, total = Tape(chunks), resampled_length(length, old, new)
    for number, first in enumerate(range(0, total, outputs)):
        start = max(number * inputs - context * down, 0)
        given = tape.read(start, min((number + 1) * inputs + context * down, length))
        made = resample(given[None], old, new, zeros=ZEROS)[0]
        skipped = first - start // down * up
        yield made[:, skipped : skipped + min(outputs, total - first)]


def trimmed(chunks: Iterable[Tensor], length: int) -> Iterator[Tensor]:
    """Yield the first `length` values of a sound."""
    for chunk in chunks:
        if length <= 0:
            return
        yield chunk[..., :length]
        length -= chunk.shape[-1]
