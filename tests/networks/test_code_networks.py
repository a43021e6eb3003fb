"""The networks of MMD GAN and InfoGAN: layers, shapes and parameter counts, by hand."""

from __future__ import annotations

import pytest
import torch
from network_counts import batch_norm, conv, linear, parameters, shapes
from torch import nn

from gantlet.networks import infogan, mmd_gan


def test_the_critic_gives_sixteen_features() -> None:
    """DCGAN's convolutions without norm and a linear layer to 16 (Binkowski 2018), 28 pixels end at 7x7."""
    critic = mmd_gan.Encoder(channels=1, resolution=28, width=64, code_dim=16)
    x = torch.randn(2, 1, 28, 28)
    assert shapes(critic, nn.Conv2d, x) == [(64, 14, 14), (128, 7, 7)]
    assert parameters(critic) == conv(1, 64, 4) + conv(64, 128, 4) + linear(128 * 49, 16)
    layers = critic.layers(x)
    assert [tuple(layer.shape) for layer in layers] == [(2, 64, 14, 14), (2, 128, 7, 7), (2, 16)]
    assert torch.equal(layers[-1], critic(x))
    assert all(bool((layer < 0).any() and (layer > 0).any()) for layer in layers)  # after the LeakyReLU


def test_the_autoencoder_of_2017() -> None:
    """Encoder 64-128-256-512 with batch norm but on the first, 100 features without bias; decoder is DCGAN's G."""
    network = mmd_gan.Autoencoder(channels=3, resolution=64)
    code, pictures = network(torch.randn(2, 3, 64, 64))
    assert (code.shape, pictures.shape) == ((2, 100), (2, 3, 64, 64))
    encoder = conv(3, 64, 4) + linear(512 * 16, 100, bias=False)
    for a, b in ((64, 128), (128, 256), (256, 512)):
        encoder += conv(a, b, 4, bias=False) + batch_norm(b)
    decoder = linear(100, 512 * 16, bias=False) + batch_norm(512) + conv(64, 3, 4)
    for a, b in ((512, 256), (256, 128), (128, 64)):
        decoder += conv(a, b, 4, bias=False) + batch_norm(b)
    assert (parameters(network.encoder), parameters(network.decoder)) == (encoder, decoder)


def test_infogan_on_mnist() -> None:
    """Chen 2016, Table 1: G 74-1024-128x7x7-64-1; D 64-128-1024, heads of 1 and 128-12 (10 codes, 2 means)."""
    G = infogan.Generator(inputs=74, channels=1, resolution=28)
    assert shapes(G, nn.ConvTranspose2d, torch.zeros(2, 74)) == [(64, 14, 14), (1, 28, 28)]
    by_hand = linear(74, 1024, bias=False) + batch_norm(1024) + linear(1024, 128 * 49, bias=False) + batch_norm(128)
    by_hand += conv(128, 64, 4, bias=False) + batch_norm(64) + conv(64, 1, 4)
    assert parameters(G) == by_hand
    D = infogan.Discriminator(channels=1, resolution=28, codes=10, continuous=2)
    assert shapes(D, nn.Conv2d, torch.zeros(2, 1, 28, 28)) == [(64, 14, 14), (128, 7, 7)]
    shared = conv(1, 64, 4) + conv(64, 128, 4, bias=False) + batch_norm(128)
    shared += linear(128 * 49, 1024, bias=False) + batch_norm(1024)
    q = linear(1024, 128, bias=False) + batch_norm(128) + linear(128, 12)
    assert parameters(D) == shared + linear(1024, 1) + q
    assert {m.negative_slope for m in D.modules() if isinstance(m, nn.LeakyReLU)} == {0.1}


@pytest.mark.parametrize("size", [(8, 8), (8, 12), (5, 9), (33, 20)])
def test_any_size(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    pictures = infogan.Generator(6, 3, size, 2, 5)(torch.randn(3, 6))
    assert pictures.shape == (3, 3, *size)
    assert float(pictures.detach().abs().max()) <= 1
    x = torch.randn(3, 3, *size, requires_grad=True)
    logits, class_logits, means = infogan.Discriminator(3, size, 4, 2, 4, 5, 5).eval()(x)
    assert (logits.shape, class_logits.shape, means.shape) == ((3,), (3, 4), (3, 2))
    code = mmd_gan.Encoder(3, size, 8, 4)(x)
    assert code.shape == (3, 4)
    for out in (logits, class_logits, means, code):
        (gradient,) = torch.autograd.grad(out.sum(), x, retain_graph=True)
        assert bool((gradient.abs().sum((0, 1, 2)) > 0).all())
        assert bool((gradient.abs().sum((0, 1, 3)) > 0).all())
