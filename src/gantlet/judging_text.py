"""`gantlet.evaluate` for text: what a model writes, or a file of lines, against real held-out lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gantlet.applying.sentences import read_lines, sampled, score_rows
from gantlet.data import Lines, NoSuchSplit, open_lines
from gantlet.data.vocabulary import END, UNKNOWN
from gantlet.errors import UserError
from gantlet.metrics.text_judgement import Reader, TextJudgement
from gantlet.model import Model

MOST_REFERENCES = 10_000
SCORED = 2_000  # real rows whose likelihood is measured


@dataclass(frozen=True, eq=False)
class Held:
    """Real text to judge against: a reference, other real rows as floor, and what was trained on."""

    training: Lines
    reference: Lines
    ours: np.ndarray[Any, Any]  # rows of the reference
    floor: Lines
    theirs: np.ndarray[Any, Any]
    rule: str
    floor_rule: str
    untouched: bool  # no row of the reference was trained on


def open_like(model: Model, source: str | Path, split: str = "train") -> Lines:
    """Return text as rows of a model: its symbols, its length, windows if it was trained on such."""
    about = model.about["data"]
    assert model.vocabulary is not None
    return open_lines(
        source, vocabulary=model.vocabulary, windows=bool(about["windows"]), length=int(about["facts"]["length"]),
        unconditional=not about["classes"], split=split,
    )  # fmt: skip


def held(training: Lines, test: Lines | None, num: int, most: int = MOST_REFERENCES) -> Held:
    """Return what to judge against: the test part where there is one, or one half of the rows; chosen by seed 0."""
    rng = np.random.default_rng(0)
    if test is not None:
        ours = np.sort(rng.permutation(len(test))[:most])
        theirs = np.sort(rng.permutation(len(training))[:num])
        rule = f"{len(ours):,} of {test.name} test ({len(test):,}), PCG64 seed 0"
        floor_rule = f"{len(theirs):,} of {training.name} train ({len(training):,}), PCG64 seed 0"
        return Held(training, test, ours, training, theirs, rule, floor_rule, True)
    order = rng.permutation(len(training))
    half = len(order) // 2
    ours, theirs = np.sort(order[:half][:most]), np.sort(order[half:][:num])
    name = f"{training.name} {training.split}"
    return Held(
        training, training, ours, training, theirs, f"{len(ours):,} of half A of {name}, PCG64 seed 0",
        f"{len(theirs):,} of half B of it", False,
    )  # fmt: skip


def test_lines(training: Lines, source: str | Path, model: Model | None) -> Lines | None:
    """Return the test part that belongs to training text, None if it has none of its own."""
    try:
        if model is not None:
            return open_like(model, source, "test")
        return open_lines(
            source, vocabulary=training.vocabulary, windows=training.stream is not None, length=training.length,
            split="test",
        )  # fmt: skip
    except NoSuchSplit:
        return None


test_lines.__test__ = False  # type: ignore[attr-defined]  # the name is no test's


def reader_of(real: Held) -> Reader:
    """Return the judge of this text."""
    return Reader.of(real.training.vocabulary.level, real.reference.texts(real.ours), real.training.texts())


def evaluate_text(
    what: str | Path | Model, model: Model | None, data: str | Path, num: int, seed: int, options: Mapping[str, Any]
) -> TextJudgement:
    """Judge a model of text, or a file of lines. Raises UserError for what cannot be judged."""
    training = open_lines(data) if model is None else open_like(model, data)
    if model is not None and model.recipe.sample is None:
        from gantlet.judging_style import judge_style

        return judge_style(model, training, test_lines(training, data, model), min(num, 2000))
    given = read_lines(what) if model is None else []  # type: ignore[arg-type]
    given = [line for line in given if line.strip()][:num]
    num = num if model is not None else len(given)
    real = held(training, test_lines(training, data, model), num)
    if model is not None:
        lines = sampled(model, num, seed=seed, **options)
        step = model.about.get("step", "?")
        source = f"{model.about['recipe']} at step {step}, seed {seed}, trained on {model.about['data']['source']}"
    else:
        lines, source = given, f"{what}, first {num:,}"
    return judged(reader_of(real), real, lines, source, model, options)


def judged(
    reader: Reader,
    real: Held,
    lines: Sequence[str],
    source: str,
    model: Model | None,
    options: Mapping[str, Any],
    floor: Mapping[str, Any] | None = None,
) -> TextJudgement:
    """Return the judgement of lines; `floor` are the numbers of real ones if they are known."""
    values: dict[str, Any] = reader.numbers(lines)
    if floor is None:
        floor = reader.numbers(real.floor.texts(real.theirs), real=True)
        if real.untouched:
            texts = real.reference.texts(real.ours)
            floor["copied_share"] = sum(text in reader.training for text in texts) / max(len(texts), 1)
    if model is not None and model.recipe.score is not None:
        values |= likelihood(model, real)
    warnings = []
    if len(real.theirs) < len(lines):
        warnings.append(
            f"the floor has {len(real.theirs):,} lines and the samples {len(lines):,}: Self-BLEU and FED depend on the "
            f"number, so compare with --num {len(real.theirs)}"
        )
    if not real.untouched:
        warnings.append("the data has no test part: the model has trained on the reference; keep a test.txt for this")
    empty = sum(not line.strip() for line in lines)
    if empty:
        warnings.append(f"{empty:,} of the samples are empty lines")
    protocol = {
        "samples": f"{len(lines):,} {'windows' if real.training.stream is not None else 'lines'}",
        "source": source + "".join(f", {key} {value}" for key, value in options.items()),
        "reference": real.rule,
        "floor": real.floor_rule,
        **reader.protocol(),
    }
    if "nll" in values:
        rows = min(len(real.ours), SCORED)
        protocol["nll"] = f"mean over {rows:,} rows of the reference, END counted where it stands"
    return TextJudgement(values=values, floor=dict(floor), protocol=protocol, warnings=tuple(warnings))


def likelihood(model: Model, real: Held) -> dict[str, float]:
    """Return NLL-gen: minus the log-likelihood of real rows under the model, per row and per token."""
    tokens = torch.from_numpy(real.reference.tokens[real.ours[:SCORED]].astype(np.int64))
    scores = score_rows(model, tokens).double()
    count = int(((tokens == END) | (tokens >= UNKNOWN)).sum())
    return {"nll": float(-scores.mean()), "nll_token": float(-scores.sum() / max(count, 1))}


def judge_training_text(
    model: Model, data: Lines, num: int, reader: tuple[Reader, Held] | None, previous: TextJudgement | None
) -> tuple[TextJudgement, tuple[Reader, Held]]:
    """Judge a model while it trains, against halves of its training rows, and return the judge to use again."""
    if len(data) < 8:
        raise UserError("Evaluation while training needs at least 8 rows of text.")
    if reader is None:
        real = held(data, None, num, most=num)
        reader = reader_of(real), real
    judge, real = reader
    source = f"{model.about['recipe']} at step {model.about['step']}, seed 1"
    lines = sampled(model, len(real.theirs), seed=1)
    floor = None if previous is None else previous.floor
    return judged(judge, real, lines, source, model, {}, floor), reader


def refuse_for_text(extractor: str, *others: object) -> None:
    """Raise UserError for options of `evaluate` that are for pictures or sounds."""
    if extractor != "auto" or any(other is not None for other in others):
        raise UserError("Text has no --extractor, --inception, --labels or --label-pattern; leave that out.")
