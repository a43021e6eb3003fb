"""Optimizers as recipes write them: functions of the parameters, fused where torch can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import cos, pi
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from gantlet.recipe import Progress

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


def adam(lr: float, betas: tuple[float, float], weight_decay: float = 0.0) -> MakeOptimizer:
    """Return Adam (Kingma 2015), its weight decay an L2 term. Betas are made floats: torch refuses (0, 0.9)."""

    def make(parameters: Iterable[nn.Parameter]) -> Optimizer:
        both = (float(betas[0]), float(betas[1]))
        return Adam(list(parameters), lr=float(lr), betas=both, weight_decay=float(weight_decay), fused=True)

    return make


def adamw(lr: float, betas: tuple[float, float], weight_decay: float = 0.01) -> MakeOptimizer:
    """Return Adam whose weight decay is none of its gradients (Loshchilov & Hutter 2019); torch's default of it."""

    def make(parameters: Iterable[nn.Parameter]) -> Optimizer:
        both = (float(betas[0]), float(betas[1]))
        return AdamW(list(parameters), lr=float(lr), betas=both, weight_decay=float(weight_decay), fused=True)

    return make


def rmsprop(lr: float) -> MakeOptimizer:
    """Return RMSprop with torch's defaults, the optimizer of WGAN."""

    def make(parameters: Iterable[nn.Parameter]) -> Optimizer:
        return RMSprop(list(parameters), lr=float(lr))

    return make


def sgd(lr: float, momentum: float) -> MakeOptimizer:
    """Return SGD with momentum, the optimizer of 2014."""

    def make(parameters: Iterable[nn.Parameter]) -> Optimizer:
        return SGD(list(parameters), lr=float(lr), momentum=float(momentum), fused=True)

    return make


def linear_decay(lr: float, samples: int | None) -> Callable[[Progress], Mapping[str, Any]] | None:
    """Return a schedule that takes the learning rate from `lr` to 0 after `samples`; None for no decay."""
    if samples is None:
        return None
    return lambda progress: {"lr": lr * max(0.0, 1.0 - progress.samples / samples)}


def cosine_decay(lr: float, samples: int, last: float = 0.02) -> Callable[[Progress], Mapping[str, Any]]:
    """Return a schedule from `lr` along a cosine to `last` times it after `samples`, then constant."""

    def rate(progress: Progress) -> Mapping[str, Any]:
        share = min(progress.samples / samples, 1.0)
        return {"lr": lr * (last + (1 - last) * 0.5 * (1 + cos(pi * share)))}

    return rate


def inverse_decay(lr: float, halving: int | None) -> Callable[[Progress], Mapping[str, Any]] | None:
    """Return a schedule lr / (1 + samples / halving): half after `halving` samples, never 0; None for no decay."""
    if halving is None:
        return None
    return lambda progress: {"lr": lr / (1.0 + progress.samples / halving)}
