"""A Closer Look at Spatiotemporal Convolutions for Action Recognition (Tran et al., 2018), arXiv:1711.11248.

One player, one phase, no game: a small network of its (2+1)-D convolutions. Its features are what Gantlet judges
labelled clips with.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gantlet.losses.likelihood import class_loss
from gantlet.networks.clip_classifier import ClipClassifier
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.optimizers import adam, cosine_decay

DATA = "clips"
TINY = dict(
    channels=1, resolution=8, num_frames=4, num_classes=2, width=4, num_features=8, batch_size=8, total_samples=64
)
QUICK: dict[str, dict[str, object]] = {"clip_classifier": dict()}


def clip_classifier(
    *,
    channels: int = 1,  # of the clips; filled from the data
    resolution: int | Sequence[int] = 32,  # of the clips; any size works, it is kept for the record
    num_frames: int = 16,  # of the clips; any number from 2 on works, it is kept for the record
    num_classes: int = 10,  # filled from the data, which must have labels
    width: int = 16,  # feature maps of the first block
    num_features: int = 64,  # size of the layer before the logits
    lr: float = 3e-3,  # Adam, highest rate; falls to 0 along a cosine
    total_samples: int = 20_000,  # length of the cosine: 8 epochs of the built-in sets; not tuned
    batch_size: int = 32,  # clips per update
) -> Recipe:
    """Cross-entropy on the labels; `apply` returns class logits."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        logits = nets.C(batch["clip"])
        progress.report("accuracy", (logits.argmax(1) == batch["label"]).float())
        return {"class": class_loss(logits, batch["label"]).mean()}

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        logits: Tensor = nets.C(inputs)
        return logits

    network = ClipClassifier(channels, num_classes, width, num_features)
    schedule = cosine_decay(lr, total_samples, last=0.0)
    return Recipe(
        players={"C": Player(networks={"C": network}, optimizer=adam(lr, (0.9, 0.999)), schedule=schedule)},
        phases=(Phase(player="C", loss=loss),),
        batch_size=batch_size,
        apply=apply,
    )
