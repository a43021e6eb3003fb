"""Mode coverage on two mixtures in the plane, a ring of 8 Gaussians and a grid of 25, through the real engine.

    python benchmarks/mode_coverage.py run               every game on both mixtures, seeds 0-2; finished ones are kept
    python benchmarks/mode_coverage.py run --seeds 1 --games plain r1
    python benchmarks/mode_coverage.py table             print what is there as Markdown

Protocol of VEEGAN and PacGAN (Srivastava 2017, Lin 2018): a ring of radius 1 with sigma .01 (here in units a fifth as
long: 5 and .05), a grid of spacing 2 with sigma .05; 2,500 samples; a sample is of high quality within 3 sigma of the
nearest centre, and a mode is found if one such sample is there. The networks are small fully connected ones and the
training is short: rows compare games with each other, not with the papers. One thread. Marks: every game but the plain
one finds all modes with at least 90 % of high quality. R1 alone does not (docs/lab-log.md): it holds D flat at real
points, where a G that has found two modes sits; `r1_noise` adds noise that shrinks (`noisegan`).
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import cos, log, pi, sin
from pathlib import Path

import torch
from torch import Tensor, nn

from gantlet.draws import SampleDraws
from gantlet.engine import loop
from gantlet.engine.run import Run
from gantlet.layers.spectral_norm import spectral
from gantlet.losses.adversarial import hinge, nonsaturating, wasserstein
from gantlet.losses.adversarial import relativistic as pairs
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Progress, Recipe
from gantlet.recipes.image_gan import image_gan, latents, normal, sampler
from gantlet.recipes.images.r3gan import paired_loss
from gantlet.recipes.images.wgan_gp import gradient_penalty
from gantlet.recipes.noisy_gan import noisy_gan
from gantlet.recipes.optimizers import adam, linear_decay
from slices import Row, Rows, count_processor_seconds, mean

ROWS = Rows("mode_coverage")
LATENT, BATCH, SAMPLES = 2, 256, 2500
GAMMA = 3e-5  # of R1 at the end: a D that tells .05 needs slopes of 20


@dataclass(frozen=True)
class Mixture:
    """Equally likely round Gaussians: centres [M, 2] and their sigma."""

    centres: Tensor
    sigma: float

    def rows(self, start: int, count: int) -> dict[str, Tensor]:
        """Return rows start to start + count of an endless data set: each depends on its number alone."""
        draws = SampleDraws(0, range(start, start + count))
        modes = (draws.uniform("mode") * len(self.centres)).long()
        return {"image": self.centres[modes] + self.sigma * draws.normal("spread", 2)}


RING = Mixture(torch.tensor([[5 * cos(2 * pi * i / 8), 5 * sin(2 * pi * i / 8)] for i in range(8)]), 0.05)
GRID = Mixture(torch.tensor([[2.0 * i, 2.0 * j] for i in range(-2, 3) for j in range(-2, 3)]), 0.05)
MIXTURES = {"ring": RING, "grid": GRID}


def score(points: Tensor, mixture: Mixture) -> dict[str, float]:
    """Return modes found, the share of high quality, the least share of a mode (1 is even) and KL from even shares.

    Shares and KL, in nats, are those of the samples of high quality; without any, the KL is that of a single mode.
    """
    distance, nearest = torch.cdist(points.double(), mixture.centres.double()).min(1)
    good = distance <= 3 * mixture.sigma
    counts = torch.bincount(nearest[good], minlength=len(mixture.centres)).double()
    shares = counts / counts.sum().clamp_min(1)
    kl = sum(share * log(share * len(counts)) for share in shares.tolist() if share) if good.any() else log(len(counts))
    return {
        "modes": int((counts > 0).sum()), "high_quality": float(good.double().mean()),
        "least_share": float(shares.min() * len(counts)), "kl": float(kl),
    }  # fmt: skip


def check_score() -> None:
    """Score cases worked out by hand: the numbers below must come out before anything is measured."""
    square = Mixture(torch.tensor([[0.0, 0.0], [0.0, 10.0], [10.0, 0.0], [10.0, 10.0]]), 1.0)
    found = score(torch.tensor([[0.0, 0.0], [2.9, 0.0], [0.0, 7.1], [5.0, 5.0]]), square)
    # Two samples in the first mode, one in the second (2.9 away), the last one far from all: shares 2/3 and 1/3.
    assert (found["modes"], found["high_quality"], found["least_share"]) == (2, 0.75, 0.0)
    assert abs(found["kl"] - (2 / 3 * log(8 / 3) + 1 / 3 * log(4 / 3))) < 1e-12
    assert score(torch.full((5, 2), 5.0), square) == {"modes": 0, "high_quality": 0, "least_share": 0, "kl": log(4)}
    even = score(square.centres, square)
    assert (even["modes"], even["high_quality"], even["least_share"], even["kl"]) == (4, 1.0, 1.0, 0.0)
    for mixture in MIXTURES.values():
        real = score(mixture.rows(0, SAMPLES)["image"], mixture)  # within 3 sigma in the plane: 1 - exp(-4.5) = 98.9 %
        assert real["modes"] == len(mixture.centres)
        assert 0.98 < real["high_quality"] < 0.997


class Plane(nn.Module):
    """A fully connected network of LeakyReLU layers, for points in the plane; takes a label and ignores it.

    With one output it is a discriminator [N] and also reads sines and cosines of its input, the longest of them longer
    than the plane is wide: a plain network learns the width of a mode, a fortieth of the distance between two, only in
    hours (spectral bias, Tancik 2020). With two it is a generator whose first points lie all over the plane.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 128, layers: int = 3) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2.0 ** torch.arange(-2, 6) if outputs == 1 else None)
        sizes = [inputs * (17 if outputs == 1 else 1), *[width] * layers]
        hidden = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
        self.layers, self.outputs = nn.Sequential(*hidden, nn.Linear(width, outputs)), outputs
        if outputs == 2:
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight, 0.2)
                    nn.init.zeros_(layer.bias)
            self.layers[-1].weight.data *= 3.0

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if self.frequencies is not None:
            angles = (x[:, :, None] * self.frequencies).flatten(1)
            x = torch.cat([x / 5, angles.sin(), angles.cos()], dim=1)
        out: Tensor = self.layers(x)
        return out[:, 0] if self.outputs == 1 else out


def game(steps: int, lr: float, betas: tuple[float, float], **parts: object) -> Recipe:
    """Return the shared paragraph of two-player games over networks of the plane, the learning rate falling to 0."""
    given = {"G": Plane(LATENT, 2, 256), "D": Plane(2, 1), "loss": nonsaturating, **parts}
    decay = linear_decay(lr, steps * BATCH)
    return image_gan(
        **given, latent_dim=LATENT, g_optimizer=adam(lr, betas), d_optimizer=adam(lr, betas), g_schedule=decay,
        d_schedule=decay, batch_size=BATCH, average_halflife=50 * BATCH,
    )  # fmt: skip


def falling(start: float, end: float, samples: float) -> Callable[[Progress], float]:
    """Return a schedule that falls from `start` to `end` by the same factor in equal times."""
    return lambda progress: start * (end / start) ** min(1.0, progress.samples / samples)


def plain(steps: int) -> Recipe:
    """DCGAN's loss and Adam, nothing else."""
    return game(steps, 1e-3, (0.5, 0.999))


def hinge_spectral(steps: int) -> Recipe:
    """Hinge and spectral norm: SN-GAN, SAGAN, BigGAN."""
    return game(steps, 1e-3, (0.0, 0.9), loss=hinge, D=spectral(Plane(2, 1)))


def r1(steps: int) -> Recipe:
    """The plain loss and R1: `r1gan`, StyleGAN."""
    gamma = falling(1.0, GAMMA, steps * BATCH)

    def penalty(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {"r1": gamma(progress) / 2 * gradient_norm_squared(nets.D, batch["image"]).mean()}

    two = game(steps, 1e-3, (0.0, 0.99))
    return replace(two, phases=(*two.phases, Phase(player="D", loss=penalty)))


def r1_noise(steps: int) -> Recipe:
    """The same with noise on D's inputs that shrinks from the distance of two modes to a fraction of their width."""
    over, end = 0.8 * steps * BATCH, 0.01
    sigma = falling(2.0, end, over)

    def seen(nets: Nets, progress: Progress, points: Tensor, stream: str) -> Tensor:
        return points + sigma(progress) * progress.normal(stream, 2) if progress.samples < over else points

    def penalty(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        critic = lambda x: nets.D(seen(nets, progress, x, "real noise"))  # noqa: E731
        gamma = 0.1 * sigma(progress) ** 2
        return {"r1": gamma / 2 * gradient_norm_squared(critic, batch["image"]).mean()}

    def fakes(nets: Nets, draws: Draws, y: Tensor | None, times: int) -> Tensor:
        points: Tensor = nets.G(latents(draws, normal, LATENT, times))
        return points

    lr, betas = 1e-3, (0.0, 0.99)
    two = noisy_gan(
        G=Plane(LATENT, 2, 256), D=Plane(2, 1), fakes=fakes, sample=sampler(normal, LATENT), seen=seen,
        batch_size=BATCH, g_optimizer=adam(lr, betas), d_optimizer=adam(lr, betas),
        schedule=linear_decay(lr, steps * BATCH), average_halflife=50 * BATCH,
    )  # fmt: skip
    return replace(two, phases=(*two.phases, Phase(player="D", loss=penalty)))


def relativistic(steps: int) -> Recipe:
    """Pairs with R1 and R2: `r3gan`."""
    two = game(steps, 1e-3, (0.0, 0.99), loss=pairs)
    loss = paired_loss(LATENT, falling(1.0, GAMMA, steps * BATCH))
    return replace(two, phases=(Phase(player="D", loss=loss), two.phases[1]))


def wgan_gp(steps: int) -> Recipe:
    """A critic with gradient norm 1 between real and fake."""
    return game(steps, 1e-3, (0.0, 0.9), loss=wasserstein, penalty=gradient_penalty(0.1), d_updates=2)


STEPS = 12_000
GAMES: dict[str, Callable[[int], Recipe]] = {
    "plain": plain, "hinge_spectral": hinge_spectral, "r1": r1, "r1_noise": r1_noise, "relativistic": relativistic,
    "wgan_gp": wgan_gp,
}  # fmt: skip


def play(name: str, mixture: Mixture, seed: int) -> tuple[Row, Tensor]:
    """Train one game on one mixture through the engine; return its scores and the samples they are of."""
    torch.manual_seed(seed)
    recipe = GAMES[name](STEPS)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(out=Path(folder), seed=seed, steps=STEPS, device="cpu", precision="fp32", save_every=1e9)
        state = loop.train(loop.prepare(recipe, run, {}, print), mixture.rows)
    assert recipe.sample is not None
    with torch.inference_mode():
        points = recipe.sample(state.nets.averaged, SampleDraws(seed, range(SAMPLES)))
    facts = {"seconds": state.counters.seconds, "steps": STEPS, "batch_size": BATCH, "latent_dim": LATENT,
             "rollbacks": len(state.rollbacks)}  # fmt: skip
    return {**score(points, mixture), **facts}, points


def measure(games: list[str], mixtures: list[str], seeds: range) -> None:
    """Play what has no row yet and keep every row as soon as it is there."""
    for seed in seeds:
        for mixture in mixtures:
            for name in games:
                with ROWS.alone(key := f"{mixture}/{name}/seed{seed}") as mine:
                    if mine:
                        ROWS.keep(key, play(name, MIXTURES[mixture], seed)[0])


def table() -> None:
    """Print the mean over seeds of every game, and whether all seeds reach the marks."""
    print("| mixture | game | modes (least) | high quality (least) | KL | seconds | seeds | marks |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for group, rows in ROWS.groups().items():
        mixture, name = group.split("/")
        every = len(MIXTURES[mixture].centres)
        modes, good = ([row[column] for row in rows] for column in ("modes", "high_quality"))
        marks = "kept" if min(modes) == every and min(good) >= 0.9 else "missed"
        print(
            f"| {mixture} | {name} | {mean(modes):.1f} ({min(modes)}) of {every} | {mean(good):.1%} ({min(good):.1%}) "
            f"| {mean([row['kl'] for row in rows]):.3f} | {mean([row['seconds'] for row in rows]):.0f} | {len(rows)} "
            f"| {'none set' if name == 'plain' else marks} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--games", nargs="+", choices=list(GAMES), default=list(GAMES))
    parser.add_argument("--mixtures", nargs="+", choices=list(MIXTURES), default=list(MIXTURES))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    check_score()
    count_processor_seconds()
    if given.part == "run":
        measure(given.games, given.mixtures, range(given.seeds))
    table()


if __name__ == "__main__":
    main()
