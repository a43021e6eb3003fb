"""Initial weights, as functions to `Module.apply`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)


def weight_and_bias(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Return the trainable weight (the original one under a parametrisation) and the bias of a layer."""
    parametrized: Any = module
    weight = parametrized.parametrizations.weight.original if hasattr(module, "parametrizations") else module.weight
    bias = getattr(module, "bias", None)
    assert isinstance(weight, Tensor)
    return weight, bias if isinstance(bias, Tensor) else None


def dcgan(module: nn.Module) -> None:
    """Weights N(0, .02), biases 0, gain of batch norm N(1, .02): Radford 2016, section 4, and its code.

    PyTorch's own default (Kaiming uniform) is another one; forgetting this is the classic unfaithful DCGAN.
    """
    if isinstance(module, WEIGHTED):
        weight, bias = weight_and_bias(module)
        nn.init.normal_(weight, 0.0, 0.02)
        if bias is not None:
            nn.init.zeros_(bias)
    elif isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def dcgan_in_space(module: nn.Module) -> None:
    """`dcgan` for the layers of clips and volumes: weights N(0, .02), biases 0, gain of batch norm N(1, .02)."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm3d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def uniform(limit: float) -> Callable[[nn.Module], None]:
    """Return an initialiser: weights uniform in [-limit, limit], biases 0 (Goodfellow 2014, `mnist.yaml`)."""

    def initialise(module: nn.Module) -> None:
        if isinstance(module, WEIGHTED):
            weight, bias = weight_and_bias(module)
            nn.init.uniform_(weight, -limit, limit)
            if bias is not None:
                nn.init.zeros_(bias)

    return initialise


def small_embedding(num_classes: int, width: int) -> nn.Embedding | None:
    """Return an embedding of labels [num_classes, width] from N(0, .02^2); None without labels."""
    if not num_classes:
        return None
    embedding = nn.Embedding(num_classes, width)
    nn.init.normal_(embedding.weight, 0.0, 0.02)
    return embedding
