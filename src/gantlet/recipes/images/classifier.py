"""A classifier of pictures: one player, one phase, no game. Its features are what Gantlet judges labelled data with."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gantlet.losses.likelihood import class_loss
from gantlet.networks.classifier import Classifier
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.optimizers import adam, cosine_decay

TINY = dict(channels=1, resolution=8, num_classes=3, width=4, num_features=8, batch_size=8, total_samples=64)
QUICK: dict[str, dict[str, object]] = {"classifier": dict()}


def classifier(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # of the pictures; any size works, it is kept for the record
    num_classes: int = 10,  # filled from the data, which must have labels
    width: int = 32,  # feature maps of the first layer
    num_features: int = 128,  # size of the layer before the logits
    strides: Sequence[int] = [1, 2, 2],  # of the convolutions, as many as there are; (2, 2, 2, 2) suits 64 pixels
    pool: int = 2,  # parts of the height and of the width that are averaged at the end
    lr: float = 3e-3,  # Adam, highest rate; falls to 0 along a cosine
    total_samples: int = 180_000,  # length of the cosine: 3 epochs of MNIST; not tuned
    batch_size: int = 128,  # samples per update
) -> Recipe:
    """Cross-entropy on the labels; `apply` returns class logits."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        logits = nets.C(batch["image"])
        progress.report("accuracy", (logits.argmax(1) == batch["label"]).float())
        return {"class": class_loss(logits, batch["label"]).mean()}

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        logits: Tensor = nets.C(inputs)
        return logits

    network = Classifier(channels, num_classes, width, num_features, strides, pool)
    schedule = cosine_decay(lr, total_samples, last=0.0)
    return Recipe(
        players={"C": Player(networks={"C": network}, optimizer=adam(lr, (0.9, 0.999)), schedule=schedule)},
        phases=(Phase(player="C", loss=loss),),
        batch_size=batch_size,
        apply=apply,
    )
