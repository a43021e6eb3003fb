"""Networks that judge by features: the critic of Binkowski et al. 2018 and the autoencoder of Li et al. 2017.

Shapes: pictures [N, C, H, W] in [-1, 1], features [N, code_dim]. The generator of both is DCGAN's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.networks import dcgan, initialisation


class Encoder(nn.Module):
    """DCGAN's discriminator with `code_dim` outputs instead of one logit; norm=None for per-sample gradients."""

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 64,
        code_dim: int = 16,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        critic = dcgan.Discriminator(channels, resolution, width, norm=norm)
        self.body, self.padding = critic.body, critic.padding
        self.code = nn.Linear(critic.logit.in_features, code_dim, bias=norm is None)
        initialisation.dcgan(self.code)

    def layers(self, x: Tensor) -> list[Tensor]:
        """Return the output of every activation, first to last, and the features as the last item."""
        found, h = [], F.pad(x, self.padding) if any(self.padding) else x
        for layer in self.body:
            h = layer(h)
            if isinstance(layer, nn.LeakyReLU):
                found.append(h)
        return [*found, self.code(h.flatten(1))]

    def forward(self, x: Tensor) -> Tensor:
        code: Tensor = self.layers(x)[-1]
        return code


class Autoencoder(nn.Module):
    """The encoder, with batch norm, and DCGAN's generator as decoder: pictures -> (features, pictures again)."""

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        encoder_width: int = 64,
        decoder_width: int = 64,
        code_dim: int = 100,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(channels, resolution, encoder_width, code_dim, nn.BatchNorm2d)
        self.decoder = dcgan.Generator(code_dim, channels, resolution, decoder_width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(x)
        return code, self.decoder(code)
