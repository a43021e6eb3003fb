"""What networks that write text have in common, and how they read, write, write softly and go on with beginnings.

Two steps make a row of tokens: `features` (a whole row, each position knowing only what is before it) or `step` (one
token more), then `logits`. A state is a tuple of tensors, rows first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.tokens import BEGIN, END, PAD, gumbel, pick, shifted

State = tuple[Tensor, ...]


class LanguageModel(nn.Module):
    """The vocabulary's side of a writer: symbols into vectors, features into logits. Subclasses remember.

    PAD and BEGIN are never written: the logits of what is `barred` are minus infinity.
    """

    barred: Tensor

    def __init__(self, vocab_size: int, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.vocab_size, self.hidden = vocab_size, hidden
        self.embedding = nn.Embedding(vocab_size, width)
        self.output = nn.Linear(hidden, vocab_size)
        self.drop = nn.Dropout(dropout)
        # Of truth values, not of zeros and infinities: a moving average of infinities is not a number.
        self.register_buffer("barred", torch.arange(vocab_size).lt(3) & torch.arange(vocab_size).ne(END))

    def begin(self, like: Tensor, y: Tensor | None) -> State:
        """Return the state before the first token, as many rows and of the kind that `like` has."""
        raise NotImplementedError

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return features [N, H] after one more token [N], and the state there."""
        raise NotImplementedError

    def features(self, read: Tensor, y: Tensor | None = None) -> Tensor:
        """Return features [N, T, H] of rows that have been read [N, T] up to each position."""
        state, found = self.begin(self.embedding.weight.new_zeros(len(read), 1), y), []
        for tokens in read.unbind(1):
            now, state = self.step(tokens, state)
            found.append(now)
        return torch.stack(found, 1)

    def logits(self, features: Tensor) -> Tensor:
        """Return logits [..., V] of the next token."""
        return F.linear(self.drop(features), self.output.weight, self.output.bias.masked_fill(self.barred, -torch.inf))

    def forward(self, tokens: Tensor, y: Tensor | None = None) -> Tensor:
        """Return logits [N, T, V] of each token given those before it: teacher forcing."""
        return self.logits(self.features(shifted(tokens), y))


def log_likelihood(network: LanguageModel, tokens: Tensor, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
    """Return log p of each token given those before it, [N, T] in nats; 0 where there is PAD.

    Logits are made where there is a token alone: PAD would be half of the work on most text.
    """
    there = tokens != PAD
    logits = network.logits(network.features(shifted(tokens), y)[there]).float()
    nats = F.cross_entropy(logits if temperature == 1 else logits / temperature, tokens[there], reduction="none")
    return torch.zeros_like(tokens, dtype=nats.dtype).masked_scatter(there, -nats)


@torch.no_grad()
def write(
    network: LanguageModel,
    uniform: Tensor,
    y: Tensor | None = None,
    temperature: float = 1.0,
    prefix: Tensor | None = None,
) -> Tensor:
    """Return rows of tokens [N, T] that a network writes from uniform numbers [N, T], one a token.

    `prefix` [P] or [N, P] holds the tokens that rows begin with.
    """
    rows, length = uniform.shape
    given = 0 if prefix is None else min(prefix.shape[-1], length)
    tokens = torch.full((rows, length), PAD, dtype=torch.int64, device=uniform.device)
    last, alive, state = tokens[:, 0] + BEGIN, tokens[:, 0] == PAD, network.begin(uniform, y)
    for place in range(length):
        features, state = network.step(last, state)
        if prefix is not None and place < given:
            last = prefix[..., place].expand(rows)
        else:
            last = pick(network.logits(features), uniform[:, place], temperature)
        last = last.where(alive, PAD)
        tokens[:, place] = last
        alive = alive & (last != END)
        if not alive.any():
            break
    return tokens


def write_softly(network: LanguageModel, uniform: Tensor, sharpness: float, y: Tensor | None = None) -> Tensor:
    """Return rows of softened symbols [N, T, V] that carry gradients, from uniform numbers [N, T, V].

    softmax(sharpness * (logits + Gumbel noise)) (Nie 2019); the network reads on with the symbol that is largest
    there, which is a sample from the logits. What follows END is PAD.
    """
    rows, length, size = uniform.shape
    last = torch.full((rows,), BEGIN, dtype=torch.int64, device=uniform.device)
    alive, state, soft = last == BEGIN, network.begin(uniform, y), []
    padding = F.one_hot(last * 0 + PAD, size).type_as(uniform)
    noise = gumbel(uniform)
    for place in range(length):
        features, state = network.step(last, state)
        disturbed = network.logits(features).float() + noise[:, place]
        soft.append(torch.softmax(sharpness * disturbed, 1).where(alive[:, None], padding))
        last = disturbed.argmax(1).where(alive, PAD)
        alive = alive & (last != END)
    return torch.stack(soft, 1)


@torch.no_grad()
def complete(network: LanguageModel, tokens: Tensor, uniform: Tensor, y: Tensor | None = None) -> Tensor:
    """Return R endings of every beginning of each row, [T - 1, R, N, T]; entry p begins with tokens 0 to p.

    `uniform` is [N, R, T - 1, T]. All rows, beginnings and endings are written in one batch: at position t it holds the
    rows themselves (block 0) and R blocks for each beginning that is over; a new beginning branches off block 0.
    """
    rows, length = tokens.shape
    repeats = uniform.shape[1]
    numbers = uniform.permute(2, 1, 0, 3)  # [T - 1, R, N, T]
    endings = tokens.expand(length - 1, repeats, rows, length).clone()
    _, state = network.step(torch.full_like(tokens[:, 0], BEGIN), network.begin(uniform[:, 0, 0], y))
    for place in range(1, length):
        read = torch.cat([tokens[:, place - 1], endings[: place - 1, :, :, place - 1].flatten()])
        features, state = network.step(read, state)
        state = tuple(branched(part, rows, repeats) for part in state)
        chances = branched(network.logits(features), rows, repeats)[rows:]
        chosen = pick(chances, numbers[:place, :, :, place].flatten()).view(place, repeats, rows)
        before = endings[:place, :, :, place - 1]
        over = (before == END) | (before == PAD)
        endings[:place, :, :, place] = chosen.where(~over, PAD)
    return endings


def branched(part: Tensor, rows: int, repeats: int) -> Tensor:
    """Return a part of the state with `repeats` copies of its first block of rows at the end."""
    return torch.cat([part, part[:rows].repeat(repeats, *[1] * (part.dim() - 1))])
