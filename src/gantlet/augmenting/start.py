"""The auto-encoder start: BAGAN: Data Augmentation with Balancing GAN (Mariani et al., 2018), arXiv:1803.09655.

An auto-encoder learns from all classes; G then starts from its decoder and the body of D from its encoder (section
3.1), so that a rare class begins from what all have in common. Two things differ from the paper: the codes of each
class are pressed towards N(0, I) (a variational auto-encoder), so that a conditional G draws from that and needs no
Gaussian fitted per class; and D stays the recipe's own, without a class for fakes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.data import ImageData, Order, balanced_weights
from gantlet.engine import loop
from gantlet.engine.run import Run
from gantlet.errors import UserError
from gantlet.losses.likelihood import kl_from_standard_normal
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.choose import choose
from gantlet.recipes.optimizers import adam
from gantlet.training import seed_of_weights

SAMPLES = 60_000  # the auto-encoder sees (first guess, not measured yet)
NOISE = 0.2  # standard deviation of a pixel around its reconstruction, of a range of 2 (first guess)
NAMES = ("autoencoder",)


def autoencoder(
    images: ImageData,
    recipe: str | None,
    quick: bool | None,
    options: Mapping[str, Any],
    folder: Path,
    *,
    seed: int,
    samples: int = SAMPLES,
    note: Callable[[str], None],
) -> Path:
    """Train the auto-encoder for a recipe's G and D, with all classes equally likely; return what --init-from takes.

    Raises UserError for a recipe whose G takes no (z, y), or whose D has no body to share.
    """
    chosen = choose(images.facts(), len(images), torch.cuda.is_available())
    name, quick = (chosen.recipe, chosen.quick if quick is None else quick) if recipe is None else (recipe, bool(quick))
    arguments = catalogue.resolve(name, images.facts(), quick, options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of_weights(seed))
        built = wrapped(catalogue.build(name, arguments), name, int(arguments.get("latent_dim", 0)), images)
        run = Run(out=folder, seed=seed, samples=samples, keep=1, save_every=30)
        about = {"recipe": name, "arguments": arguments, "start": "autoencoder"}
        training = loop.prepare(built, run, about, note)
        labels = images.labels if images.labels is not None else torch.zeros(len(images), dtype=torch.int64).numpy()
        order = Order(len(images), seed, balanced_weights(labels))
        if training.fraction() < 1:
            note(f"The start: an auto-encoder of all classes, {samples:,} samples.")
            loop.train(training, lambda start, size: images.batch(order.indices(start, size)))
    return training.checkpoints.path(training.checkpoints.steps()[0])


def wrapped(recipe: Recipe, name: str, latent_dim: int, images: ImageData) -> Recipe:
    """Return the recipe of a variational auto-encoder whose decoder is G and whose encoder has the body of D."""
    networks = {key: network for player in recipe.players.values() for key, network in player.networks.items()}
    G, D = networks.get("G"), networks.get("D")
    if G is None or not latent_dim or not isinstance(getattr(D, "body", None), nn.Module):
        raise UserError(f"Recipe '{name}' has no networks that an auto-encoder could start; leave --start out.")
    assert D is not None
    with torch.no_grad():
        features = encoded(D, images.batch(Order(len(images), 0).indices(0, 2))["image"]).shape[1]
    head = nn.Linear(features, 2 * latent_dim)

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        x = batch["image"]
        mean, log_variance = nets.H(encoded(nets.D, x)).float().chunk(2, dim=1)
        z = mean + (log_variance / 2).exp() * progress.normal("code", latent_dim)
        picture = nets.G(z, batch.get("label"))
        error = (picture.float() - x).square().flatten(1).sum(1) / (2 * NOISE**2)  # -log N(x; G(z, y), NOISE^2 I) + c
        return {"likelihood": error.mean(), "kl": kl_from_standard_normal(mean, log_variance).mean()}

    player = Player(networks={"G": G, "D": D, "H": head}, optimizer=adam(1e-3, (0.9, 0.999)))
    return Recipe(players={"AE": player}, phases=(Phase(player="AE", loss=loss),), batch_size=recipe.batch_size)


def encoded(D: nn.Module, x: Tensor) -> Tensor:
    """Return what D's body makes of pictures, [N, features]."""
    body: nn.Module = D.body  # type: ignore[assignment]
    maps: Tensor = body(nn.functional.pad(x, getattr(D, "padding", (0, 0, 0, 0))))
    return maps.flatten(1)
