"""Run: how a recipe is run. Everything that defines the method is in the recipe; everything here may differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Run:
    """Options of one run; the budgets count from the very first start, across all resumptions."""

    out: Path
    seed: int = 0
    batch_size: int | None = None  # over all processes; None takes the recipe's own
    accumulate: int = 1  # parts a batch is split into, to save memory
    seconds: float | None = None  # budgets: the run ends with the first that is used up
    samples: int | None = None
    steps: int | None = None
    device: str = "auto"  # auto, cpu, cuda, mps
    precision: str = "auto"  # auto (bf16 where the hardware multiplies it natively), bf16, fp32
    save_every: float = 60.0  # seconds between checkpoints
    keep: int = 2  # checkpoints kept besides the best one
