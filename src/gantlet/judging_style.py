"""Judging a transfer of style: real held-out sentences, each rewritten in another class."""

from __future__ import annotations

import numpy as np

from gantlet.applying.sentences import rewritten
from gantlet.data import Lines
from gantlet.errors import UserError
from gantlet.metrics.text import DEFINITION, paired_bleu
from gantlet.metrics.text_judgement import TextJudgement, symbols
from gantlet.metrics.text_style import StyleClassifier, Trigrams
from gantlet.model import Model

FLUENCY = "trigram model, interpolated .6/.3/.1, of the training sentences; the end counts as a symbol"


def judge_style(model: Model, training: Lines, test: Lines | None, num: int) -> TextJudgement:
    """Judge a model that rewrites sentences: style as asked, content kept, fluency, beside the numbers of real ones.

    Raises UserError for text without two classes.
    """
    real = training if test is None else test
    if training.labels is None or real.labels is None:
        raise UserError(f"{training.name}: judging style needs a class for each sentence, and at least two classes.")
    unit = "char" if training.vocabulary.level == "char" else "word"
    chosen = np.sort(np.random.default_rng(0).permutation(len(real))[:num])
    texts, labels = real.texts(chosen), real.labels[chosen]
    classes = len(training.classes)
    targets = (labels + 1) % classes
    made = [""] * len(texts)
    for target in range(classes):
        rows = np.flatnonzero(targets == target)
        for row, line in zip(rows, rewritten(model, [texts[row] for row in rows], target)):
            made[row] = line
    learned = symbols(unit, training.texts())
    classifier, fluency = StyleClassifier(learned, training.labels), Trigrams(learned)
    ours, source = symbols(unit, made), symbols(unit, texts)
    kept = paired_bleu(ours, source)
    values = {
        "style_accuracy": classifier.accuracy(ours, targets),
        **{f"content_bleu{n}": value for n, value in kept.items()},
        "perplexity": fluency.perplexity(ours),
        "unchanged_share": float(np.mean([a == b for a, b in zip(made, texts)])),
        "distinct_share": len(set(made)) / len(made),
    }
    floor = {"style_accuracy": classifier.accuracy(source, labels), "perplexity": fluency.perplexity(source)}
    floor["distinct_share"] = len(set(texts)) / len(texts)
    protocol = {
        "samples": f"{len(made):,} lines, each rewritten in the next class",
        "source": f"{model.about['recipe']} at step {model.about.get('step', '?')}",
        "floor": f"the {len(texts):,} real sentences themselves, of {real.name} {real.split}, PCG64 seed 0",
        "classifier": classifier.name,
        "content": f"BLEU of each to its source; {DEFINITION}",
        "fluency": FLUENCY,
    }
    said = (
        () if test is not None else ("the data has no test part: model and classifier have trained on these sentences",)
    )
    return TextJudgement(values=values, floor=floor, protocol=protocol, warnings=said)
