"""Which recipe suits the data and the machine when none is named, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gantlet.layers.grid import height_width


@dataclass(frozen=True)
class Choice:
    """A recipe's name, whether its quick settings are used, and the reason in one sentence."""

    recipe: str
    quick: bool
    reason: str


def choose(facts: Mapping[str, Any], count: int, on_gpu: bool) -> Choice:
    """Choose a recipe from the facts of the data (channels, resolution, num_classes), its size and the hardware.

    Data with a number of frames are clips, with a sample rate sounds, with a vocabulary text.
    """
    if "vocab_size" in facts:
        return _of_text(facts, count, on_gpu)
    if "num_frames" in facts:
        return _of_clips(facts, count, on_gpu)
    if "sample_rate" in facts:
        return _of_sounds(facts, count, on_gpu)
    height, width = height_width(facts["resolution"])
    classes = int(facts.get("num_classes") or 0)
    what = f"{count:,} pictures of {width}x{height}x{facts['channels']}, " + (
        f"{classes} classes" if classes else "no labels"
    )
    how = "conditioned on the labels through a projection" if classes else "unconditional"
    if on_gpu:
        return Choice(
            "sngan", False, f"{what}, on a GPU: residual networks with spectral norm, {how}, at the published size."
        )
    if classes:
        return Choice("r1gan", True, f"{what}, on a CPU: small strided networks with an R1 penalty, {how}.")
    # Without labels, after three minutes of one core, as multiples of the floor (docs/lab-log.md, 2026-11-22): MNIST
    # infogan 3.5, 5.2, 3.7, r1gan 21.5 and 80; at r1gan's former rate Fashion-MNIST r1gan 38, infogan 39, dcgan 144;
    # CIFAR-10 dcgan 72, wgan 83, r1gan 223. r1gan's G makes one picture for its first hundreds of steps; how many is
    # chance.
    if facts["channels"] == 1:
        return Choice("infogan", True, f"{what}, on a CPU: small strided networks that find kinds alone, {how}.")
    return Choice("dcgan", True, f"{what}, on a CPU: small strided networks, many cheap steps, {how}.")


def _of_sounds(facts: Mapping[str, Any], count: int, on_gpu: bool) -> Choice:
    classes, rate = int(facts.get("num_classes") or 0), int(facts["sample_rate"])
    what = f"{count:,} sounds of {facts['length'] / rate:.3g} s at {rate:,} Hz, " + (
        f"{classes} classes" if classes else "no labels"
    )
    how = "conditioned on the labels" if classes else "unconditional"
    size = "on a GPU, at the published size" if on_gpu else "on a CPU, with its smaller settings"
    return Choice("specgan", not on_gpu, f"{what}: image networks over log-spectrograms, {how}, {size}.")


def _of_clips(facts: Mapping[str, Any], count: int, on_gpu: bool) -> Choice:
    classes, (height, width) = int(facts.get("num_classes") or 0), height_width(facts["resolution"])
    what = f"{count:,} clips of {facts['num_frames']} frames of {width}x{height}x{facts['channels']}, " + (
        f"{classes} classes" if classes else "no labels"
    )
    how = "conditioned on the labels" if classes else "unconditional"
    size = "on a GPU, at the published size" if on_gpu else "on a CPU, with its smaller settings"
    return Choice("mocogan", not on_gpu, f"{what}: what is seen and how it moves are drawn apart, {how}, {size}.")


def _of_text(facts: Mapping[str, Any], count: int, on_gpu: bool) -> Choice:
    classes = int(facts.get("num_classes") or 0)
    what = f"{count:,} rows of {facts['length']} tokens out of {facts['vocab_size']:,} symbols, " + (
        f"{classes} classes (text_style transfers between them)" if classes else "no labels"
    )
    size = "on a GPU, at the published size" if on_gpu else "on a CPU, with its smaller settings"
    # On captions and on oracles no game of text was better than this in three seeds (docs/choose-a-model.md).
    return Choice("text_mle", not on_gpu, f"{what}: maximum likelihood, which no game of text beats so far, {size}.")
