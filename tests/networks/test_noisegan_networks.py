"""Networks of the NoiseGAN family: published size, any size, noise in the layers, parts shared with r1gan."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from network_counts import conv, linear, parameters

from gantlet.networks import strided
from gantlet.networks.noisegan import Generator, Residual, ResidualDiscriminator, ResidualGenerator

SIZES = [(8, 8), (8, 12), (5, 9), (28, 28), (33, 20)]
Y = torch.tensor([0, 2, 1])


def test_sizes_of_nr_gan_at_32_pixels() -> None:
    """Authors' code, ch 128: G linear to 4x4, three up blocks, 3x3; D two down blocks, two plain ones, linear."""
    block, shortcut = 2 * conv(128, 128, 3), conv(128, 128, 1)
    g = linear(128, 128 * 16) + 3 * (block + shortcut) + conv(128, 3, 3)
    first = conv(3, 128, 3) + conv(128, 128, 3) + conv(3, 128, 1)
    d = first + (block + shortcut) + 2 * block + linear(128, 1)
    assert (g, d) == (1_202_691, 1_053_825)
    assert parameters(ResidualGenerator(128, 3, 32)) == g
    assert parameters(ResidualDiscriminator(3, 32)) == d
    seen: list[torch.Size] = []
    D = ResidualDiscriminator(3, 32, 4)
    D.blocks.register_forward_hook(lambda module, inputs, out: seen.append(out.shape))
    D(torch.randn(1, 3, 32, 32))
    assert seen == [(1, 4, 8, 8)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size(size: tuple[int, int], channels: int) -> None:
    torch.manual_seed(0)
    z = torch.randn(3, 12)
    for G in (ResidualGenerator(12, channels, size, 4, 3), Generator(12, channels, size, 2, 3, chunked=True)):
        pictures = G(z, Y)
        assert pictures.shape == (3, channels, *size)
        assert float(pictures.detach().abs().max()) <= 1
        assert not torch.equal(pictures, G(z, (Y + 1) % 3))
    D = ResidualDiscriminator(channels, size, 8, 3)
    x = torch.randn(3, channels, *size, requires_grad=True)
    logits = D(x, Y)
    assert logits.shape == (3,)
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    assert bool((gradient.abs().sum((0, 2, 3)) > 0).all())
    assert bool((gradient.abs().sum((0, 1, 2)) > 0).all())
    assert bool((gradient.abs().sum((0, 1, 3)) > 0).all())


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_residual_blocks_equal_the_published_order(scale: float) -> None:
    """The 1x1 shortcut after an enlargement and before a mean, as the authors have it; the branch times .1."""
    torch.manual_seed(0)
    block, x = Residual(4, 6, scale, 0.1), torch.randn(2, 4, 6, 8)
    h, shortcut = torch.relu(x), x
    if scale == 2:
        h, shortcut = (F.interpolate(t, scale_factor=2, mode="nearest") for t in (h, shortcut))
    plain = torch.nn.Conv2d.forward
    h, shortcut = plain(block.conv2, torch.relu(plain(block.conv1, h))), block.shortcut(shortcut)
    if scale == 0.5:
        h, shortcut = F.avg_pool2d(h, 2), F.avg_pool2d(shortcut, 2)
    torch.testing.assert_close(block(x), shortcut + 0.1 * h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_noise_in_the_layers_has_no_effect_at_first_and_then_one(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    G = Generator(12, 1, size, 4).eval()
    z = torch.randn(3, 12)
    noise = [torch.randn(3, *shape) for shape in G.noise_shapes]
    still = G(z)
    assert torch.equal(G(z, noise=noise), still)
    for layer in G.noises:
        torch.nn.init.ones_(layer.strength)
    assert not torch.allclose(G(z, noise=noise), still)
    assert torch.equal(G(z), still)


def test_without_noise_and_chunks_it_is_the_small_generator_of_r1gan() -> None:
    torch.manual_seed(3)
    G = Generator(12, 3, (16, 24), 4, 5, 16, layer_noise=False)
    torch.manual_seed(3)
    twin = strided.Generator(12, 3, (16, 24), 4, 5, 16)
    assert G.state_dict().keys() == twin.state_dict().keys()
    assert G.noise_shapes == []
    z, y = torch.randn(2, 12), torch.tensor([1, 4])
    assert torch.equal(G(z, y), twin(z, y))


def test_chunks_share_the_latent_out() -> None:
    G = Generator(13, 1, 16, 4, chunked=True)  # two stages: the fully connected layer and two norms
    assert G.chunks == [5, 4, 4]
    torch.manual_seed(0)
    z = torch.randn(2, 13)
    for first, chunk in zip([0, 5, 9], G.chunks, strict=True):
        other = z.clone()
        other[:, first : first + chunk] += 1
        assert not torch.allclose(G.eval()(z), G(other))
