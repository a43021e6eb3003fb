"""Numbers as people read them: short, rounded, with their unit; and the names of the metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple


class Metric(NamedTuple):
    """How a metric is called and which way is better ("lower", "higher" or "")."""

    title: str
    better: str


METRICS = {
    "fid": Metric("FID", "lower"),
    "fid_over_floor": Metric("FID over floor", "lower"),
    "inception_score": Metric("Inception score", "higher"),
    "label_accuracy": Metric("Label accuracy", "higher"),
    "class_diversity": Metric("Diversity in class", "higher"),
    "class_diversity_minimum": Metric("Least diversity in a class", "higher"),
    "kid": Metric("KID", "lower"),
    "precision": Metric("Precision", "higher"),
    "recall": Metric("Recall", "higher"),
    "density": Metric("Density", "higher"),
    "coverage": Metric("Coverage", "higher"),
    "classes_covered": Metric("Classes covered", "higher"),
    "fed": Metric("Frechet embedding distance x1000", "lower"),
    "nll": Metric("NLL-gen per row", "lower"),
    "nll_token": Metric("NLL-gen per token", "lower"),
    **{f"bleu{n}": Metric(f"BLEU-{n}", "higher") for n in range(2, 6)},
    **{f"self_bleu{n}": Metric(f"Self-BLEU-{n}", "lower") for n in range(2, 6)},
    "copied_share": Metric("Copied from training", "lower"),
    "distinct_share": Metric("Different from each other", "higher"),
    "mean_length": Metric("Symbols per sentence", ""),
    "style_accuracy": Metric("Style as asked", "higher"),
    **{f"content_bleu{n}": Metric(f"Content kept: BLEU-{n} to the source", "higher") for n in range(2, 6)},
    "perplexity": Metric("Perplexity of a trigram model", "lower"),
    "unchanged_share": Metric("Left as they were", "lower"),
    "pitch_accuracy": Metric("Pitch accuracy", "higher"),
    "clipping_share": Metric("Clipped samples", ""),
    "silence_share": Metric("Silent frames", ""),
    "rms": Metric("RMS", ""),
    "one_object": Metric("Frames with one object", "higher"),
    "content_constant": Metric("Content constant", "higher"),
    "trajectory_residual": Metric("Straight-line residual (px)", "lower"),
    "speed_w1": Metric("Speed W1 of range", "lower"),
    "psnr": Metric("PSNR (dB)", "higher"),
    "flicker": Metric("Flicker error", "lower"),
    "si_sdr": Metric("SI-SDR (dB)", "higher"),
    "si_sdr_improvement": Metric("SI-SDR improvement (dB)", "higher"),
    "features_l1": Metric("L1 distance of features", "lower"),
}
DISTANCES = {"log-mel": "FAD", "clip": "FVD"}  # resize rule -> what the Frechet distance is called there


def metric(name: str, rule: str = "") -> Metric:
    """Return the title and direction of a metric, under a resize rule; an unknown one is called by its name."""
    title, better = METRICS.get(name) or Metric(name.replace("_", " "), "")
    return Metric(title.replace("FID", DISTANCES.get(rule, "FID")), better)


def as_number(value: object) -> float | None:
    """Return a logged value as a float ("nan", "inf" and null are not finite), None for what is no number."""
    if value is None:
        return math.nan
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value not in ("nan", "inf", "-inf"):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return None


def short(value: float) -> str:
    """Return three digits and a suffix: 12800 is "12.8k"."""
    if not math.isfinite(value) or abs(value) >= 1e12:
        return f"{value:.3g}"
    for suffix in ("", "k", "M"):
        digits = float(f"{value:.3g}")
        if abs(digits) < 1000:
            return f"{digits:g}{suffix}"
        value /= 1000
    return f"{float(f'{value:.3g}'):g}B"


def rounded(value: object) -> str:
    """Return a value for a table: four significant digits, whole numbers whole."""
    number = as_number(value)
    if value is None:
        return "-"
    if number is None:
        return str(value)
    if not math.isfinite(number):
        return str(number)
    if number == int(number) and abs(number) < 1e9:
        return f"{int(number):,}"
    if abs(number) >= 1000:
        return short(number) if abs(number) >= 1e6 else f"{number:.0f}"
    return f"{number:.4g}"


def duration(seconds: float) -> str:
    """Return "45 s", "2 min 10 s", "3 h 5 min" or "2 d 4 h"."""
    if not math.isfinite(seconds) or seconds < 0:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, "min", 1, "s")
    return _two(whole, 3600, "h", 60, "min") if whole < 86400 else _two(whole, 86400, "d", 3600, "h")


def _two(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    count, rest = divmod(whole, large)
    return f"{count} {large_name} {rest // small} {small_name}" if rest // small else f"{count} {large_name}"


def protocol_text(protocol: Mapping[str, object]) -> str:
    """Return a whole protocol in one line: "extractor digits-cnn; samples 10,000; ..."."""
    return "; ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in protocol.items())


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) + ")"
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return rounded(value)
