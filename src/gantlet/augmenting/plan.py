"""How many samples each class lacks."""

from __future__ import annotations

from collections.abc import Sequence

from gantlet.errors import UserError


def wanted(counts: Sequence[int], target: str | int) -> list[int]:
    """Return how many samples each class of `counts` lacks: up to the largest class ("balanced"), or up to N pictures.

    A class without any picture lacks none: there is nothing to learn it from.

    Raises UserError for a target that is neither, or that no class falls short of.
    """
    if isinstance(target, str) and target != "balanced":
        try:
            target = int(target)
        except ValueError:
            raise UserError(f"--target is 'balanced' or a number of pictures per class, not '{target}'.") from None
    goal = max(counts) if target == "balanced" else int(target)
    if goal < 1:
        raise UserError(f"--target needs at least one picture per class, not {goal}.")
    lacking = [max(0, goal - count) if count else 0 for count in counts]
    if not any(lacking):
        raise UserError(f"Every class has {goal:,} pictures or more already; give a larger --target.")
    return lacking


def words(classes: Sequence[str], counts: Sequence[int], lacking: Sequence[int]) -> str:
    """Return the plan in one sentence."""
    some = [f"{name} {count:,} + {more:,}" for name, count, more in zip(classes, counts, lacking) if more]
    listed = ", ".join(some[:6]) + (f" and {len(some) - 6} more" if len(some) > 6 else "")
    return f"{sum(lacking):,} samples for {len(some)} of {len(classes)} classes: {listed}."
