"""Networks with encoders: published sizes, any picture size, and what goes where."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.networks import bigan, vae, vae_gan


def count(*networks: nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def test_vae_has_the_parameters_of_the_pytorch_example() -> None:
    """784-400-20 and back: 652,824, the number of pytorch/examples `vae`."""
    E, G = vae.mlp_encoder(1, 28, 400, 20), vae.mlp_decoder(20, 1, 28, 400)
    assert (count(E), count(G)) == (330_040, 322_784)
    assert count(E, G) == (784 * 400 + 400) + 2 * (400 * 20 + 20) + (20 * 400 + 400) + (400 * 784 + 784)


def test_vae_gan_has_the_layers_of_table_1() -> None:
    E = vae_gan.encoder(3, 64, 32, 2048, 128)
    convolutions = 25 * (3 * 64 + 64 * 128 + 128 * 256) + 2 * (64 + 128 + 256)
    assert count(E) == convolutions + 8 * 8 * 256 * 2048 + 2 * 2048 + 2 * (2048 * 128 + 128)
    G = vae_gan.Generator(128, 3, 64, 32)
    grid = 8 * 8 * 256
    convolutions = 25 * (256 * 256 + 256 * 128 + 128 * 32) + 2 * (256 + 128 + 32)
    assert count(G) == 128 * grid + 2 * grid + convolutions + 25 * 32 * 3 + 3
    D = vae_gan.Discriminator(3, 64, 32, 512)
    convolutions = 25 * 3 * 32 + 32 + 25 * (32 * 128 + 128 * 256 + 256 * 256) + 2 * (128 + 256 + 256)
    assert count(D) == convolutions + grid * 512 + 2 * 512 + 512 + 1
    logits, features = D(torch.zeros(2, 3, 64, 64))
    assert (logits.shape, features.shape) == ((2,), (2, 256 * 8 * 8))


def test_bigan_has_two_layers_of_1024() -> None:
    G, E, D = bigan.Generator(50, 1, 28), bigan.Encoder(1, 28, 50), bigan.JointDiscriminator(1, 28, 50)
    assert count(G) == 50 * 1024 + 1024 * 1024 + 1024 * 784 + 784
    assert count(E) == 784 * 1024 + 1024 * 1024 + 1024 * 50 + 50
    assert count(D) == (784 + 50) * 1024 + 1024 * 1024 + 1024 + 1


@pytest.mark.parametrize("resolution", [8, 13, 28, (16, 24), (9, 40)])
def test_any_size_and_channels(resolution: int | tuple[int, int]) -> None:
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    x, z = torch.rand(3, 2, height, width) * 2 - 1, torch.randn(3, 5)
    pairs = [
        (vae.mlp_encoder(2, resolution, 7, 5), vae.mlp_decoder(5, 2, resolution, 7)),
        (vae.conv_encoder(2, resolution, 4, 7, 5), vae.conv_decoder(5, 2, resolution, 4, 7)),
        (vae_gan.encoder(2, resolution, 4, 7, 5), vae_gan.Generator(5, 2, resolution, 4)),
        (bigan.Encoder(2, resolution, 5, 7), bigan.Generator(5, 2, resolution, 7)),
    ]
    for E, G in pairs:
        found = E(x)
        assert all(part.shape == (3, 5) for part in (found if isinstance(found, tuple) else (found,)))
        picture = G(z)
        assert picture.shape == x.shape
        assert float(picture.detach().abs().max()) <= 1
    logits, features = vae_gan.Discriminator(2, resolution, 4, 7)(x)
    assert logits.shape == (3,)
    assert features.ndim == 2
    assert bigan.JointDiscriminator(2, resolution, 5, 7, norm=False)(x, z).shape == (3,)


def test_a_decoder_shows_the_mean_of_its_bernoulli() -> None:
    G = vae.mlp_decoder(5, 1, 8, 7)
    z = torch.randn(4, 5)
    torch.testing.assert_close(G(z), 2 * torch.sigmoid(G.logits(z)) - 1)
