"""Any height, width and number of channels; the rewritten residual blocks equal the published ones, written plainly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.networks import acgan, classifier, cnn, dcgan, mlp, resnet, strided

SIZES = [(8, 8), (8, 12), (5, 9), (28, 28), (33, 20)]
Y = torch.tensor([0, 2, 1])

GENERATORS: dict[str, Callable[[int, tuple[int, int]], nn.Module]] = {
    "mlp": lambda channels, size: mlp.Generator(6, channels, size, (5, 5), 3, 4),
    "dcgan": lambda channels, size: dcgan.Generator(6, channels, size, 2, 3),
    "cnn": lambda channels, size: cnn.Generator(6, channels, size, 2, 3),
    "strided": lambda channels, size: strided.Generator(6, channels, size, 2, 3, 5),
    "resnet": lambda channels, size: resnet.Generator(6, channels, size, 2, 3),
    "acgan": lambda channels, size: acgan.Generator(6, channels, size, 3, 2),
}
DISCRIMINATORS: dict[str, Callable[[int, tuple[int, int]], nn.Module]] = {
    "mlp": lambda channels, size: mlp.Discriminator(channels, size, (5, 5), 3),
    "maxout": lambda channels, size: mlp.MaxoutDiscriminator(channels, size, 5, 3),
    "dcgan": lambda channels, size: dcgan.Discriminator(channels, size, 2, 3),
    "cnn": lambda channels, size: cnn.Discriminator(channels, size, 2, 3),
    "strided": lambda channels, size: strided.Discriminator(channels, size, 2, 3, 16),
    "resnet": lambda channels, size: resnet.Discriminator(channels, size, 2, 3),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", GENERATORS)
def test_generators(name: str, size: tuple[int, int]) -> None:
    for channels in (1, 3):
        pictures = GENERATORS[name](channels, size)(torch.randn(3, 6), Y)
        assert pictures.shape == (3, channels, *size)
        assert float(pictures.detach().abs().max()) <= 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_use_the_label_and_every_pixel(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = DISCRIMINATORS[name](3, size).eval()
    x = torch.randn(3, 3, *size, requires_grad=True)
    logits = network(x, Y)
    assert logits.shape == (3,)
    assert not torch.equal(logits, network(x, (Y + 1) % 3))
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    # Every row, column and channel: wrong padding leaves a border that D never sees. (ReLUs may silence single pixels.)
    assert bool((gradient.abs().sum((0, 2, 3)) > 0).all())
    assert bool((gradient.abs().sum((0, 1, 2)) > 0).all())
    assert bool((gradient.abs().sum((0, 1, 3)) > 0).all())


@pytest.mark.parametrize("size", SIZES)
def test_networks_with_two_outputs(size: tuple[int, int]) -> None:
    logits, class_logits = acgan.Discriminator(3, size, 4, 2).eval()(torch.randn(3, 3, *size))
    assert (logits.shape, class_logits.shape) == ((3,), (3, 4))
    network = classifier.Classifier(3, 4, 2, 7).eval()
    assert network(torch.randn(3, 3, *size)).shape == (3, 4)


@pytest.mark.parametrize("labelled", [False, True])
def test_up_block_equals_the_published_order(labelled: bool) -> None:
    """Enlarge first, then the 1x1 shortcut: ours does it the other way round, four times cheaper."""
    torch.manual_seed(0)
    block = resnet.UpBlock(4, 6, 3 if labelled else 0)
    x, y = torch.randn(3, 4, 5, 7), Y
    h = F.interpolate(torch.relu(block.norm1(x, y)), scale_factor=2, mode="nearest")
    h = block.conv2(torch.relu(block.norm2(nn.Conv2d.forward(block.conv1, h), y)))
    published = h + block.shortcut(F.interpolate(x, scale_factor=2, mode="nearest"))
    torch.testing.assert_close(block(x, y), published, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (5, 7)])
def test_down_block_equals_the_published_order(size: tuple[int, int]) -> None:
    """The shortcut's 1x1 convolution before the pooling, as the paper has it; odd sides are rounded up."""
    torch.manual_seed(0)
    block, x = resnet.Block(4, 6, down=True), torch.randn(3, 4, *size)

    def pool(h: Tensor) -> Tensor:
        return F.avg_pool2d(h, 2, ceil_mode=True)

    h = nn.Conv2d.forward(block.conv2, torch.relu(block.conv1(torch.relu(x))))
    torch.testing.assert_close(block(x), pool(h) + pool(block.shortcut(x)), rtol=1e-4, atol=1e-5)
    first = resnet.Block(4, 6, down=True, first=True)
    h = nn.Conv2d.forward(first.conv2, torch.relu(first.conv1(x)))
    torch.testing.assert_close(first(x), pool(h) + pool(first.shortcut(x)), rtol=1e-4, atol=1e-5)


def test_projection_is_an_inner_product_with_the_class() -> None:
    """Miyato & Koyama 2018: logit(x, y) = psi(h) + <embed(y), h>."""
    for name in ("dcgan", "resnet", "cnn"):
        torch.manual_seed(0)
        network = DISCRIMINATORS[name](1, (8, 8)).eval()
        heads: list[Tensor] = []
        network.logit.register_forward_hook(lambda module, inputs, out, into=heads: into.append(inputs[0]))
        x = torch.randn(3, 1, 8, 8)
        difference = network(x, Y) - network(x, Y * 0)
        by_hand = ((network.embedding(Y) - network.embedding(Y * 0)) * heads[0]).sum(1)
        torch.testing.assert_close(difference, by_hand, rtol=1e-4, atol=1e-5)


def test_inputs_are_kept_with_probability_eight_tenths_and_hidden_units_with_half() -> None:
    """Dropout of 2014 in training mode, and none in evaluation."""
    network = mlp.MaxoutDiscriminator(1, 8)
    x = torch.ones(2, 1, 8, 8)
    assert not torch.equal(network(x)[:1], network(x)[:1])
    network.eval()
    assert torch.equal(network(x), network(x))
