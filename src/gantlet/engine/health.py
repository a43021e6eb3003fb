"""The guard: numbers that are no numbers send the run back to its last good checkpoint; slow ills are said in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gantlet.errors import RunFailed

FORGIVEN_AFTER = 1000  # healthy steps after which an old rollback no longer counts
STOP_AFTER = 5  # rollbacks in short succession after which the run stops

Sign = Callable[[Mapping[str, float]], str | None]


class Diverged(Exception):
    """A loss or gradient that is not finite, and where."""


class Guard:
    """Watches the norm of every gradient: at once where looking is free (CPU), every 32nd time elsewhere."""

    def __init__(self, device: torch.device) -> None:
        self._interval = 1 if device.type == "cpu" else 32
        self._pending: list[tuple[str, Tensor]] = []

    def look(self, name: str, norm: Tensor) -> None:
        """Take note of a gradient norm. Raises Diverged, naming the phase, if one is not finite."""
        self._pending.append((name, norm))
        if len(self._pending) >= self._interval:
            self.check()

    def check(self) -> None:
        """Look at all norms noted so far. Raises Diverged if one is not finite."""
        pending, self._pending = self._pending, []
        if pending and not (finite := torch.isfinite(torch.stack([norm for _, norm in pending]))).all():
            raise Diverged(pending[int((~finite).nonzero()[0])][0])

    def forget(self) -> None:
        """Drop what was noted before a rollback."""
        self._pending.clear()


def lr_scale_after(rollbacks: Sequence[int], step: int, scale: float, where: str) -> float:
    """Return the learning-rate factor after one more rollback at `step`: halved from the second in succession on.

    Raises RunFailed after the fifth.
    """
    recent = [past for past in rollbacks if step - past < FORGIVEN_AFTER]
    if len(recent) >= STOP_AFTER:
        raise RunFailed(
            f"The run diverged {len(recent) + 1} times within {FORGIVEN_AFTER} steps (last in {where} at step {step}), "
            f"also at {scale:g} of the learning rate. The last good checkpoint is kept; lower the learning rate or "
            "choose another recipe, and look for damaged data with `gantlet inspect`."
        )
    return scale * 0.5 if recent else scale


def vanishing_or_exploding(statistics: Mapping[str, float]) -> list[str]:
    """Return in plain words which players get hardly any gradient, or far too much."""
    found = []
    for name, value in statistics.items():
        player, _, statistic = name.partition("/")
        if statistic == "gradient_norm" and value < 1e-7:
            found.append(
                f"{player}'s gradient has vanished (norm {value:.1g}): it no longer learns. "
                "Lower the learning rate of its opponent, or use a loss that does not saturate "
                "(hinge, wasserstein with a penalty)."
            )
        if statistic == "gradient_norm" and value > 1e4:
            found.append(
                f"{player}'s gradient explodes (norm {value:.1g}). Lower its learning rate, clip its gradient "
                "(--remedy gradient_clipping), or normalise the network (spectral norm, a gradient penalty)."
            )
    return found


class Watch:
    """Turns statistics into notes, each said once until it has been gone for a while.

    A sign must hold for `patience` readings in a row and for `steps` of the loop. Readings go by the clock: on a slow
    machine three fall into the first steps, while all that is made is alike still.
    """

    def __init__(self, signs: Sequence[Sign], patience: int = 3, steps: int = 100) -> None:
        self._signs, self._patience, self._steps = signs, patience, steps
        self._seen: dict[str, tuple[int, int]] = {}  # readings so far, and the step of the first
        self._said: set[str] = set()

    def look(self, statistics: Mapping[str, float], step: int) -> list[str]:
        """Return what is new to be said at this step."""
        found = {message.split(":")[0].split("(")[0]: message for message in vanishing_or_exploding(statistics)}
        for sign in self._signs:
            message = sign(statistics)
            if message is not None:
                found[getattr(sign, "__name__", message)] = message
        before = {name: self._seen.get(name, (0, step)) for name in found}
        self._seen = {name: (count + 1, first) for name, (count, first) in before.items()}
        self._said &= set(found)
        held = {
            n for n, (count, first) in self._seen.items() if count >= self._patience and step - first >= self._steps
        }
        new = [name for name in found if name in held - self._said]
        self._said |= set(new)
        return [found[name] for name in new]
