"""Initial weights have the distributions that the papers state."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from gantlet.layers.spectral_norm import spectral
from gantlet.networks import acgan, cnn, dcgan, initialisation, mlp, resnet
from gantlet.recipes.images.cgan import cgan_2014
from gantlet.recipes.images.gan import gan_2014


def all_weights(network: nn.Module, *kinds: type[nn.Module]) -> list[Tensor]:
    """Return the trainable weights of all layers of these kinds."""
    return [
        initialisation.weight_and_bias(module)[0].detach() for module in network.modules() if isinstance(module, kinds)
    ]


def all_biases(network: nn.Module) -> list[Tensor]:
    """Return the biases of all weighted layers that have one."""
    found = [
        initialisation.weight_and_bias(module)[1]
        for module in network.modules()
        if isinstance(module, initialisation.WEIGHTED)
    ]
    return [bias.detach() for bias in found if bias is not None]


NETWORKS = {
    "dcgan G": lambda: dcgan.Generator(100, 3, 64, 32),
    "dcgan D": lambda: dcgan.Discriminator(3, 64, 32),
    "dcgan D with labels": lambda: dcgan.Discriminator(3, 64, 32, 10),
    "cnn G": lambda: cnn.Generator(100, 3, 32, 32),
    "acgan D": lambda: acgan.Discriminator(3, 32, 10),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_dcgan_draws_normal_of_standard_deviation_002(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    weights = torch.cat([weight.flatten() for weight in all_weights(network, *initialisation.WEIGHTED)])
    assert weights.numel() > 100_000
    assert float(weights.mean()) == pytest.approx(0, abs=3e-4)
    assert float(weights.std()) == pytest.approx(0.02, rel=0.01)
    assert float(weights.abs().max()) > 4 * 0.02  # a normal distribution has tails, a uniform one has none
    assert all(bool((bias == 0).all()) for bias in all_biases(network))
    gains = [m.weight.detach() for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert float(torch.cat(gains).mean()) == pytest.approx(1, abs=0.01)
    assert float(torch.cat(gains).std()) == pytest.approx(0.02, rel=0.3)
    assert all(bool((m.bias == 0).all()) for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_acgan_embeds_classes_at_full_scale() -> None:
    """A product with z: N(0, .02) would silence the latent."""
    torch.manual_seed(0)
    table = acgan.Generator(110, 3, 32, 50).embedding.weight.detach()
    assert float(table.std()) == pytest.approx(1, rel=0.05)


def test_residual_networks_are_glorot_uniform_with_gain_root_two_in_blocks() -> None:
    torch.manual_seed(0)
    generator, critic = resnet.Generator(128, 3, 32, 64), resnet.Discriminator(3, 32, 64, 10)
    for block in [*generator.blocks, *critic.blocks]:
        for layer, gain in ((block.conv1, sqrt(2)), (block.conv2, sqrt(2)), (block.shortcut, 1.0)):
            if isinstance(layer, nn.Identity):
                continue
            weight = layer.weight.detach()
            fans = (weight.shape[0] + weight.shape[1]) * weight[0, 0].numel()
            limit = gain * sqrt(6 / fans)
            assert 0.97 * limit < float(weight.abs().max()) <= limit
            assert float(weight.std()) == pytest.approx(limit / sqrt(3), rel=0.1)
    limit = sqrt(6 / (128 + 64 * 16))
    assert 0.97 * limit < float(generator.project.weight.detach().abs().max()) <= limit
    limit = sqrt(6 / (10 + 64))
    assert 0.95 * limit < float(critic.embedding.weight.detach().abs().max()) <= limit
    assert all(bool((bias == 0).all()) for bias in all_biases(generator) + all_biases(critic))


@pytest.mark.parametrize("make", [gan_2014, cgan_2014])
def test_the_networks_of_2014_are_uniform(make: object) -> None:
    torch.manual_seed(0)
    recipe = make()  # type: ignore[operator]
    for player, limit in (("G", 0.05), ("D", 0.005)):
        network = recipe.players[player].networks[player]
        for weight in all_weights(network, nn.Linear):
            assert 0.9 * limit < float(weight.abs().max()) <= limit
        assert all(bool((bias == 0).all()) for bias in all_biases(network))


def test_initialisation_reaches_the_original_weight_under_spectral_norm() -> None:
    network = spectral(nn.Sequential(nn.Linear(300, 300)))
    network.apply(initialisation.dcgan)
    original = network[0].parametrizations.weight.original.detach()
    assert float(original.std()) == pytest.approx(0.02, rel=0.02)


def test_spectral_networks_begin_at_norm_one() -> None:
    torch.manual_seed(0)
    for network in (spectral(cnn.Discriminator(3, 32, 16, 10)), spectral(resnet.Discriminator(3, 32, 16, 10))):
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
        assert len(layers) > 5
        for layer in layers:
            norm = float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2))
            assert norm == pytest.approx(1, abs=0.1)


def test_first_pictures_are_inside_the_range_and_not_flat() -> None:
    torch.manual_seed(0)
    pictures = mlp.Generator(100, 1, 28)(torch.rand(64, 100) * 2 - 1)
    assert float(pictures.detach().abs().max()) < 1
    assert float(pictures.detach().std()) > 0.01
