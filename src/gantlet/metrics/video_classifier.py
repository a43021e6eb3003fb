"""Clips as what the judge of pictures takes: all frames in the channels of one picture [N, C * T, H, W].

So a classifier of clips, or random convolutions, give features of whole clips, and every number that pictures have
(Frechet distance, kernel distance, precision ... classes) is one of clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.metrics.features import Features, classifier_features, random_features

RULE = "clip"  # in the names of numbers: fid@clip is printed as fvd@clip


class Unstacked(nn.Module):
    """A network of clips as one of pictures whose channels are the frames' channels."""

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network, self.channels = network, channels
        self.head: Any = getattr(network, "head", None)

    def features(self, x: Tensor) -> Tensor:
        """Return the features of clips [N, C * T, H, W]."""
        found: Tensor = self.network.features(self.clips(x))  # type: ignore[operator]
        return found

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(self.clips(x))
        return logits

    def clips(self, x: Tensor) -> Tensor:
        """Return [N, C, T, H, W]."""
        return x.view(len(x), self.channels, -1, *x.shape[2:])


def stacked(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return "image" [n, C * T, H, W] for "clip" [n, C, T, H, W], and "label" if it is there."""
    labels = {"label": batch["label"]} if "label" in batch else {}
    return {"image": batch["clip"].flatten(1, 2), **labels}


def _rule(facts: Mapping[str, Any]) -> str:
    side = facts["resolution"]
    height, width = (side, side) if isinstance(side, int) else side
    return (
        f"{RULE}: {facts['num_frames']} frames of {width}x{height}, {facts['frame_rate']:g} a second, rounded to 8 bits"
    )


def clip_classifier_features(network: nn.Module, name: str, facts: Mapping[str, Any]) -> Features:
    """Wrap a classifier of clips (`network(x)` logits, `network.features(x)`) for clips with these facts."""
    side, channels = facts["resolution"], int(facts["channels"])
    found = classifier_features(
        Unstacked(network, channels), name, channels=channels * int(facts["num_frames"]),
        resolution=side if isinstance(side, int) else (int(side[0]), int(side[1])), batch_size=32,
    )  # fmt: skip
    return replace(found, resize=_rule(facts))


def random_clip_features(facts: Mapping[str, Any]) -> Features:
    """Return random convolutions over the frames of clips side by side, for data without labels."""
    found = random_features(int(facts["channels"]) * int(facts["num_frames"]), batch_size=32)
    return replace(found, name=found.name.replace("features", "features of clips", 1), resize=_rule(facts))


def judged(clips: Tensor) -> Tensor:
    """Return clips as they will be seen: rounded to 8 bits and back."""
    return torch.round((clips.cpu().clamp(-1, 1) + 1) * 127.5) / 127.5 - 1
