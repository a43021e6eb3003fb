"""The page of an augmentation report: verdict, arms, classes, copies, pictures; whole without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gantlet.augmenting import arms
from gantlet.report.look import STYLE, policy
from gantlet.report.markup import facts_table, text
from gantlet.report.pictures import load_picture

_MOST_GALLERIES = 12


def page(found: Mapping[str, Any], place: Path) -> str:
    """Return the page as HTML; galleries are read from the folder `place`."""
    title = f"Did the samples help? {found['data']}"
    sections = (
        _head(found, title),
        _arms(found),
        _recalls(found),
        _quality(found),
        _copies(found, place),
        _fine(found),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>\n<body>\n{''.join(sections)}\n</body></html>\n"
    )


def _head(found: Mapping[str, Any], title: str) -> str:
    seeds = next(iter(found["arms"].values()))["seeds"]
    return (
        f"<header><h1>{text(title)}</h1><p><strong>{text(found['verdict'])}</strong></p>"
        f"<p>{text(found['copies']['finding'])}</p>"
        f"<p class='soft'>{seeds} seeds of one small classifier, {found['classifier_samples']:,} draws each, tested on "
        f"{found['test_pictures']:,} pictures. In brackets 95 %: the wider of Student's t over seeds and a paired "
        "bootstrap over seeds and test pictures. The generator is one run: another would differ, and the interval does "
        "not know by how much.</p></header>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Return a table; the first `words` columns are text, the others numbers."""
    kind = ["" if i < words else " class='n'" for i in range(len(head))]
    top = "".join(f"<th{k}>{text(name)}</th>" for name, k in zip(head, kind))
    body = "".join(
        "<tr>" + "".join(f"<td{k}>{text(cell)}</td>" for cell, k in zip(row, kind)) + "</tr>" for row in rows
    )
    return f"<table class='numbers'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _spread(value: Mapping[str, float] | None) -> str:
    return "-" if value is None else f"{100 * value['mean']:.2f} ± {100 * value['sd']:.2f}"


def _arms(found: Mapping[str, Any]) -> str:
    rows = []
    for arm, numbers in found["arms"].items():
        against = found["effects"].get(arm)
        effect = "" if against is None else (
            f"{100 * against['size']:+.2f} ({100 * against['low']:+.2f} to {100 * against['high']:+.2f}): "
            f"{against['verdict']}"
        )  # fmt: skip
        keys = ("macro_f1", "balanced_accuracy", "accuracy", "calibration_error")
        rows.append((arms.NAMES[arm], found["meanings"][arm], *(_spread(numbers[key]) for key in keys), effect))
    head = (
        "arm",
        "learns from",
        "macro-F1",
        "balanced accuracy",
        "accuracy",
        "calibration error",
        "the GAN against it",
    )
    return f"<h2>The arms <small>(%, mean ± sd over seeds)</small></h2>{_table(head, rows, 2)}"


def _recalls(found: Mapping[str, Any]) -> str:
    head = ("class", "pictures", "added", *(arms.NAMES[arm] for arm in found["arms"]))
    rows = [
        (name, f"{found['counts'][y]:,}", f"{found['added'][y]:,}",
         *(_spread(numbers["recalls"][y]) for numbers in found["arms"].values()))
        for y, name in enumerate(found["classes"])
    ]  # fmt: skip
    return f"<h2>Recall of each class <small>(%)</small></h2>{_table(head, rows)}"


def _quality(found: Mapping[str, Any]) -> str:
    def cell(row: Mapping[str, Any], key: str, form: str = ".1f") -> str:
        ours, floor = row.get(key), row.get(f"floor_{key}")
        return "-" if ours is None else f"{ours:{form}}" + (f" (floor {floor:{form}})" if floor is not None else "")

    rows = [
        (row["class"], f"{row['samples']:,}", f"{row['tried']:,}", f"{row['doubted']:,}", f"{row['near_copies']:,}",
         f"{row['compared']:,}", cell(row, "fid"), cell(row, "coverage", ".2f"), cell(row, "nearest", ".3f"))
        for row in found["quality"]
    ]  # fmt: skip
    head = ("class", "samples", "tried", "not believed", "near copies", "compared", "FID", "coverage", "nearest")
    return (
        f"<h2>The samples of each class</h2>{_table(head, rows)}<p class='soft'>Against the test pictures of the "
        "class, in features of the gate's classifier; the floor are as many training pictures of it. FIDs of few "
        "pictures are far too high, for samples and floor alike. Nearest: distance in pixels to the nearest training "
        "picture, root mean square; its floor is that of test pictures. The gate's own classifier "
        "measures here, which flatters samples that it let pass.</p>"
    )


def _copies(found: Mapping[str, Any], place: Path) -> str:
    rows = [
        (row["class"], search["space"], each["name"], f"{each['value']:.3f}", f"{each['control']:.3f}",
         f"{each['sigmas']:.1f}", "copies" if each["fires"] else "no copy found")
        for row in found["quality"] for search in row["copies"] for each in search["detectors"]
    ]  # fmt: skip
    meanings = {
        each["name"]: each["meaning"] for row in found["quality"] for s in row["copies"] for each in s["detectors"]
    }
    told = "".join(f"<li>{text(name)}: {text(meaning)}.</li>" for name, meaning in meanings.items())
    head = ("class", "in", "detector", "samples", "control", "standard errors", "finding")
    figures = ""
    for row in found["quality"][:_MOST_GALLERIES]:
        picture = load_picture(place / f"gallery-{row['label']}.png", 900, 300_000)
        if picture is not None:
            words = f"{row['class']}: the samples nearest to training pictures, each above its three nearest ones"
            figures += (
                f'<figure><img class="coarse" src="{picture.uri}" width="{picture.width}" height="{picture.height}" '
                f'alt="{text(words)}"><figcaption>{text(words)}</figcaption></figure>'
            )
    return (
        f"<h2>Copies</h2><p>{text(found['copies']['finding'])}</p><ul class='soft'>{told}</ul>"
        f"<details><summary>Every detector, on samples that passed no gate</summary>{_table(head, rows, 3)}</details>"
        f"<div class='curves'>{figures}</div>"
    )


def _fine(found: Mapping[str, Any]) -> str:
    return (
        f"<h2>Fine print</h2><p>{text(found['leaks'])}</p>"
        f"{facts_table(found.get('manifest', {}), 'Everything of the augmentation')}"
    )
