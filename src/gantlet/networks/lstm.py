"""An LSTM that writes text (Hochreiter & Schmidhuber 1997); the generator of SeqGAN (Yu 2016) at 32 / 32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantlet.networks.language_model import LanguageModel, State


class LSTM(LanguageModel):
    """Layers of LSTM between an embedding and a linear layer; a class adds its vector to every embedding.

    All weights and biases begin as N(0, .1) (SeqGAN's code), or N(0, 1 / sqrt(hidden)) where that is less.
    """

    def __init__(
        self,
        vocab_size: int,
        width: int = 32,
        hidden: int = 32,
        layers: int = 1,
        dropout: float = 0.0,
        num_classes: int = 0,
    ) -> None:
        super().__init__(vocab_size, width, hidden, dropout)
        widths = [width] + [hidden] * (layers - 1)
        self.layers = nn.ModuleList(nn.LSTM(each, hidden, batch_first=True) for each in widths)
        self.classes = nn.Embedding(num_classes, width) if num_classes else None
        for parameter in self.parameters():
            nn.init.normal_(parameter, 0.0, min(0.1, hidden**-0.5))

    def begin(self, like: Tensor, y: Tensor | None) -> State:
        """Return the class's vector [N, width], then h and c [N, H] of each layer, zeros."""
        empty = like.new_zeros(len(like), self.hidden)
        style = like.new_zeros(len(like), 1) if self.classes is None or y is None else self.classes(y)
        return (style, *[empty] * (2 * len(self.layers)))

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """One token more, layer by layer."""
        x, after = self.embedding(tokens) + state[0], [state[0]]
        with torch.autocast(x.device.type, enabled=False):
            for number, layer in enumerate(self.layers):
                h, c = state[1 + 2 * number : 3 + 2 * number]
                assert isinstance(layer, nn.LSTM)
                x, c = torch.lstm_cell(self.drop(x), (h, c), *layer.all_weights[0])
                after += [x, c]
        return x, tuple(after)

    def features(self, read: Tensor, y: Tensor | None = None) -> Tensor:
        """A whole row in one call a layer. Never under autocast: oneDNN has no bf16 LSTM of some sizes and raises."""
        x: Tensor = self.embedding(read)
        if self.classes is not None and y is not None:
            x = x + self.classes(y)[:, None]
        with torch.autocast(x.device.type, enabled=False):
            for layer in self.layers:
                x, _ = layer(self.drop(x))
        return x
