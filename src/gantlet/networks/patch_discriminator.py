"""PatchGAN: a discriminator that judges every patch of a picture by itself (Isola 2017, section 3.2.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from gantlet.layers.dimensions import convolution, shortest_side
from gantlet.layers.instance_norm import InstanceNorm
from gantlet.networks.small_start import small_start


def patch_side(layers: int) -> int:
    """Return the side of the patch that one logit sees: 16, 34, 70 pixels for 1, 2, 3 layers of stride 2."""
    side = 1 + 3 + 3  # two 4x4 convolutions of stride 1
    for _ in range(layers):
        side = 2 * (side - 1) + 4
    return side


def patch_layers(resolution: int | Sequence[int], most: int = 3) -> int:
    """Return the number of layers of stride 2 whose patch is the largest that fits; at least 1, at most `most`."""
    return max([layers for layers in range(2, most + 1) if patch_side(layers) <= shortest_side(resolution)], default=1)


class PatchDiscriminator(nn.Module):
    """4x4 convolutions: `layers` of stride 2, two of stride 1; `width` maps, doubled up to 8 times; LeakyReLU(.2).

    x [N, C, H, W] (volumes with `dims` 3) -> logits [N, 1, h, w], a patch each; the smallest side is 8 for one layer.
    The first and the last layer have no norm. With `num_classes`, y [N] chooses a second last filter, of its class,
    that is added to the common one: the projection of Miyato & Koyama, 2018, on every patch.
    """

    def __init__(
        self,
        channels: int,
        layers: int = 3,
        width: int = 64,
        norm: Callable[[int], nn.Module] = InstanceNorm,
        num_classes: int = 0,
        dims: int = 2,
    ) -> None:
        super().__init__()
        convolve = convolution(dims)
        widths = [width * min(2**level, 8) for level in range(layers + 1)]
        body: list[nn.Module] = [convolve(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for level in range(1, layers + 1):
            norm_of = norm(widths[level])
            bias = next(norm_of.parameters(), None) is None  # a norm with a bias of its own makes another one idle
            stride = 2 if level < layers else 1
            body += [convolve(widths[level - 1], widths[level], 4, stride, 1, bias=bias), norm_of, nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*body)
        self.logit = convolve(widths[-1], 1 + num_classes, 4, 1, 1)
        self.apply(small_start)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.logit(self.body(x))
        if y is None:
            return logits[:, :1]
        place = (1 + y).view(-1, *[1] * (logits.dim() - 1)).expand(-1, 1, *logits.shape[2:])
        return logits[:, :1] + logits.gather(1, place)
