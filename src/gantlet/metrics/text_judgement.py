"""The numbers of written sentences beside those of real ones, and the whole protocol they were made by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gantlet.data.vocabulary import pieces
from gantlet.errors import UserError
from gantlet.metrics.text import DEFINITION, ORDERS, SELF_DEFINITION, bleu, novelty, self_bleu
from gantlet.metrics.text_embedding import SentenceEmbedding, fit_embedding, frechet_text

ROWS = (  # key, name, format
    ("fed", "FED x1000", "{:.4g}"),
    *((f"bleu{n}", f"BLEU-{n}", "{:.4f}") for n in ORDERS),
    *((f"self_bleu{n}", f"Self-BLEU-{n}", "{:.4f}") for n in ORDERS),
    ("nll", "NLL-gen per sentence (nats)", "{:.4g}"),
    ("nll_token", "NLL-gen per token (nats)", "{:.4f}"),
    ("copied_share", "copied from training", "{:.2%}"),
    ("distinct_share", "different from each other", "{:.2%}"),
    ("mean_length", "symbols per sentence", "{:.4g}"),
    ("style_accuracy", "style as asked", "{:.4f}"),  # this and what follows: of a transfer of style
    *((f"content_bleu{n}", f"content kept: BLEU-{n} to the source", "{:.4f}") for n in ORDERS),
    ("perplexity", "perplexity of a trigram model", "{:.4g}"),
    ("unchanged_share", "left as they were", "{:.2%}"),
)


@dataclass(frozen=True, kw_only=True)
class TextJudgement:
    """Numbers of samples and, as the floor, of real held-out sentences; each stands under its name in ROWS."""

    values: Mapping[str, Any]
    floor: Mapping[str, Any]
    protocol: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object, in the form of other judgements."""
        return {
            "values": dict(self.values),
            "floor": dict(self.floor),
            "fid_over_floor": None,
            "absent": {},
            "warnings": list(self.warnings),
            "protocol": dict(self.protocol),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TextJudgement:
        """Return the judgement that `to_json` stored."""
        return cls(**{key: stored[key] for key in ("values", "floor", "protocol")}, warnings=tuple(stored["warnings"]))

    def line(self) -> str:
        """Return the judgement in one line, for a log."""
        shown = [
            f"{name} {form.format(self.values[key])}"
            + (f" (real {form.format(self.floor[key])})" if key in self.floor else "")
            for key, name, form in ROWS
            if key in self.values and key in ("fed", "bleu4", "self_bleu4", "nll_token", "style_accuracy")
        ]
        return "  ".join(shown) + f" ({self.protocol['samples']})"

    def lines(self) -> list[str]:
        """Return a plain table of every number beside its floor, and below it the protocol and warnings."""
        rows = [("", "samples", "floor")]
        for key, name, form in ROWS:
            if key in self.values or key in self.floor:
                ours, real = (form.format(each[key]) if key in each else "-" for each in (self.values, self.floor))
                rows.append((name, ours, real))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        table = [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}".rstrip() for row in rows]
        told = [f"{name:<11} {text}" for name, text in self.protocol.items()]
        return [*table, "", *told, *(f"warning     {text}" for text in self.warnings)]


@dataclass(frozen=True, eq=False)
class Reader:
    """What judges sentences: their symbols are characters or words, an embedding is fitted on the training text."""

    unit: str  # "char" or "word"
    reference: Sequence[Sequence[str]]
    training: frozenset[str]
    embedding: SentenceEmbedding | None

    @classmethod
    def of(cls, level: str, reference: Sequence[str], training: Sequence[str]) -> Reader:
        """Return the reader for a level of vocabulary; pieces of words are judged as words."""
        unit = "char" if level == "char" else "word"
        embedding = None
        if len(training) >= 10:
            embedding = fit_embedding(symbols(unit, training), {"char": "characters", "word": "words"}[unit])
        return cls(unit, symbols(unit, reference), frozenset(training), embedding)

    def numbers(self, lines: Sequence[str], real: bool = False) -> dict[str, float]:
        """Return the numbers of written lines, or of real ones, whose novelty means nothing.

        Raises UserError for fewer than two lines.
        """
        if len(lines) < 2:
            raise UserError(f"Judging text needs at least 2 lines, not {len(lines)}.")
        split = symbols(self.unit, lines)
        out = {f"bleu{n}": value for n, value in bleu(split, self.reference).items()}
        out |= {f"self_bleu{n}": value for n, value in self_bleu(split).items()}
        if self.embedding is not None and len(self.reference) > 1:
            out["fed"] = frechet_text(self.embedding(split), self.embedding(self.reference))
        out["mean_length"] = float(np.mean([len(row) for row in split]))
        return out if real else {**out, **novelty(lines, self.training)}

    def protocol(self) -> dict[str, Any]:
        """Return how the numbers are made."""
        about = {
            "symbols": {"char": "characters", "word": "words, each with the blank before it"}[self.unit],
            "bleu": DEFINITION,
            "self_bleu": SELF_DEFINITION,
        }
        if self.embedding is not None:
            about["embedding"] = f"{self.embedding.name}, sha256 {self.embedding.fingerprint[:12]}"
        return about


def symbols(unit: str, lines: Sequence[str]) -> list[list[str]]:
    """Return the symbols of lines."""
    return [pieces(unit, line) for line in lines]
