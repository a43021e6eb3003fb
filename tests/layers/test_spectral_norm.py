"""Spectral norm against PyTorch's own, against singular values, and in what it moves when."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gantlet.layers.spectral_norm import SpectralNorm, power_iteration, spectral, spectral_norm

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(7, 5),
    "conv": lambda: nn.Conv2d(3, 6, 3),
    "embedding": lambda: nn.Embedding(4, 9),
}


def make(name: str, seed: int = 0) -> nn.Module:
    """Return a layer with weights that are the same at every call."""
    torch.manual_seed(seed)
    layer = LAYERS[name]()
    nn.init.normal_(layer.weight, 0.0, 3.0)
    return layer


def converged(layer: nn.Module, times: int = 500) -> nn.Module:
    """Return the layer after many power iterations."""
    for _ in range(times):
        power_iteration(layer)
    return layer


def buffers(network: nn.Module) -> list[Tensor]:
    """Return copies of all buffers."""
    return [buffer.clone() for buffer in network.buffers()]


@pytest.mark.parametrize("name", LAYERS)
def test_the_weight_is_divided_by_its_largest_singular_value(name: str) -> None:
    layer = make(name)
    plain = layer.weight.detach().clone()
    sigma = torch.linalg.matrix_norm(plain.flatten(1), ord=2)
    weight = converged(spectral_norm(layer)).weight.detach()
    torch.testing.assert_close(weight, plain / sigma, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.linalg.matrix_norm(weight.flatten(1), ord=2), torch.tensor(1.0))


@pytest.mark.parametrize("name", LAYERS)
def test_it_agrees_with_pytorch_in_value_and_gradient(name: str) -> None:
    ours = converged(spectral_norm(make(name)))
    theirs = nn.utils.parametrizations.spectral_norm(make(name), n_power_iterations=500)
    theirs.train()
    theirs.weight  # noqa: B018  reading it in training mode iterates
    theirs.eval()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-4, atol=1e-5)
    towards = torch.randn(ours.weight.shape, generator=torch.Generator().manual_seed(1))
    gradients = [
        torch.autograd.grad((layer.weight * towards).sum(), layer.parametrizations.weight.original)[0]
        for layer in (ours, theirs)
    ]
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_fifteen_iterations_at_the_start_are_near(name: str) -> None:
    layer = spectral_norm(make(name))
    norm = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
    assert 0.999 < float(norm) < 1.1  # from below sigma is underestimated, so the norm is a little above 1


def test_a_forward_pass_moves_no_buffer_and_power_iteration_does() -> None:
    network = spectral(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 3)))
    before, x = buffers(network), torch.randn(2, 1, 4, 4)
    assert len(before) == 4
    for training in (True, False):
        network.train(training)
        first = network(x)
        network(x).sum().backward()
        assert torch.equal(network(x), first)
    assert all(torch.equal(a, b) for a, b in zip(before, network.buffers(), strict=True))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    power_iteration(network)
    assert not any(torch.equal(a, b) for a, b in zip(before, network.buffers(), strict=True))
    for buffer in network.buffers():
        assert float(buffer.norm()) == pytest.approx(1, abs=1e-5)


def test_power_iteration_while_a_graph_is_alive() -> None:
    """`iterate` writes in place; a graph built before must still give its own gradient."""
    layer = spectral_norm(make("linear"))
    x = torch.randn(3, 7)
    (wanted,) = torch.autograd.grad(layer(x).square().sum(), layer.parametrizations.weight.original)
    late = layer(x).square().sum()
    power_iteration(layer)
    (found,) = torch.autograd.grad(late, layer.parametrizations.weight.original)
    assert torch.equal(found, wanted)


def test_one_power_iteration_is_the_algorithm() -> None:
    """Miyato 2018, Algorithm 1: v = W^T u / |.|, then u = W v / |.|, sigma = u^T W v."""
    weight = torch.randn(4, 6, generator=torch.Generator().manual_seed(3))
    norm = SpectralNorm(weight)
    u = norm.u.clone()
    v = weight.T @ u
    v = v / v.norm()
    u = weight @ v
    u = u / u.norm()
    norm.iterate(weight)
    torch.testing.assert_close(norm.v, v)
    torch.testing.assert_close(norm.u, u)
    torch.testing.assert_close(norm(weight), weight / (u @ weight @ v))


def test_spectral_covers_every_layer_and_power_iteration_leaves_plain_networks_alone() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
            self.head, self.table = nn.Linear(2, 1), nn.Embedding(3, 2)

    network = spectral(Mixed())
    assert [hasattr(m, "parametrizations") for m in (network.body[0], network.head, network.table)] == [True] * 3
    assert not hasattr(network.body[1], "parametrizations")
    plain = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    before = copy.deepcopy(plain.state_dict())
    power_iteration(plain)
    assert all(torch.equal(before[key], value) for key, value in plain.state_dict().items())


def test_construction_draws_nothing_from_the_global_generator() -> None:
    layer = nn.Linear(5, 5)
    torch.manual_seed(7)
    wanted = torch.rand(1)
    torch.manual_seed(7)
    spectral_norm(layer)
    assert torch.equal(torch.rand(1), wanted)


def test_a_copy_and_a_saved_state_are_the_same_layer() -> None:
    layer = converged(spectral_norm(make("conv")), 3)
    twin = copy.deepcopy(layer)
    other = spectral_norm(make("conv", seed=9))
    other.load_state_dict(layer.state_dict())
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(layer(x), twin(x))
    assert torch.equal(layer(x), other(x))
