"""Self-attention and the batch norm that reads a vector, against loops written by hand; their second derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradgradcheck
from torch.func import functional_call

from gantlet.layers.attention import SelfAttention
from gantlet.layers.conditional_norm import VectorBatchNorm2d
from gantlet.layers.spectral_norm import spectral


def attention(channels: int = 8, pool: bool = True) -> SelfAttention:
    """Return a layer that has left its beginning as the identity."""
    torch.manual_seed(0)
    layer = SelfAttention(channels, pool)
    nn.init.constant_(layer.gamma, 0.7)
    return layer


def by_hand(layer: SelfAttention, x: Tensor) -> Tensor:
    """Return Zhang 2019, Eq. 1 to 3 for one picture [C, H, W], position by position."""
    channels, height, width = x.shape
    query, key, value, out = (c.weight[:, :, 0, 0] for c in (layer.query, layer.key, layer.value, layer.out))
    seen: list[tuple[Tensor, Tensor]] = []  # keys and values
    if layer.pool:
        for top in range(0, height, 2):
            for left in range(0, width, 2):
                window = x[:, top : top + 2, left : left + 2].reshape(channels, -1)
                seen.append(((key @ window).amax(1), (value @ window).amax(1)))
    else:
        seen = [(key @ x[:, i, j], value @ x[:, i, j]) for i in range(height) for j in range(width)]
    result = torch.empty_like(x)
    for i in range(height):
        for j in range(width):
            scores = [torch.exp((query @ x[:, i, j]) @ k) for k, _ in seen]
            mixed = torch.stack([score / sum(scores) * v for score, (_, v) in zip(scores, seen, strict=True)]).sum(0)
            result[:, i, j] = x[:, i, j] + layer.gamma * (out @ mixed)
    return result


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("size", [(4, 6), (3, 5), (1, 1)])
def test_attention_equals_a_hand_loop(size: tuple[int, int], pool: bool) -> None:
    layer = attention(pool=pool)
    x = torch.randn(2, 8, *size)
    wanted = torch.stack([by_hand(layer, picture) for picture in x])
    torch.testing.assert_close(layer(x), wanted, rtol=1e-4, atol=1e-5)
    last = layer(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, wanted, rtol=1e-4, atol=1e-5)


def test_attention_has_the_published_maps_and_no_bias() -> None:
    """C/8 for queries and keys, C/2 for values, back to C: 1.25 C^2 weights and gamma."""
    layer = SelfAttention(64)
    shapes = [tuple(c.weight.shape[:2]) for c in (layer.query, layer.key, layer.value, layer.out)]
    assert shapes == [(8, 64), (8, 64), (32, 64), (64, 32)]
    assert sum(p.numel() for p in layer.parameters()) == 64 * 64 * 5 // 4 + 1


def test_attention_begins_as_the_identity_and_learns_gamma_first() -> None:
    layer, x = SelfAttention(8), torch.randn(2, 8, 4, 4)
    assert torch.equal(layer(x), x)
    layer(x).square().sum().backward()
    assert layer.gamma.grad is not None
    assert float(layer.gamma.grad.abs()) > 0
    assert float(layer.query.weight.grad.abs().sum()) == 0


def test_attention_looks_everywhere() -> None:
    """Each output position depends on the pixel at the far corner, which no 3x3 convolution reaches."""
    layer, x = attention(), torch.randn(1, 8, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x)[0, :, 0, 0].sum(), x)
    assert float(gradient[0, :, 4:, 4:].abs().sum()) > 0


def test_attention_keeps_bf16_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = attention()(torch.randn(1, 8, 4, 4).bfloat16())
    assert out.dtype == torch.bfloat16


def test_spectral_norm_covers_attention() -> None:
    layer = spectral(SelfAttention(8))
    assert all(hasattr(c, "parametrizations") for c in (layer.query, layer.key, layer.value, layer.out))
    assert layer(torch.randn(1, 8, 4, 4)).shape == (1, 8, 4, 4)


def vector_norm() -> VectorBatchNorm2d:
    torch.manual_seed(0)
    return VectorBatchNorm2d(3, 4)


def test_vector_batch_norm_equals_a_hand_loop() -> None:
    """Gain 1 + A c and bias B c, batch statistics per map with the biased variance."""
    norm, x, c = vector_norm(), torch.randn(5, 3, 4, 2) * 2 + 1, torch.randn(5, 4)
    out = norm(x, c)
    for channel in range(3):
        values = x[:, channel]
        mean, deviation = values.mean(), (values.var(unbiased=False) + 1e-5).sqrt()
        for n in range(5):
            gain, bias = 1 + norm.gain.weight[channel] @ c[n], norm.bias.weight[channel] @ c[n]
            torch.testing.assert_close(out[n, channel], gain * (values[n] - mean) / deviation + bias)


def test_vector_batch_norm_of_nothing_is_plain_batch_norm() -> None:
    norm, x = vector_norm(), torch.randn(5, 3, 4, 2)
    torch.testing.assert_close(norm(x, torch.zeros(5, 4)), nn.BatchNorm2d(3)(x))
    assert {name for name, _ in norm.named_parameters()} == {"gain.weight", "bias.weight"}


def test_vector_batch_norm_in_evaluation_reads_each_sample_alone() -> None:
    norm, x, c = vector_norm(), torch.randn(6, 3, 4, 4), torch.randn(6, 4)
    norm(x, c)
    norm.eval()
    torch.testing.assert_close(norm(x[2:3], c[2:3]), norm(x, c)[2:3])


@pytest.mark.parametrize("name", ["attention", "attention without pooling", "spectral attention", "vector norm"])
def test_second_derivatives(name: str) -> None:
    module: nn.Module = vector_norm() if name == "vector norm" else attention(4, name != "attention without pooling")
    if name == "spectral attention":
        module = spectral(module)
    module.double()
    shape = (3, 3, 2, 2) if name == "vector norm" else (2, 4, 3, 2)
    names = [key for key, _ in module.named_parameters()]
    parameters = [parameter.detach().requires_grad_() for parameter in module.parameters()]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True)]
    if name == "vector norm":
        inputs.append(torch.randn(3, 4, dtype=torch.float64, requires_grad=True))

    def call(*tensors: Tensor) -> Tensor:
        given, values = tensors[: len(inputs)], tensors[len(inputs) :]
        return functional_call(module, dict(zip(names, values, strict=True)), given)

    assert gradgradcheck(call, (*inputs, *parameters))
