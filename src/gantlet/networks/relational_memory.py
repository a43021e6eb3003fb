"""Relational memory (Santoro et al. 2018, arXiv:1806.01822): slots that attend to each other and to what is read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.networks.language_model import LanguageModel, State


class RelationalMemory(LanguageModel):
    """The generator of RelGAN (Nie 2019): attention over slots and input, an MLP, unit gates.

    All slots together are the features. Layer norm of queries, keys and values, their scale (3 head)^-1/2 and the two
    layers of the MLP are as in Santoro's code; its layer norm is over slots and features together, its forget gate's
    bias stays 1, ours are over features and learnt.
    """

    def __init__(
        self,
        vocab_size: int,
        width: int = 32,
        slots: int = 1,
        heads: int = 2,
        head_width: int = 256,
        num_classes: int = 0,
    ) -> None:
        size = heads * head_width
        super().__init__(vocab_size, width, slots * size)
        self.slots, self.heads, self.size = slots, heads, size
        self.input = nn.Linear(width, size)
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.qkv_norm = nn.LayerNorm(3 * size)
        self.attention_norm = nn.LayerNorm(size)
        self.mlp = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, size), nn.ReLU())
        self.mlp_norm = nn.LayerNorm(size)
        self.input_gates = nn.Linear(size, 2 * size)
        self.memory_gates = nn.Linear(size, 2 * size, bias=False)
        self.classes = nn.Embedding(num_classes, slots * size) if num_classes else None
        with torch.no_grad():
            self.input_gates.bias[size:] = 1.0  # input gate first, forget gate second

    def begin(self, like: Tensor, y: Tensor | None) -> State:
        """Return the memory [N, slots, size]: rows of the identity, so that slots differ; plus what a class adds."""
        memory = torch.eye(self.slots, self.size, dtype=like.dtype, device=like.device).expand(len(like), -1, -1)
        if self.classes is None or y is None:
            return (memory,)
        return (memory + self.classes(y).view_as(memory),)

    def attend(self, memory: Tensor, x: Tensor) -> Tensor:
        """Return what each slot [N, S, size] reads of all slots and of the input [N, size]."""
        qkv = self.qkv_norm(self.qkv(torch.cat([memory, x[:, None]], 1)))
        q, k, v = qkv.unflatten(2, (self.heads, -1)).transpose(1, 2).chunk(3, -1)  # [N, heads, S + 1, head]
        scale = (3 * q.shape[-1]) ** -0.5  # the code counts queries, keys and values as one
        return F.scaled_dot_product_attention(q[:, :, : self.slots], k, v, scale=scale).transpose(1, 2).flatten(2)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """M' = f(M, x); M <- sigmoid(i) tanh(M') + sigmoid(f) M."""
        (memory,) = state
        x = self.input(self.embedding(tokens))
        new = self.attention_norm(memory + self.attend(memory, x))
        new = self.mlp_norm(new + self.mlp(new))
        gates = self.input_gates(x)[:, None] + self.memory_gates(torch.tanh(memory))
        keep_new, keep_old = torch.sigmoid(gates).chunk(2, -1)
        memory = keep_new * torch.tanh(new) + keep_old * memory
        return memory.flatten(1), (memory,)
