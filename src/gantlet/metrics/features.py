"""Feature extractors: named, fingerprinted networks that turn images into the vectors which metrics compare."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.errors import UserError

NATIVE = "native: no resizing; pixels rounded to 8 bits"


@dataclass(frozen=True, kw_only=True)
class Features:
    """A frozen network that gives features, with everything that must stand beside a number made with it.

    `features(images)` takes [N, C, H, W] in [-1, 1] and returns float32 features [N, F] on the CPU and, where the
    network classifies, logits [N, K] (else None). Pixels are first rounded to the 8 bits a file would keep, so
    samples in memory and the same samples on disk give one number; grey is replicated to the network's channels.
    """

    name: str
    fingerprint: str  # SHA-256 of the weights, or of the file they came in
    resize: str  # the rule in words; its first word, before the colon, goes into the metric's name: fid@clean
    num_features: int
    channels: int  # what the network takes
    network: nn.Module
    extract: Callable[[nn.Module, Tensor], tuple[Tensor, Tensor | None]]  # uint8 batch on the device -> outputs
    num_classes: int | None = None  # K, when the logits are of the data's own classes
    resolution: tuple[int, int] | None = None  # (H, W) the network insists on
    device: torch.device | str = "cpu"
    batch_size: int = 256

    @property
    def rule(self) -> str:
        """The one word of the resize rule."""
        return self.resize.split(":", 1)[0]

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features [N, F] float32 and logits [N, K] float32 or None, both on the CPU.

        Raises UserError when the images do not fit the network or hold NaN.
        """
        self._check(images)
        self.network.eval()
        features, logits = [], []
        with torch.no_grad(), torch.autocast(torch.device(self.device).type, enabled=False):
            for batch in torch.split(images, self.batch_size):
                pixels = replicate(to_8_bits(batch.to(self.device)), self.channels)
                found, scores = self.extract(self.network, pixels.contiguous(memory_format=torch.channels_last))
                features.append(found.float().cpu())
                if scores is not None:
                    logits.append(scores.float().cpu())
        if not features:
            return torch.empty(0, self.num_features), None
        return torch.cat(features), torch.cat(logits) if logits else None

    def describe(self) -> dict[str, Any]:
        """Return what the protocol of a number stores of this extractor."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "num_features": self.num_features,
            "num_classes": self.num_classes,
            "channels": self.channels,
            "resize": self.resize,
        }

    def _check(self, images: Tensor) -> None:
        if images.ndim != 4 or not images.is_floating_point():
            raise UserError(f"{self.name} takes float images [N, C, H, W] in [-1, 1], not {list(images.shape)}.")
        if images.shape[1] not in (1, self.channels):
            raise UserError(
                f"{self.name} takes {self.channels} channels (or grey, which is replicated); "
                f"these images have {images.shape[1]}."
            )
        if self.resolution is not None and tuple(images.shape[2:]) != self.resolution:
            raise UserError(
                f"{self.name} takes images of {self.resolution[0]}x{self.resolution[1]}; "
                f"these have {images.shape[2]}x{images.shape[3]}."
            )


def to_8_bits(images: Tensor) -> Tensor:
    """Return uint8 pixels for images in [-1, 1], half rounded up, values outside clipped (the rule of StyleGAN).

    Raises UserError for NaN or infinite pixels.
    """
    if not bool(torch.isfinite(images).all()):
        raise UserError("The images hold NaN or infinite values; the run that made them has most likely diverged.")
    return (images.float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def from_8_bits(pixels: Tensor) -> Tensor:
    """Return float32 images in [-1, 1] for uint8 pixels."""
    return pixels.float() / 127.5 - 1


def replicate(images: Tensor, channels: int) -> Tensor:
    """Return grey images [N, 1, H, W] as [N, channels, H, W] of equal channels; others as they are."""
    return images.expand(-1, channels, -1, -1) if images.shape[1] == 1 else images


def weights_fingerprint(network: nn.Module) -> str:
    """Return the SHA-256 of all parameters and buffers: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def classifier_features(
    network: nn.Module,
    name: str,
    *,
    channels: int,
    resolution: int | tuple[int, int],
    device: torch.device | str = "cpu",
    batch_size: int = 256,
) -> Features:
    """Wrap a classifier of the data: `network(x)` gives logits [N, K], `network.features(x)` the features [N, F].

    The network is copied, so training it further changes no number. `name` should say what it was trained on. A
    network whose `head` module turns the features into the logits (this is tried out) is run once, others twice.

    Raises UserError when the network does not give [N, F] and [N, K].
    """
    frozen = _frozen(network, device)
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    probe = torch.randint(256, (2, channels, *size), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    with torch.no_grad(), torch.autocast(torch.device(device).type, enabled=False):
        found, scores = _classify(frozen, probe.to(device))
        one_pass = _head_is_enough(frozen, found, scores)
    if found.ndim != 2 or scores is None or scores.ndim != 2:
        raise UserError(f"{name} must give features [N, F] and logits [N, K].")
    return Features(
        name=name,
        fingerprint=weights_fingerprint(frozen),
        resize=NATIVE,
        num_features=found.shape[1],
        channels=channels,
        network=frozen,
        extract=_classify_once if one_pass else _classify,
        num_classes=scores.shape[1],
        resolution=size,
        device=device,
        batch_size=batch_size,
    )


def random_features(
    channels: int,
    *,
    seed: int = 0,
    num_features: int = 64,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
) -> Features:
    """Return a convolutional network of seeded random weights, for tests and for watching a run without weights.

    Its distances order samples of one data set roughly, and mean nothing beside those of any other extractor or
    seed; the name says so. The weights are drawn on the CPU and are the same bits on every machine. Any resolution
    of at least 4x4 is taken.
    """
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.AvgPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(64 * 16, num_features),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.zero_()
            else:
                fan_in = parameter[0].numel()
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (2 / fan_in) ** 0.5)
    frozen = _frozen(network, device)
    return Features(
        name=f"random features, seed {seed} (not comparable)",
        fingerprint=weights_fingerprint(frozen),
        resize=NATIVE,
        num_features=num_features,
        channels=channels,
        network=frozen,
        extract=_random,
        device=device,
        batch_size=batch_size,
    )


def _frozen(network: nn.Module, device: torch.device | str) -> nn.Module:
    return copy.deepcopy(network).eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _classify(network: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    images = from_8_bits(pixels)
    find: Callable[[Tensor], Tensor] = network.features  # type: ignore[assignment]
    return find(images), network(images)


def _classify_once(network: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    find: Callable[[Tensor], Tensor] = network.features  # type: ignore[assignment]
    found = find(from_8_bits(pixels))
    return found, network.head(found)  # type: ignore[operator]


def _head_is_enough(network: nn.Module, found: Tensor, scores: Tensor | None) -> bool:
    head = getattr(network, "head", None)
    if not isinstance(head, nn.Module) or scores is None:
        return False
    try:
        again = head(found)
    except (RuntimeError, TypeError):  # another kind of head: it takes something else than the features
        return False
    return isinstance(again, Tensor) and again.shape == scores.shape and torch.allclose(again, scores, atol=1e-5)


def _random(network: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    return network(from_8_bits(pixels)), None
