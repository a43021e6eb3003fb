"""What vocoders share: log-mels in, waves out, and a game against several discriminators with a mel distance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log2
from typing import Any

import torch
from torch import Tensor

from gantlet.layers.mel import MelSpec
from gantlet.losses import vocoding
from gantlet.losses.adversarial import AdversarialLoss
from gantlet.losses.similarity import l1
from gantlet.recipe import Batch, Draws, Hearing, Losses, Nets, Phase, Progress
from gantlet.recipes.image_gan import report_game


def window(sample_rate: int, n_fft: int | None, milliseconds: float) -> int:
    """Return n_fft, or where it is None the power of two samples that is nearest to so many milliseconds."""
    return n_fft if n_fft is not None else 2 ** round(log2(sample_rate * milliseconds / 1000))


def mel_spec(
    sample_rate: int, n_fft: int, hop: int | None, mels: int, low: float, high: float | None, htk: bool, floor: float
) -> MelSpec:
    """Return the log-mel of a vocoder; hop None is a quarter of n_fft, `high` ends at half the sample rate."""
    top = None if high is None or high >= sample_rate / 2 else high
    hop = n_fft // 4 if hop is None else hop
    return MelSpec(sample_rate=sample_rate, n_fft=n_fft, hop=hop, mels=mels, low=low, high=top, htk=htk, floor=floor)


def hearing(spec: MelSpec, reach: int) -> Hearing:
    """Return what `apply` takes: log-mels of `spec`, where a sample depends on `reach` frames to each side."""
    # The windows of analysis and synthesis reach half their length further each.
    margin = reach + -(-spec.n_fft // spec.hop)
    return Hearing(
        sample_rate=spec.sample_rate,
        multiple=spec.hop,
        margin=margin * spec.hop,
        features=lambda waves: spec.log_mel(waves).flatten(1, 2),
        facts=spec.facts(),
    )


@dataclass(frozen=True)
class VocoderGame:
    """G from log-mels against discriminators by name; channels of a sound are sounds of their own.

    `loss_spec` is the log-mel whose distance G learns from; HiFi-GAN's reaches higher than what G is given.
    """

    spec: MelSpec
    loss_spec: MelSpec
    loss: AdversarialLoss
    weights: Mapping[str, float]  # discriminator -> weight of all that it says
    mel_weight: float
    matching_weight: float
    average: bool  # over sub-discriminators (Vocos); False: their sum (HiFi-GAN)
    boundary: float = 0.0  # logit between real and fake, for the statistics only

    def waves(self, batch: Batch) -> Tensor:
        """Return mono sounds [N C, 1, T] of whole frames."""
        audio = batch["audio"]
        return audio[..., : audio.shape[-1] // self.spec.hop * self.spec.hop].flatten(0, 1)[:, None]

    def fakes(self, nets: Nets, real: Tensor) -> Tensor:
        """Return what G makes of the log-mels of real sounds."""
        fake: Tensor = nets.G(self.spec.log_mel(real)[:, 0])
        return fake.float()

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Every discriminator on real sounds and on what G makes of their mels."""
        real = self.waves(batch)
        with torch.no_grad():
            fake = self.fakes(nets, real)
        terms, logits = [], []
        for name, weight in self.weights.items():
            judged = getattr(nets, name)(torch.cat([real, fake]))  # no batch statistics in any of them
            both = [judgement.logits.chunk(2) for judgement in judged]
            loss = vocoding.discriminators(self.loss, [a for a, _ in both], [b for _, b in both])
            terms.append(weight * self._share(len(both)) * loss)
            logits += both
        means = [torch.stack([pair[side].float().flatten(1).mean(1) for pair in logits]) for side in (0, 1)]
        report_game(progress, means[0], means[1], self.boundary)
        return {"adversarial": torch.stack(terms).sum()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Judgement, features and the distance of log-mels."""
        real = self.waves(batch)
        fake = self.fakes(nets, real)
        distance = self.distance(fake, real)
        progress.report("mel_l1", distance)
        terms, features = [], []
        for name, weight in self.weights.items():
            network = getattr(nets, name)
            with torch.no_grad():
                known = network(real)
            judged = network(fake)
            share = weight * self._share(len(judged))
            terms.append(share * vocoding.generator(self.loss, [judgement.logits for judgement in judged]))
            maps = vocoding.feature_matching([k.maps for k in known], [j.maps for j in judged])
            features.append(share * self.matching_weight * maps)
        return {
            "adversarial": torch.stack(terms).sum(),
            "features": torch.stack(features).sum(),
            "mel": self.mel_weight * distance.mean(),
        }

    def content(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """The distance of log-mels alone."""
        real = self.waves(batch)
        distance = self.distance(self.fakes(nets, real), real)
        progress.report("mel_l1", distance)
        return {"mel": self.mel_weight * distance.mean()}

    def phases(self, warm_up: int) -> tuple[Phase, ...]:
        """Return the phases: mel distance alone for `warm_up` samples, then D and G in turn."""
        alone = (Phase(player="G", loss=self.content, stop=warm_up),) if warm_up else ()
        return (
            *alone,
            Phase(player="D", loss=self.discriminator, start=warm_up),
            Phase(player="G", loss=self.generator, start=warm_up),
        )

    def distance(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the mean absolute difference of log-mels per sound, [N]."""
        return l1(self.loss_spec.log_mel(fake), self.loss_spec.log_mel(real))

    def apply(self, nets: Nets, inputs: Tensor) -> Tensor:
        """Return sounds [N, C, frames * hop] in [-1, 1] of log-mels [N, C mels, frames]."""
        channels = inputs.shape[1] // self.spec.mels
        waves: Tensor = nets.G(inputs.reshape(len(inputs) * channels, self.spec.mels, -1))
        return waves.float().clamp(-1, 1).reshape(len(inputs), channels, -1)

    def example(self, batch: Batch, draws: Draws) -> Mapping[str, Any]:
        """Return the log-mels of a batch."""
        return {"inputs": self.spec.log_mel(batch["audio"]).flatten(1, 2)}

    def _share(self, judges: int) -> float:
        return 1 / judges if self.average else 1.0


def exponential_decay(lr: float, decay: float, samples: int) -> Callable[[Progress], Mapping[str, Any]]:
    """Return a schedule lr * decay^(samples seen / samples): HiFi-GAN's, where the paper steps at every epoch."""
    return lambda progress: {"lr": lr * decay ** (progress.samples / samples)}
