"""BigGAN, BigGAN-deep and SAGAN: layers, shapes and counts as published, on the meta device; blocks against plain ones.

Counts of BigGAN and BigGAN-deep at 128 pixels, to the unit, are those of the TensorFlow re-implementation by Google
(compare_gan, resnet_biggan_test.py and resnet_biggan_deep_test.py). The paper rounds: 70.4M and 88.0M, 50.4M and 34.6M
(appendix B). Counts at other widths are in the notes of the authors' PyTorch code.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from network_counts import batch_norm, conv, linear, parameters, shapes
from torch import Tensor, nn

from gantlet.layers.attention import SelfAttention
from gantlet.layers.spectral_norm import spectral
from gantlet.networks import biggan, biggan_deep, initialisation, sagan
from gantlet.networks.resnet import Block

META = torch.device("meta")
SIZES = [(8, 8), (8, 12), (5, 9), (28, 28), (33, 20), (70, 64)]
Y = torch.tensor([0, 2, 1])


def labels() -> Tensor:
    return torch.zeros(2, dtype=torch.int64, device=META)


def attention(maps: int) -> int:
    return maps * maps * 5 // 4 + 1


def test_biggan_128_generator() -> None:
    """Table 4a: 4x4x16ch, up blocks 16, 8, 4, 2, 1, attention at 64x64; z 120 in six chunks of 20, embedding 128."""
    with META:
        network = biggan.Generator(120, 3, 128, 96, 1000)
        out = shapes(network, biggan.UpBlock, torch.zeros(2, 120), labels())
        attended = shapes(network, SelfAttention, torch.zeros(2, 120), labels())
    assert out == [(1536, 8, 8), (768, 16, 16), (384, 32, 32), (192, 64, 64), (96, 128, 128)]
    assert attended == [(192, 64, 64)]
    assert network.chunks == [20] * 6
    by_hand = 1000 * 128 + linear(20, 4 * 4 * 1536) + attention(192) + batch_norm(96) + conv(96, 3, 3)
    for a, b in ((1536, 1536), (1536, 768), (768, 384), (384, 192), (192, 96)):
        by_hand += 2 * 148 * a + 2 * 148 * b + conv(a, b, 3) + conv(b, b, 3) + conv(a, b, 1)
    assert parameters(network) == by_hand == 70_433_988


def test_biggan_128_discriminator() -> None:
    """Table 4b: 1, 2, 4, 8, 16 ch down to 4x4, one plain block, attention at 64x64 after the first."""
    with META:
        network = biggan.Discriminator(3, 128, 96, 1000)
        out = shapes(network, Block, torch.zeros(2, 3, 128, 128), labels())
        attended = shapes(network, SelfAttention, torch.zeros(2, 3, 128, 128), labels())
    assert out == [(96, 64, 64), (192, 32, 32), (384, 16, 16), (768, 8, 8), (1536, 4, 4), (1536, 4, 4)]
    assert attended == [(96, 64, 64)]
    by_hand = attention(96) + linear(1536, 1) + 1000 * 1536 + 2 * conv(1536, 1536, 3)
    for a, b in ((3, 96), (96, 192), (192, 384), (384, 768), (768, 1536)):
        by_hand += conv(a, b, 3) + conv(b, b, 3) + conv(a, b, 1)
    assert parameters(network) == by_hand == 87_982_370


def test_biggan_at_other_widths_and_without_its_tricks() -> None:
    """Notes of the authors' PyTorch code; its numbers for G leave the 128,000 of a shared embedding out."""
    with META:
        assert parameters(biggan.Generator(120, 3, 128, 64, 1000)) == 31_850_628 + 128_000
        assert parameters(biggan.Discriminator(3, 128, 64, 1000)) == 39_448_258
        assert parameters(biggan.Generator(128, 3, 128, 96, 1000, hierarchical=False)) == 85_556_164
        assert parameters(biggan.Generator(128, 3, 128, 64, 1000, hierarchical=False)) == 42_017_412


def test_biggan_deep_128_generator() -> None:
    """Table 7a: two blocks per resolution, attention at 64x64 before a plain one; z of 128 beside a class of 128."""
    with META:
        network = biggan_deep.Generator(128, 3, 128, 128, 1000)
        out = shapes(network, biggan_deep.GeneratorBlock, torch.zeros(2, 128), labels())
        attended = shapes(network, SelfAttention, torch.zeros(2, 128), labels())
    assert out == [
        *[(2048, 4, 4), (2048, 8, 8), (2048, 8, 8), (1024, 16, 16), (1024, 16, 16), (512, 32, 32)],
        *[(512, 32, 32), (256, 64, 64), (256, 64, 64), (128, 128, 128)],
    ]
    assert attended == [(256, 64, 64)]
    by_hand = 1000 * 128 + linear(256, 4 * 4 * 2048) + attention(256) + batch_norm(128) + conv(128, 3, 3)
    pairs = ((2048, 2048), (2048, 1024), (1024, 512), (512, 256), (256, 128))
    for a, b in [(inputs, maps) for inputs, outputs in pairs for maps in (inputs, outputs)]:
        few = a // 4
        by_hand += 2 * 256 * (a + 3 * few) + conv(a, few, 1) + 2 * conv(few, few, 3) + conv(few, b, 1)
    assert parameters(network) == by_hand == 50_244_484


def test_biggan_deep_128_discriminator() -> None:
    """Table 7b: 3x3 to ch, then 2, 4, 8, 16, 16 ch with two blocks each; attention after both blocks at 64x64."""
    with META:
        network = biggan_deep.Discriminator(3, 128, 128, 1000)
        out = shapes(network, biggan_deep.DiscriminatorBlock, torch.zeros(2, 3, 128, 128), labels())
        attended = shapes(network, SelfAttention, torch.zeros(2, 3, 128, 128), labels())
    wanted = [(256, 64, 64), (512, 32, 32), (1024, 16, 16), (2048, 8, 8), (2048, 4, 4)]
    assert out == [shape for shape in wanted for _ in range(2)]
    assert attended == [(256, 64, 64)]
    assert isinstance(list(network.layers)[3], SelfAttention)
    by_hand = conv(3, 128, 3) + attention(256) + linear(2048, 1) + 1000 * 2048
    pairs = ((128, 256), (256, 512), (512, 1024), (1024, 2048), (2048, 2048))
    for a, b in [(maps, outputs) for inputs, outputs in pairs for maps in (inputs, outputs)]:
        few = b // 4
        by_hand += conv(a, few, 1) + 2 * conv(few, few, 3) + conv(few, b, 1) + (conv(a, b - a, 1) if b > a else 0)
    assert parameters(network) == by_hand == 34_590_210


def test_sagan_128() -> None:
    """Authors' code: ch 64, attention at 32x32 in both; a table of gains and biases per class in ten norms.

    Against the notes' network without tricks (42,017,412) the attention moves from 128 maps to 256.
    """
    with META:
        G, D = sagan.generator(128, 3, 128, 64, 1000), sagan.discriminator(3, 128, 64, 1000)
        attended = shapes(G, SelfAttention, torch.zeros(2, 128), labels())
        attended += shapes(D, SelfAttention, torch.zeros(2, 3, 128, 128), labels())
    assert attended == [(256, 32, 32), (128, 32, 32)]
    by_hand = linear(128, 4 * 4 * 1024) + attention(256) + batch_norm(64) + conv(64, 3, 3)
    for a, b in ((1024, 1024), (1024, 512), (512, 256), (256, 128), (128, 64)):
        by_hand += 2 * 1000 * (a + b) + conv(a, b, 3) + conv(b, b, 3) + conv(a, b, 1)
    assert parameters(G) == by_hand == 42_017_412 + attention(256) - attention(128)
    by_hand = attention(128) + linear(1024, 1) + 1000 * 1024 + 2 * conv(1024, 1024, 3)
    for a, b in ((3, 64), (64, 128), (128, 256), (256, 512), (512, 1024)):
        by_hand += conv(a, b, 3) + conv(b, b, 3) + conv(a, b, 1)
    assert parameters(D) == by_hand == 39_448_258 + attention(128) - attention(64)


def test_biggan_32() -> None:
    """CIFAR-10 as in launch_cifar_ema.sh: 256 maps everywhere, D 16-8-8-8; 4.3M (BigGAN-PyTorch, issue 78)."""
    with META:
        G = biggan.Generator(128, 3, 32, 64, 10, hierarchical=False, attention=0)
        D = biggan.Discriminator(3, 32, 64, 10, attention=0)
        assert shapes(G, biggan.UpBlock, torch.zeros(2, 128), labels()) == [(256, s, s) for s in (8, 16, 32)]
        assert shapes(D, Block, torch.zeros(2, 3, 32, 32), labels()) == [(256, s, s) for s in (16, 8, 8, 8)]
    block = 2 * 2 * 10 * 256 + 2 * conv(256, 256, 3) + conv(256, 256, 1)
    assert parameters(G) == linear(128, 4 * 4 * 256) + 3 * block + batch_norm(256) + conv(256, 3, 3) == 4_304_387
    by_hand = conv(3, 256, 3) + conv(256, 256, 3) + conv(3, 256, 1) + 2 * conv(256, 256, 3) + conv(256, 256, 1)
    assert parameters(D) == by_hand + 4 * conv(256, 256, 3) + linear(256, 1) + 10 * 256


WIDTHS = {  # side: G of BigGAN, D of BigGAN, D of BigGAN-deep, as multiples of ch (Tables 4 to 9; authors' code at 64)
    64: ([16, 16, 8, 4, 2], [1, 2, 4, 8, 16], [2, 4, 8, 16]),
    128: ([16, 16, 8, 4, 2, 1], [1, 2, 4, 8, 16, 16], [2, 4, 8, 16, 16]),
    256: ([16, 16, 8, 8, 4, 2, 1], [1, 2, 4, 8, 8, 16, 16], [2, 4, 8, 8, 16, 16]),
    512: ([16, 16, 8, 8, 4, 2, 1, 1], [1, 1, 2, 4, 8, 8, 16, 16], [1, 2, 4, 8, 8, 16, 16]),
}


@pytest.mark.parametrize("side", WIDTHS)
def test_widths_at_the_published_sizes(side: int) -> None:
    for_g, for_d, for_deep = WIDTHS[side]
    with META:
        y, x = labels(), torch.zeros(2, 3, side, side)
        G, D = biggan.Generator(20 * len(for_g), 3, side, 8, 1000), biggan.Discriminator(3, side, 8, 1000)
        deep_G, deep_D = biggan_deep.Generator(128, 3, side, 8, 1000), biggan_deep.Discriminator(3, side, 8, 1000)
        ups = shapes(G, biggan.UpBlock, torch.zeros(2, 20 * len(for_g)), y)
        deep_ups = shapes(deep_G, biggan_deep.GeneratorBlock, torch.zeros(2, 128), y)[1::2]
        downs, deep_downs = shapes(D, Block, x, y), shapes(deep_D, biggan_deep.DiscriminatorBlock, x, y)[::2]
    sides = [4 * 2**stage for stage in range(1, len(for_g))]
    assert ups == deep_ups == [(8 * width, s, s) for width, s in zip(for_g[1:], sides, strict=True)]
    assert [shape[0] // 8 for shape in downs] == for_d
    assert [shape[0] // 8 for shape in deep_downs] == for_deep
    assert downs[-1][1:] == deep_downs[-1][1:] == (4, 4)


@pytest.mark.parametrize(
    ("resolution", "side", "in_g", "in_d"),
    [(256, 64, 64, 64), (512, 64, 64, 64), (256, 128, 128, 128), (96, 64, 48, 48), (64, 64, 32, 32), (32, 16, 16, 16)],
)
def test_where_attention_is(resolution: int, side: int, in_g: int, in_d: int) -> None:
    """At the largest short side up to the one asked for, never at the picture's own."""
    with META:
        G, D = biggan.Generator(40, 3, resolution, 8, attention=side), biggan.Discriminator(3, resolution, 8, 0, side)
        assert shapes(G, SelfAttention, torch.zeros(2, 40))[0][1:] == (in_g, in_g)
        assert shapes(D, SelfAttention, torch.zeros(2, 3, resolution, resolution))[0][1:] == (in_d, in_d)
    assert biggan.Generator(8, 1, 8, 2, attention=0).attention is None
    assert biggan.Generator(8, 1, 8, 2, attention=3).attention is None


GENERATORS: dict[str, Callable[[int, tuple[int, int], int], nn.Module]] = {
    "biggan": lambda channels, size, classes: biggan.Generator(12, channels, size, 2, classes, 4, attention=8),
    "biggan flat": lambda channels, size, classes: biggan.Generator(12, channels, size, 2, classes, hierarchical=False),
    "biggan_deep": lambda channels, size, classes: biggan_deep.Generator(12, channels, size, 2, classes, 4, 8),
    "sagan": lambda channels, size, classes: sagan.generator(12, channels, size, 2, classes, 8),
}
DISCRIMINATORS: dict[str, Callable[[int, tuple[int, int], int], nn.Module]] = {
    "biggan": lambda channels, size, classes: biggan.Discriminator(channels, size, 2, classes, 8),
    "biggan_deep": lambda channels, size, classes: biggan_deep.Discriminator(channels, size, 2, classes, 8),
    "sagan": lambda channels, size, classes: sagan.discriminator(channels, size, 2, classes, 8),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", GENERATORS)
def test_generators_of_any_size(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    for channels, classes in ((1, 3), (3, 0)):
        network = biggan.spectral_layers(GENERATORS[name](channels, size, classes))
        z = torch.randn(3, 12, requires_grad=True)
        pictures = network(z, Y if classes else None)
        assert pictures.shape == (3, channels, *size)
        assert float(pictures.detach().abs().max()) <= 1
        (gradient,) = torch.autograd.grad(pictures.square().sum(), z)
        assert bool((gradient.abs().sum(0) > 0).all())  # every number of every chunk is used


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_use_the_label_and_every_pixel(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = spectral(DISCRIMINATORS[name](3, size, 3)).eval()
    x = torch.randn(3, 3, *size, requires_grad=True)
    logits = network(x, Y)
    assert logits.shape == (3,)
    assert not torch.equal(logits, network(x, (Y + 1) % 3))
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    for dims in ((0, 2, 3), (0, 1, 2), (0, 1, 3)):  # every channel, column and row
        assert bool((gradient.abs().sum(dims) > 0).all())


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_penalty_reaches_the_weights(name: str) -> None:
    """The squared input gradient has a gradient in every weight that shapes it, attention included."""
    torch.manual_seed(0)
    network = spectral(DISCRIMINATORS[name](1, (8, 8), 3))
    for module in network.modules():
        if isinstance(module, SelfAttention):
            nn.init.constant_(module.gamma, 0.5)
    x = torch.randn(3, 1, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x, Y).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    weights = [parameter for parameter in network.parameters() if parameter.dim() != 1]
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in weights)


def test_up_block_equals_the_published_order() -> None:
    """Enlarge first, then the 1x1 shortcut: ours does it the other way round, four times cheaper."""
    torch.manual_seed(0)
    network = biggan.Generator(6, 1, 8, 2, 3, 4)
    block, c, x = network.blocks[0], torch.randn(3, 7), torch.randn(3, 8, 5, 4)

    def up(h: Tensor) -> Tensor:
        return F.interpolate(h, scale_factor=2, mode="nearest")

    h = nn.Conv2d.forward(block.conv1, up(torch.relu(block.norm1(x, c))))
    published = block.conv2(torch.relu(block.norm2(h, c))) + block.shortcut(up(x))
    torch.testing.assert_close(block(x, c), published, rtol=1e-4, atol=1e-5)


def test_deep_blocks_keep_identity_on_the_shortcut() -> None:
    """With the last convolution silent G's block drops maps, and D's appends what a 1x1 convolution makes."""
    up, down = biggan_deep.GeneratorBlock(8, 4, True, 5), biggan_deep.DiscriminatorBlock(4, 8, True)
    for block in (up, down):
        nn.init.zeros_(block.conv4.weight)
        nn.init.zeros_(block.conv4.bias)
    x = torch.randn(2, 8, 3, 3)
    assert torch.equal(up(x, torch.randn(2, 5)), x[:, :4].repeat_interleave(2, 2).repeat_interleave(2, 3))
    x = torch.randn(2, 4, 6, 6)
    out, pooled = down(x), F.avg_pool2d(x, 2)
    torch.testing.assert_close(out[:, :4], pooled)
    torch.testing.assert_close(out[:, 4:], down.more(pooled))


def test_chunks_reach_their_block_alone() -> None:
    """With silent biases and gains the second chunk changes nothing; what does not divide goes to the first."""
    assert biggan.chunk_sizes(120, 6) == [20] * 6
    assert biggan.chunk_sizes(11, 3) == [5, 3, 3]
    torch.manual_seed(0)
    network = biggan.Generator(11, 1, 16, 2).eval()
    assert network.chunks == [5, 3, 3]
    z = torch.randn(1, 11)
    changed = z.clone()
    changed[:, 5:8] += 1
    assert not torch.equal(network(z), network(changed))
    for norm in (network.blocks[0].norm1, network.blocks[0].norm2):
        nn.init.zeros_(norm.gain.weight)
        nn.init.zeros_(norm.bias.weight)
    assert torch.equal(network(z), network(changed))


def test_initial_weights() -> None:
    """Orthogonal by default; N(0, .02) for the CIFAR script, tables of gains around 1 all the same; biases 0."""
    torch.manual_seed(0)
    network = biggan.Discriminator(3, 32, 4, 10, attention=0)
    rows = network.blocks[1].conv1.weight.flatten(1)
    torch.testing.assert_close(rows @ rows.t(), torch.eye(16), rtol=1e-4, atol=1e-5)
    assert all(float(p.detach().abs().max()) == 0 for name, p in network.named_parameters() if name.endswith("bias"))
    flat = biggan.Generator(64, 3, 32, 16, 10, hierarchical=False, attention=0, initialise=biggan.normal(0.02))
    weight, bias = initialisation.weight_and_bias(flat.project)
    assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert bias is not None
    assert float(bias.detach().abs().max()) == 0
    table, biases = flat.blocks[0].norm1.gain.weight.detach(), flat.blocks[0].norm1.bias.weight.detach()
    assert float((table - 1).std()) == pytest.approx(0.02, rel=0.1)
    assert float(biases.std()) == pytest.approx(0.02, rel=0.1)
    norm = sagan.generator(8, 3, 32, 8, 10).blocks[0].norm1
    assert bool((norm.gain.weight == 1).all() & (norm.bias.weight == 0).all())


def test_spectral_norm_of_g_leaves_embeddings_alone() -> None:
    network = biggan.spectral_layers(biggan.Generator(12, 1, 16, 2, 3, 4, attention=8))
    wrapped = [hasattr(m, "parametrizations") for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert (
        len(wrapped) == 1 + 2 * (3 + 4) + 4 + 1
    )  # linear, two blocks of 3 convolutions and 4 of norms, attention, out
    assert all(wrapped)
    assert not hasattr(network.embedding, "parametrizations")
