"""A model as a function of sounds: its options checked, its strength bound, long sounds cut into pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.applying.pieces import Cut, in_pieces, resampled, trimmed
from gantlet.applying.translator import known_options
from gantlet.errors import UserError
from gantlet.recipe import Hearing
from gantlet.recipes import catalogue

if TYPE_CHECKING:
    from gantlet.model import Model

PIECE = 8.0  # seconds of a piece without its margins
FADE = 0.05  # seconds over which neighbours mix
VERB_OPTIONS = ("out", "strength", "sheet", "references", "metrics", "checkpoint", "device", "piece")


@dataclass(frozen=True)
class Hearer:
    """A sound-to-sound model with its options: chunks of waves [C, n], each channel for itself, or mels [M, n] in."""

    model: Model
    options: Mapping[str, Any]  # of the recipe's apply
    mix: float = 1.0  # of the result into the input, where the recipe has no strength of its own
    piece: float = PIECE  # seconds

    @property
    def hearing(self) -> Hearing:
        """What the recipe says of its `apply`."""
        assert self.model.recipe.hearing is not None
        return self.model.recipe.hearing

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.model.about["recipe"])

    @cached_property
    def cut(self) -> Cut:
        """How long waves at the model's rate are cut."""
        h = self.hearing
        return Cut.of(round(self.piece * h.sample_rate), round(FADE * h.sample_rate), h.margin, h.multiple)

    @property
    def hop(self) -> int:
        """Samples of the wave per frame of a mel."""
        return int(self.hearing.facts["hop"])

    def whole(self, waves: Tensor) -> Tensor:
        """Return what the networks make of waves [N, C, T] of the model's rate, in one piece."""
        length = waves.shape[-1]
        rows = waves.flatten(0, 1)[:, None].to(self.model.device, torch.float32)
        # Windows reflect at the ends of a sound, which so must not be shorter than they are.
        least = int(self.hearing.facts.get("n_fft", 0))
        padded = F.pad(rows, (0, max(0, least - length)))
        padded = F.pad(padded, (0, -padded.shape[-1] % self.hearing.multiple))
        given = padded if self.hearing.features is None else self.hearing.features(padded)
        made = self._applied(given)
        if made.shape[-1] < length:
            raise UserError(f"Recipe '{self.name}' makes {made.shape[-1]:,} samples of {length:,}, and must keep them.")
        made = made[:, 0, :length].float()
        if self.mix != 1:
            made = torch.lerp(rows[:, 0], made, self.mix)
        return made.reshape(waves.shape)

    def vocoded(self, mel: Tensor) -> Tensor:
        """Return the waves [1, n * hop] of a mel [M, n], in one piece."""
        made = self._applied(mel[None].to(self.model.device, torch.float32))
        return made[0, :, : mel.shape[-1] * self.hop].float().cpu()

    @torch.inference_mode()
    def _applied(self, given: Tensor) -> Tensor:
        assert self.model.recipe.apply is not None
        with refusals(given.shape[-1]):
            made: Tensor = self.model.recipe.apply(self.model.nets, given, **self.options)
        if made.ndim != 3 or len(made) != len(given):
            raise UserError(f"Recipe '{self.name}' makes {list(made.shape)} of {list(given.shape)}: that is no sound.")
        if not torch.isfinite(made).all():
            raise UserError(f"Recipe '{self.name}' makes NaN or infinite values; take another --checkpoint.")
        return made

    def stream(
        self, chunks: Iterable[Tensor], length: int, sample_rate: int, tick: Callable[[int], None] | None = None
    ) -> Iterator[Tensor]:
        """Yield what becomes of a sound of `length` values at any rate, given and returned in chunks [C, n].

        `tick` hears how many of its values went through the networks.
        """
        rate = self.hearing.sample_rate
        there = -(-length * rate // sample_rate)

        def one(piece: Tensor) -> Tensor:
            made = self.whole(piece[None])[0].cpu()
            if tick is not None:
                tick(min(self.cut.step, there) * sample_rate // rate)
            return made

        at_rate = resampled(chunks, length, sample_rate, rate)
        made = in_pieces(one, at_rate, there, self.cut)
        yield from trimmed(resampled(made, there, rate, sample_rate), length)

    def stream_mel(self, mel: Tensor, tick: Callable[[int], None] | None = None) -> Iterator[Tensor]:
        """Yield the waves [1, n] of a mel [M, frames] at the model's rate."""
        hop = self.hop
        wave = self.cut
        multiple = max(1, wave.multiple // hop)
        cut = Cut.of(-(-wave.step // hop), -(-wave.fade // hop), -(-wave.margin // hop), multiple, hop)

        def one(piece: Tensor) -> Tensor:
            made = self.vocoded(piece)
            if tick is not None:
                tick(min(cut.step, mel.shape[-1]) * hop)
            return made

        yield from in_pieces(one, iter([mel]), mel.shape[-1], cut)

    def waves(self, waves: Tensor, sample_rate: int | None = None) -> Tensor:
        """Return what becomes of waves [T], [C, T] or [N, C, T] of any length, at the rate they have.

        `sample_rate` None: the model's. Raises UserError for other shapes, and for what is empty or not finite.
        """
        rate = self.hearing.sample_rate if sample_rate is None else sample_rate
        if not 1 <= waves.ndim <= 3 or not waves.numel():
            raise UserError(
                f"The model takes waves [T], [C, T] or [N, C, T] that are not empty, not {list(waves.shape)}."
            )
        if rate < 1:
            raise UserError(f"A sample rate is positive, not {rate}.")
        rows = waves.detach().float().cpu().reshape(-1, waves.shape[-1])
        if not torch.isfinite(rows).all():
            raise UserError("The wave holds NaN or infinite values; leave them out.")
        made = torch.cat(list(self.stream(iter([rows]), rows.shape[-1], rate)), -1)
        return made.reshape(waves.shape).to(waves.device)


@contextmanager
def refusals(length: int) -> Iterator[None]:
    """Turn what networks raise for a length or option they do not take, or for want of memory, into one `UserError`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(f"{length:,} values at once need too much memory; choose a smaller --piece.") from error
    except (RuntimeError, ValueError) as error:
        words = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(f"The recipe refuses {length:,} values or its options: {words}.") from error


def hearer(model: Model, *, strength: float | None = None, piece: float | None = None, **options: Any) -> Hearer:
    """Return a model as a function of sounds; text is read as the type that its option states.

    Raises UserError if the recipe applies to no sounds, has no such option, or the text is none of its type.
    """
    name, hearing = model.about["recipe"], model.recipe.hearing
    if hearing is None:
        raise UserError(f"Recipe '{name}' applies to no sounds.")
    known = {option: each for option, each in known_options(model).items() if option != "strength"}
    options = catalogue.own_options("apply (for sounds)", name, known, options, VERB_OPTIONS)
    if strength is not None and not 0 <= strength <= 1:
        raise UserError(f"--strength goes from 0 to 1, not {strength}.")
    if piece is not None and not 0 < piece <= 600:
        raise UserError(f"--piece takes seconds, above 0 and up to 600, not {piece:g}.")
    long = {} if piece is None else {"piece": float(piece)}
    if strength is None:
        return Hearer(model, options, **long)
    if "strength" in known:
        return Hearer(model, {**options, "strength": strength}, **long)
    if hearing.features is not None:
        raise UserError(f"Recipe '{name}' makes waves of spectrograms; there is no --strength of that, leave it out.")
    return Hearer(model, options, strength, **long)
