"""What a model of text does with strings: it writes them, scores them, and rewrites them in another style."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gantlet.data.lines import rows_of
from gantlet.data.texts import read_texts
from gantlet.data.vocabulary import UNKNOWN, Vocabulary
from gantlet.errors import UserError
from gantlet.media.foreign import shown

if TYPE_CHECKING:
    from gantlet.model import Model

BATCH = 256


def vocabulary_of(model: Model) -> Vocabulary:
    """Return the symbols of a model of text. Raises UserError for another model."""
    if model.vocabulary is None:
        raise UserError(f"Recipe '{model.about['recipe']}' was not trained on text.")
    return model.vocabulary


def length_of(model: Model) -> int:
    """Return the tokens of a row of a model of text."""
    return int(model.about["data"]["facts"]["length"])


def checked(model: Model, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of sampling with the prefix as tokens [P] int64.

    Raises UserError for a temperature below 0, and a prefix that is too long or holds what the model does
    not know.
    """
    given = dict(options)
    temperature = given.get("temperature")
    if temperature is not None and not 0 <= float(temperature) < float("inf"):
        raise UserError(f"--temperature is 0 or above, not {temperature}; 1 is the model as it was trained.")
    prefix = given.get("prefix")
    if isinstance(prefix, str):
        given["prefix"] = prefix_tokens(model, prefix)
        if not prefix:
            del given["prefix"]
    return given


def prefix_tokens(model: Model, prefix: str) -> Tensor:
    """Return the tokens of the beginning that all samples are to have; raises UserError as `checked` does."""
    vocabulary, length = vocabulary_of(model), length_of(model)
    parts, ids = vocabulary.split(prefix), vocabulary.encode(prefix)
    odd = [part.strip() or part for part, token in zip(parts, ids) if token == UNKNOWN]
    if odd:
        raise UserError(
            f"--prefix holds '{shown(odd[0])}', which the model has never read as a symbol of its own; leave it out."
        )
    if len(ids) >= length:
        raise UserError(f"--prefix has {len(ids)} tokens and the model writes {length}; give a shorter one.")
    return torch.tensor(ids, dtype=torch.int64, device=model.device)


def sampled(model: Model, num: int, **options: Any) -> list[str]:
    """Return `num` samples as strings."""
    vocabulary = vocabulary_of(model)
    out: list[str] = []
    for tokens, _ in model.batches(num, **options):
        out += [vocabulary.decode(row) for row in tokens.tolist()]
    return out


@torch.inference_mode()
def scored(model: Model, lines: Sequence[str]) -> Tensor:
    """Return the log-likelihood [N] in nats of sentences, END included where the row has room for it."""
    tokens, _ = rows_of(vocabulary_of(model), lines, length_of(model))
    return score_rows(model, tokens)


@torch.inference_mode()
def score_rows(model: Model, tokens: Tensor) -> Tensor:
    """Return the log-likelihood [N] of rows [N, T]. Raises UserError if the recipe has none."""
    if model.recipe.score is None:
        raise UserError(f"Recipe '{model.about['recipe']}' gives no likelihood of sentences.")
    score = model.recipe.score
    parts = torch.split(tokens, BATCH)
    return torch.cat([score(model.nets, rows.to(model.device)).float().cpu() for rows in parts])


@torch.inference_mode()
def rewritten(model: Model, lines: Sequence[str], to: int | str, **options: Any) -> list[str]:
    """Return sentences in the style of a class; empty ones stay empty."""
    vocabulary, apply = vocabulary_of(model), model.recipe.apply
    if apply is None:
        raise UserError(f"Recipe '{model.about['recipe']}' rewrites no text; `gantlet sample` draws from it.")
    known = set(inspect.signature(apply).parameters) - {"nets", "tokens", "inputs"}
    for option in options:
        if option not in known:
            raise UserError(f"Recipe '{model.about['recipe']}' has no option {option}; leave --{option} out.")
    target = model.class_number(to)
    if options.get("source") is not None:  # the class the sentences are of
        options["source"] = model.class_number(options["source"])
    full = [number for number, line in enumerate(lines) if line.strip()]
    tokens, _ = rows_of(vocabulary, [lines[number] for number in full], length_of(model))
    out = [""] * len(lines)
    for start in range(0, len(full), BATCH):
        made = apply(model.nets, tokens[start : start + BATCH].to(model.device), to=target, **options)
        for number, row in zip(full[start : start + BATCH], made.tolist()):
            out[number] = vocabulary.decode(row)
    return out


def read_lines(source: str | Path) -> list[str]:
    """Return all lines of a file of text in order, empty ones included. Raises UserError if it is none."""
    found = read_texts(source)
    return [line for part in found.parts.values() for line in part.lines]


def told(model: Model, lines: Sequence[str]) -> list[str]:
    """Return what is to be said about sentences that a model is given: what is cut, what it does not know."""
    vocabulary, length = vocabulary_of(model), length_of(model)
    full = [line for line in lines if line.strip()]
    tokens, cut = rows_of(vocabulary, full, length)
    said = [f"{cut:,} lines are longer than {length - 1} tokens and were cut there"] if cut else []
    unknown = int((tokens == UNKNOWN).any(1).sum())
    if unknown:
        said.append(f"{unknown:,} lines hold symbols that the model has never read")
    if len(full) < len(lines):
        said.append(f"{len(lines) - len(full):,} empty lines stay empty")
    return said
