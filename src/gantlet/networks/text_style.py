"""The cross-aligned auto-encoder (Shen et al. 2017): what a sentence says in z, how it says it in y."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gantlet.layers.tokens import BEGIN, END, PAD, gumbel, shifted
from gantlet.networks.text_cnn import Pooled


class StyleTranslator(nn.Module):
    """GRU encoder and decoder over one embedding; their state is y (style) beside z (content) (authors' code).

    `encode` gives z; `teach` the decoder's states while it reads the sentence itself; `speak` while it hears its own
    softened symbols; `write` its most likely words.
    """

    barred: Tensor

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        width: int = 100,
        style_dim: int = 200,
        content_dim: int = 500,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        hidden = style_dim + content_dim
        self.vocab_size, self.style_dim, self.content_dim = vocab_size, style_dim, content_dim
        self.embedding = nn.Embedding(vocab_size, width)
        self.read_style = nn.Embedding(num_classes, style_dim)
        self.write_style = nn.Embedding(num_classes, style_dim)
        self.encoder = nn.GRU(width, hidden, batch_first=True)
        self.decoder = nn.GRU(width, hidden, batch_first=True)
        self.output = nn.Linear(hidden, vocab_size)
        self.drop = nn.Dropout(dropout)
        self.register_buffer("barred", torch.arange(vocab_size).lt(3) & torch.arange(vocab_size).ne(END))

    def encode(self, tokens: Tensor, y: Tensor) -> Tensor:
        """Return z [N, content] of rows of tokens in style y: the encoder's state behind END, its style left out."""
        style = self.read_style(y)
        start = torch.cat([style, style.new_zeros(len(style), self.content_dim)], 1)
        states = run(self.encoder, self.drop(self.embedding(tokens)), start)
        ends = (tokens != PAD).sum(1).clamp_min(1) - 1
        return states[torch.arange(len(tokens), device=tokens.device), ends, self.style_dim :]

    def begin(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the decoder's first state [N, H]."""
        return torch.cat([self.write_style(y).type_as(z), z], 1)

    def logits(self, states: Tensor) -> Tensor:
        """Return logits [..., V] of the next token."""
        bias = self.output.bias.masked_fill(self.barred, -torch.inf)
        return nn.functional.linear(self.drop(states), self.output.weight, bias)

    def teach(self, z: Tensor, y: Tensor, tokens: Tensor) -> Tensor:
        """Return states [N, T, H] of the decoder before each token, while it reads the true ones."""
        return run(self.decoder, self.drop(self.embedding(shifted(tokens))), self.begin(z, y))

    def speak(self, z: Tensor, y: Tensor, uniform: Tensor, sharpness: float) -> Tensor:
        """Return states [N, T, H] while it hears softmax(sharpness * (logits + Gumbel noise)).

        States behind the END that it says are zeros.
        """
        h, states = self.begin(z, y), []
        x, alive = self.embedding(torch.full_like(y, BEGIN)), (y >= 0)[:, None]
        for noise in gumbel(uniform).unbind(1):
            h = self.cell(self.drop(x), h)
            states.append(h * alive)
            soft = torch.softmax(sharpness * (self.logits(h).float() + noise), 1)
            alive = alive & (soft.argmax(1, keepdim=True) != END)
            x = soft.type_as(x) @ self.embedding.weight
        return torch.stack(states, 1)

    def cell(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the decoder's next state."""
        with torch.autocast(x.device.type, enabled=False):
            return torch.gru_cell(x.float(), h.float(), *self.decoder.all_weights[0])

    @torch.no_grad()
    def write(self, z: Tensor, y: Tensor, length: int) -> Tensor:
        """Return the most likely words, one after the other: tokens [N, T], PAD after END."""
        tokens = torch.full((len(z), length), PAD, dtype=torch.int64, device=z.device)
        h, last = self.begin(z, y), torch.full_like(y, BEGIN)
        alive = last == BEGIN
        for place in range(length):
            h = self.cell(self.drop(self.embedding(last)), h)
            last = self.logits(h).argmax(1).where(alive, PAD)
            tokens[:, place] = last
            alive = alive & (last != END)
            if not alive.any():
                break
        return tokens


def run(network: nn.GRU, x: Tensor, start: Tensor) -> Tensor:
    """Return all states [N, T, H] of a GRU. Never under autocast: oneDNN has no bf16 GRU of some sizes and raises."""
    with torch.autocast(x.device.type, enabled=False):
        states: Tensor = network(x.float(), start.float()[None])[0]
    return states


class StateJudges(nn.Module):
    """For each style a text CNN over sequences of decoder states: real are those of that style.

    The authors' judges also see the first state (y, z) in front, and their leaky ReLU has a slope of .01; here it is 0.
    """

    def __init__(
        self,
        hidden: int,
        length: int,
        num_classes: int,
        filters: Sequence[int] = (3, 4, 5),
        maps: int = 128,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        judge = [Pooled(hidden, length, filters, [maps] * len(filters)) for _ in range(num_classes)]
        self.pooled = nn.ModuleList(judge)
        self.drop = nn.Dropout(dropout)
        self.logit = nn.ModuleList(nn.Linear(maps * len(filters), 1) for _ in range(num_classes))

    def forward(self, states: Tensor, y: Tensor) -> Tensor:
        """Return logits [N] of state sequences [N, T, H], each by the judge of its style y [N]."""
        x = states.transpose(1, 2)
        logits = [logit(self.drop(pooled(x))) for pooled, logit in zip(self.pooled, self.logit, strict=True)]
        return torch.cat(logits, 1).gather(1, y[:, None])[:, 0]
