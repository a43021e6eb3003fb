"""Player, Phase, Recipe: the three nouns every method is written in. Read this file first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

# "image" [N, C, H, W], "audio" [N, C, T] or "clip" [N, C, T, H, W] in [-1, 1], "tokens" [N, T] int64, "label" [N] ...
Batch = Mapping[str, Tensor]
Losses = Mapping[str, Tensor]  # named scalars: their sum is minimised, each is logged under "<player>/<name>"


class Draws(Protocol):
    """Random rows for the samples at hand: row i of every draw depends on the key of sample i alone."""

    def normal(self, stream: str, *shape: int) -> Tensor: ...  # standard normal numbers [n, *shape]
    def uniform(self, stream: str, *shape: int) -> Tensor: ...  # numbers [n, *shape] uniform in [0, 1)


class Progress(Draws, Protocol):
    """Where the run stands, what it draws, and what a loss wants to have on record."""

    @property
    def step(self) -> int: ...  # iterations of the loop finished so far
    @property
    def samples(self) -> int: ...  # samples of data seen so far: the clock of every schedule
    def report(self, name: str, value: Tensor) -> None: ...  # log the mean under "<player>/<name>"; never waits


class Nets(Protocol):
    """All networks and helpers of a recipe by name: `nets.G(z)`; `nets.averaged.G` is the moving average."""

    def __getattr__(self, name: str) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Player:
    """A group of networks that one optimizer updates together."""

    networks: Mapping[str, nn.Module]
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    average_halflife: int | None = None  # half-life of the moving average of the weights, in samples; None keeps none
    constrain: Callable[[nn.Module], None] | None = None  # applied to each network after each update
    schedule: Callable[[Progress], Mapping[str, Any]] | None = None  # optimizer settings ("lr", "betas") over time
    clip_norm: float | None = None  # largest global norm of the player's gradient


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One update of one player on one loss, at certain times."""

    player: str
    loss: Callable[[Nets, Batch, Progress], Losses]
    every: int = 1  # lazy regularisation: run on every n-th step, with gradients n times larger
    updates: int | Callable[[Progress], int] = 1  # consecutive updates, each on its own batch (n_critic)
    start: int = 0  # in samples seen: pre-training and warm-up stages are just phases
    stop: int | None = None


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """What a run changes about itself, once, when a sign of trouble has lasted (engine/care.py)."""

    words: str  # what it does, for the log
    lr: float = 1.0  # factor on every learning rate from then on
    change: Callable[[Nets], None] | None = None  # sets buffers of helpers
    back: bool = True  # first go back to the last checkpoint without the sign


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How `apply` may be given a large input in pieces."""

    scale: int = 1  # pixels of the output per pixel of the input
    multiple: int = 1  # sides the networks take are multiples of this
    margin: int = 32  # pixels around a tile that its inner pixels depend on: half the receptive field, or a good share


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What `apply` takes of a sound, and how a long one may be cut."""

    sample_rate: int  # of the waves that go in and come out, in Hz
    multiple: int = 1  # lengths that apply takes are multiples of this, in samples
    margin: int = 0  # samples around a piece that its inner samples depend on
    features: Callable[[Tensor], Tensor] | None = None  # waves [N, C, T] -> what apply takes instead: [N, M, T / hop]
    facts: Mapping[str, float] = field(default_factory=dict)  # of the features: sample_rate, n_fft, hop, mels, low ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that defines a method, and nothing about how it is run."""

    players: Mapping[str, Player]
    phases: tuple[Phase, ...]  # executed in this order
    batch_size: int = 64  # the batch that the numbers of the recipe were chosen for, over all processes
    sample: Callable[..., Tensor] | None = None  # sample(nets, draws, label=None, **options): new samples
    frames: Callable[..., Iterator[Tensor]] | None = None  # sample's clips [N, C, H, W] by [N, C, H, W], without end
    apply: Callable[..., Tensor] | None = None  # apply(nets, inputs, **options): translate, restore, classify
    example: Callable[[Batch, Draws], Mapping[str, Any]] | None = None  # what apply is given for held-out data
    tiling: Tiling | None = None  # of apply where it gives pictures; None if it must see the whole input at once
    hearing: Hearing | None = None  # of apply where it takes sounds and gives them
    encode: Callable[[Nets, Tensor], Tensor] | None = None  # encode(nets, pictures): the z from which G draws them
    score: Callable[[Nets, Tensor], Tensor] | None = None  # score(nets, tokens [N, T]): log-likelihood [N] in nats
    helpers: Mapping[str, nn.Module] = field(default_factory=dict)  # frozen networks, or modules with state in buffers
    heeds: tuple[str, ...] = ()  # keys a batch may have that its losses heed: "weight" [N], "fake_label" [N] for G
    signs: tuple[Callable[[Mapping[str, float]], str | None], ...] = ()  # statistics -> trouble in plain words
    treatments: Mapping[str, tuple[Treatment, ...]] = field(default_factory=dict)  # by sign, one after the other
    view: Callable[[Nets, Batch, Progress], Batch] | None = None  # what phases, and remedies, see of a batch
