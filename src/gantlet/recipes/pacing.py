"""Pacing: which of a recipe's options follow the budget of a run; gantlet/pacing.py sets them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pacing:
    """Options of a recipe that count samples and, in quick runs, follow the budget unless somebody sets them."""

    end: str | None = None  # the samples at which rates have fallen: all that the budget holds
    stage: str | None = None  # the samples of a first stage, which has a speed of its own
    share: float = 0.0  # of the budget that this stage takes

    @property
    def options(self) -> tuple[str, ...]:
        """The names of these options."""
        return tuple(name for name in (self.stage, self.end) if name is not None)

    def remark(self, option: str) -> str:
        """What stands behind an option's quick value where settings are shown."""
        return " or as the budget says" if option in self.options else ""
