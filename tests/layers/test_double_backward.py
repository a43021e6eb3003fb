"""Second derivatives in float64 of every layer, and of every discriminator that a penalty may differentiate."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradgradcheck
from torch.func import functional_call

from gantlet.layers.conditional_norm import BatchNorm2d, ConditionalBatchNorm2d
from gantlet.layers.maxout import Maxout
from gantlet.layers.noise import GaussianNoise
from gantlet.layers.spectral_norm import spectral, spectral_norm
from gantlet.networks import cnn, dcgan, mlp, resnet

LABELS = torch.tensor([0, 2, 1])

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], bool]] = {  # module, input shape, takes labels
    "maxout": (lambda: Maxout(4, 3, 2), (3, 4), False),
    "spectral linear": (lambda: spectral_norm(nn.Linear(4, 3)), (3, 4), False),
    "spectral conv": (lambda: spectral_norm(nn.Conv2d(2, 2, 3)), (3, 2, 4, 3), False),
    "batch norm": (lambda: BatchNorm2d(2), (3, 2, 2, 2), True),
    "conditional batch norm": (lambda: ConditionalBatchNorm2d(2, 3), (3, 2, 2, 2), True),
    "noise in evaluation": (lambda: GaussianNoise(0.1).eval(), (3, 4), False),
}

NETWORKS: dict[str, tuple[Callable[[], nn.Module], bool]] = {  # discriminators of 1x8x8 pictures, take labels
    "mlp": (lambda: mlp.Discriminator(1, 8, (3, 2)), False),
    "mlp with labels": (lambda: mlp.Discriminator(1, 8, (3, 2), num_classes=3), True),
    "maxout": (lambda: mlp.MaxoutDiscriminator(1, 8, 2).eval(), False),
    "dcgan": (lambda: dcgan.Discriminator(1, 8, 2, norm=None), False),
    "dcgan with labels": (lambda: dcgan.Discriminator(1, 8, 2, 3, norm=None), True),
    "resnet": (lambda: resnet.Discriminator(1, 8, 2), False),
    "resnet with mean": (lambda: resnet.Discriminator(1, 8, 2, mean=True), False),
    "spectral resnet with labels": (lambda: spectral(resnet.Discriminator(1, 8, 2, 3)), True),
    "cnn": (lambda: cnn.Discriminator(1, 8, 2), False),
    "spectral cnn with labels": (lambda: spectral(cnn.Discriminator(1, 8, 2, 3)), True),
}


def as_function(
    module: nn.Module, y: Tensor | None, out: Callable[[Tensor], Tensor] = lambda out: out
) -> Callable[..., Tensor]:
    """Return the module as a function of its input and its parameters."""
    names = [name for name, _ in module.named_parameters()]

    def call(x: Tensor, *values: Tensor) -> Tensor:
        arguments = (x,) if y is None else (x, y)
        return out(functional_call(module, dict(zip(names, values, strict=True)), arguments))

    return call


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    make, shape, labelled = LAYERS[name]
    torch.manual_seed(0)
    module = make().double()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    parameters = [parameter.detach().requires_grad_() for parameter in module.parameters()]
    assert gradgradcheck(as_function(module, LABELS if labelled else None), (x, *parameters))


def test_spectral_embedding() -> None:
    torch.manual_seed(0)
    table = spectral_norm(nn.Embedding(3, 4)).double()
    original = table.parametrizations.weight.original
    function = as_function(table, None)
    assert gradgradcheck(lambda weight: function(LABELS, weight), (original.detach().requires_grad_(),))


@pytest.mark.parametrize("name", NETWORKS)
def test_discriminator(name: str) -> None:
    make, labelled = NETWORKS[name]
    torch.manual_seed(0)
    network = make().double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.5)  # away from the kinks that tiny initial weights sit on
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    parameters = [parameter.detach().requires_grad_() for parameter in network.parameters()]
    function = as_function(network, LABELS if labelled else None, torch.tanh)
    assert gradgradcheck(function, (x, *parameters), fast_mode=True, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_penalty_reaches_the_weights(name: str) -> None:
    """The squared input gradient has a gradient in every weight that shapes it: no layer cuts the second graph."""
    make, labelled = NETWORKS[name]
    torch.manual_seed(0)
    network = make()
    x = torch.randn(3, 1, 8, 8, requires_grad=True)
    logits = network(x, LABELS) if labelled else network(x)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    gradient.square().sum().backward()
    weights = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    assert weights
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in weights)
