"""Gradient penalties: closed forms, per sample, and a graph that the critic's parameters can be trained through."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gantlet.losses.penalties import (
    clip_weights,
    gradient_norm_squared,
    input_gradient,
    interpolated_gradient_penalty,
    perturbed_gradient_penalty,
)

SHAPE = (5, 2, 3, 4)


def random(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers that are the same at every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    """f(x) = <w, x>: its gradient is w everywhere."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w).flatten(1).sum(1)


def quadratic(x: Tensor) -> Tensor:
    """f(x) = |x|^2 / 2: its gradient is x."""
    return x.square().flatten(1).sum(1) / 2


@pytest.mark.parametrize("centre", [0.0, 1.0, 2.5])
def test_linear_critic_has_the_closed_form(centre: float) -> None:
    critic = Linear(random(*SHAPE[1:]))
    real, fake, mix = random(*SHAPE, seed=1), random(*SHAPE, seed=2), torch.rand(SHAPE[0])
    wanted = (critic.w.norm() - centre).square().detach().expand(SHAPE[0])
    of_gp = interpolated_gradient_penalty(critic, real, fake, mix, centre)
    of_dragan = perturbed_gradient_penalty(critic, real, torch.rand_like(real), centre)
    torch.testing.assert_close(of_gp.detach(), wanted)
    torch.testing.assert_close(of_dragan.detach(), wanted)
    torch.testing.assert_close(gradient_norm_squared(critic, real).detach(), critic.w.square().sum().detach().expand(5))


def test_quadratic_critic_is_differentiated_at_the_mix_of_each_sample() -> None:
    """|grad f| at x is |x|, so the penalty shows where it was taken: between real and fake, one mix a sample."""
    real, fake = random(*SHAPE, seed=1), random(*SHAPE, seed=2)
    mix = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    by_hand = [(float((m * r + (1 - m) * f).norm()) - 1) ** 2 for m, r, f in zip(mix, real, fake, strict=True)]
    penalty = interpolated_gradient_penalty(quadratic, real, fake, mix)
    assert penalty.shape == (5,)
    assert penalty.tolist() == pytest.approx(by_hand, rel=1e-5)
    assert penalty[0].item() == pytest.approx((float(fake[0].norm()) - 1) ** 2, rel=1e-5)
    assert penalty[4].item() == pytest.approx((float(real[4].norm()) - 1) ** 2, rel=1e-5)


def test_a_mix_per_pixel_is_refused() -> None:
    real = random(*SHAPE)
    with pytest.raises(RuntimeError):
        interpolated_gradient_penalty(quadratic, real, -real, torch.rand_like(real))


def test_r1_of_a_quadratic_critic() -> None:
    x = random(*SHAPE, seed=3)
    by_hand = [float((sample**2).sum()) for sample in x]
    assert gradient_norm_squared(quadratic, x).tolist() == pytest.approx(by_hand, rel=1e-5)


def test_dragan_is_taken_around_the_data() -> None:
    """delta = 0.5 std(real) noise, the standard deviation over the whole batch."""
    real, noise = random(*SHAPE, seed=4), torch.rand(SHAPE, generator=torch.Generator().manual_seed(5))
    at = real + 0.5 * real.std() * noise
    by_hand = [(float(sample.norm()) - 1) ** 2 for sample in at]
    assert perturbed_gradient_penalty(quadratic, real, noise).tolist() == pytest.approx(by_hand, rel=1e-5)


def test_penalties_are_per_sample() -> None:
    """Another sample in the batch changes nothing: the sum over the batch is differentiated, not the mean."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 1))
    critic = lambda x: network(x)[:, 0]  # noqa: E731
    real, fake, mix = random(*SHAPE, seed=1), random(*SHAPE, seed=2), torch.rand(SHAPE[0])
    whole = interpolated_gradient_penalty(critic, real, fake, mix)
    alone = interpolated_gradient_penalty(critic, real[2:3], fake[2:3], mix[2:3])
    torch.testing.assert_close(whole[2:3], alone)
    torch.testing.assert_close(gradient_norm_squared(critic, real)[:2], gradient_norm_squared(critic, real[:2]))
    assert input_gradient(critic, real).shape == (5, 24)


def small_critic() -> nn.Module:
    """Return a smooth float64 critic with a curved gradient."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Softplus(), nn.Linear(3, 1), nn.Flatten(0)).double()


@pytest.fixture
def in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let penalties compute in float64 here: finite differences need it."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("name", ["wgan_gp", "dragan", "r1"])
def test_gradient_with_respect_to_the_parameters_equals_finite_differences(name: str) -> None:
    critic = small_critic()
    real, fake = random(3, 4, seed=1).double(), random(3, 4, seed=2).double()
    mix, noise = torch.rand(3).double(), torch.rand(3, 4).double()

    def penalty() -> Tensor:
        if name == "wgan_gp":
            return interpolated_gradient_penalty(critic, real, fake, mix).mean()
        if name == "dragan":
            return perturbed_gradient_penalty(critic, real, noise).mean()
        return gradient_norm_squared(critic, real).mean()

    parameters = list(critic.parameters())
    gradients = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    assert gradients[0] is not None
    for parameter, gradient in zip(parameters, gradients, strict=True):
        flat, step = parameter.data.view(-1), 1e-6
        for index in range(flat.numel()):
            old = flat[index].item()
            flat[index] = old + step
            above = penalty().item()
            flat[index] = old - step
            below = penalty().item()
            flat[index] = old
            wanted = 0.0 if gradient is None else gradient.reshape(-1)[index].item()  # None: the last bias
            assert (above - below) / (2 * step) == pytest.approx(wanted, rel=1e-5, abs=1e-8)


@pytest.mark.usefixtures("in_float64")
def test_the_penalty_passes_gradgradcheck_in_its_input() -> None:
    critic = small_critic()
    x = random(2, 4, seed=6).double().requires_grad_(True)

    def gradient(x: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        return found

    assert torch.autograd.gradcheck(gradient, (x,))
    torch.testing.assert_close(input_gradient(critic, x), gradient(x).flatten(1))


def test_penalties_are_in_float32_under_autocast() -> None:
    network = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0))
    seen: list[torch.dtype] = []
    network[0].register_forward_hook(lambda module, inputs, out: seen.append(out.dtype))
    x = random(4, 6)
    plain = gradient_norm_squared(network, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(x)
        inside = gradient_norm_squared(network, x.bfloat16().float())
    assert seen == [torch.float32, torch.bfloat16, torch.float32]
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, plain, rtol=0.05, atol=1e-3)


def test_the_gradient_where_the_norm_is_zero_is_finite() -> None:
    critic = Linear(torch.zeros(SHAPE[1:]))
    interpolated_gradient_penalty(critic, random(*SHAPE), random(*SHAPE), torch.rand(5)).mean().backward()
    assert critic.w.grad is not None
    assert torch.isfinite(critic.w.grad).all()


def test_clip_weights_clips_parameters_and_leaves_buffers_alone() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    with torch.no_grad():
        network[0].weight.copy_(torch.linspace(-1, 1, 16).view(4, 4))
        network[1].running_var.fill_(7.0)
        network[1].running_mean.fill_(-3.0)
    clip_weights(0.25)(network)
    wanted = torch.linspace(-1, 1, 16).view(4, 4).clamp(-0.25, 0.25)
    torch.testing.assert_close(network[0].weight.detach(), wanted)
    assert network[1].weight.tolist() == [0.25] * 4  # its gain of 1 is a parameter
    assert network[1].running_var.tolist() == [7.0] * 4
    assert network[1].running_mean.tolist() == [-3.0] * 4
