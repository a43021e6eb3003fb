"""ProGAN's networks: the published layers and counts, growth, any size."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from network_counts import conv, linear, parameters
from torch import Tensor
from torch.autograd import gradgradcheck

from gantlet.networks.progan import Discriminator, Generator, level_widths


def test_widths_of_the_paper() -> None:
    """Karras 2018, Table 2: 512 maps up to 32 pixels, then 256, 128, 64, 32, 16 at 1024."""
    assert level_widths(1024, 16_384, 512) == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert level_widths(32, 16_384, 512) == [512] * 4
    assert level_widths(28, 1024, 512) == [128, 64, 32]  # 7, 14, 28: the widths of 8, 16, 32
    assert level_widths((16, 24), 256, 512) == [64, 32, 16]
    assert level_widths(1024, 256, 64)[-1] == 1


def test_parameters_at_1024_pixels() -> None:
    """Table 2: 23.1M parameters each. Counted from the layer list; both hold a 1x1 layer for every level."""
    widths = [512, 512, 512, 512, 256, 128, 64, 32, 16]
    pairs = list(itertools.pairwise(widths))
    G = linear(512, 512 * 16, bias=False) + 512 + conv(512, 512, 3)
    G += sum(conv(a, b, 3) + conv(b, b, 3) for a, b in pairs)
    G += sum(conv(width, 3, 1) for width in widths)
    assert parameters(Generator(512, 3, 1024)) == G == 23_079_115
    D = sum(conv(b, b, 3) + conv(b, a, 3) for a, b in pairs) + sum(conv(3, width, 1) for width in widths)
    D += conv(513, 512, 3) + linear(512 * 16, 512) + linear(512, 1)
    assert parameters(Discriminator(3, 1024)) == D == 23_087_249


SIZES = [(8, 8), (8, 12), (5, 9), (28, 28), (33, 20)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_any_size_at_any_level(size: tuple[int, int], level: float) -> None:
    torch.manual_seed(0)
    for channels in (1, 3):
        G, D = Generator(6, channels, size, 64, 8), Discriminator(channels, size, 64, 8)
        pictures = G(torch.randn(4, 6), level)
        assert pictures.shape == (4, channels, *size)
        x = torch.randn(4, channels, *size, requires_grad=True)
        logits = D(x, level)
        assert logits.shape == (4,)
        (gradient,) = torch.autograd.grad(logits.square().sum(), x)
        for axes in ((0, 2, 3), (0, 1, 2), (0, 1, 3)):  # every channel, column and row
            assert bool((gradient.abs().sum(axes) > 0).all())


def test_generator_of_three_levels_written_plainly() -> None:
    """Enlarge, convolve, activate, normalise; the old picture fades out as the new one fades in."""
    torch.manual_seed(0)
    G = Generator(5, 2, 16, 128, 8)
    z = torch.randn(3, 5)

    def norm(h: Tensor) -> Tensor:
        return h / (h.square().mean(1, keepdim=True) + 1e-8).sqrt()

    def convolve(h: Tensor, layer: torch.nn.Module, gain: float) -> Tensor:
        weight = layer.weight * gain / layer.weight[0].numel() ** 0.5
        return F.conv2d(h, weight, layer.bias, padding=weight.shape[-1] // 2)

    h = norm(z) @ G.project.weight.t() * (2**0.5 / 4) / 5**0.5
    h = h.view(3, 4, 4, 8).permute(0, 3, 1, 2) + G.bias[:, None, None]
    h = norm(F.leaky_relu(h, 0.2))
    h = [norm(F.leaky_relu(convolve(h, G.conv, 2**0.5), 0.2))]
    for block in G.blocks:
        up = F.interpolate(h[-1], scale_factor=2, mode="nearest")
        up = norm(F.leaky_relu(convolve(up, block.conv0, 2**0.5), 0.2))
        h.append(norm(F.leaky_relu(convolve(up, block.conv1, 2**0.5), 0.2)))
    pictures = [
        F.interpolate(convolve(maps, layer, 1.0), size=16, mode="nearest")
        for maps, layer in zip(h, G.to_picture, strict=True)
    ]
    for level, wanted in (
        (0.0, pictures[0]),
        (1.0, pictures[1]),
        (1.25, 0.75 * pictures[1] + 0.25 * pictures[2]),
        (2.0, pictures[2]),
        (9.0, pictures[2]),
    ):
        torch.testing.assert_close(G(z, level), wanted, rtol=1e-4, atol=1e-4)


def test_discriminator_fades_between_two_ways_to_read_a_picture() -> None:
    torch.manual_seed(0)
    D = Discriminator(1, 16, 128, 8)
    x = torch.randn(4, 1, 16, 16)
    for whole in (0.0, 1.0):
        torch.testing.assert_close(D(x, whole + 1e-6), D(x, whole), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(D(x, whole + 1 - 1e-6), D(x, whole + 1), rtol=1e-3, atol=1e-4)
        assert not torch.allclose(D(x, whole), D(x, whole + 1), atol=1e-2)
    # At level 0 only averages of 4x4 pixels count.
    blocks = F.interpolate(F.avg_pool2d(x, 4), scale_factor=4, mode="nearest")
    torch.testing.assert_close(D(x, 0.0), D(blocks, 0.0))
    assert not torch.allclose(D(x, 2.0), D(blocks, 2.0), atol=1e-2)


def test_reals_lose_the_detail_that_is_not_faded_in_yet() -> None:
    D = Discriminator(1, 16, 64, 8)
    x = torch.randn(2, 1, 16, 16)
    half = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="nearest")
    assert D.soften(x, 2.0) is x
    assert D.soften(x, 1.0) is x  # D averages by itself
    torch.testing.assert_close(D.soften(x, 1.25), 0.75 * half + 0.25 * x)
    odd = torch.randn(2, 1, 5, 9)
    assert Discriminator(1, (5, 9), 64, 8).soften(odd, 0.5).shape == odd.shape


def test_the_level_reached_is_kept_in_a_whole_number() -> None:
    """Averages copy whole numbers; a blended level would never arrive."""
    G = Generator(4, 1, 16, 64, 8)
    z = torch.randn(2, 4)
    assert torch.equal(G(z), G(z, 0.0))
    G.reach(1.25)
    twin = Generator(4, 1, 16, 64, 8)
    twin.load_state_dict(G.state_dict())
    assert not twin.reached.is_floating_point()
    assert torch.equal(twin(z), G(z, 1.25))
    assert (G.parts(0.0), G.parts(0.25), G.parts(1.0), G.parts(7.5)) == ((0, 1.0), (1, 0.25), (1, 1.0), (2, 1.0))


def test_second_derivatives_of_the_critic() -> None:
    torch.manual_seed(0)
    D = Discriminator(1, 8, 16, 2, group_size=2).double()
    for parameter in D.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.7)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(lambda x: torch.tanh(D(x, 0.5)), x, fast_mode=True, atol=1e-4)
    (gradient,) = torch.autograd.grad(D(x, 0.5).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in D.parameters() if p.dim() > 1)
