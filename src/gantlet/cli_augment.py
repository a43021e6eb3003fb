"""The command line of augmentation; as in cli.py, no default lives here and nothing heavy is imported."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from gantlet.errors import UserError, suggest
from gantlet.parsing import keywords, parse, parser, resolution, split_options, whole


def augment(words: list[str]) -> int:
    """gantlet augment"""
    verb = parser(
        "augment",
        "DATA --out FOLDER [--target balanced|N] [--run RUN] [--seconds S] [options]",
        "Fill rare classes up with samples of a GAN: train one on the training part (or take --run), generate what\n"
        "each class lacks, drop samples that a classifier does not believe or that are near copies of training\n"
        "pictures, and write an ordinary class folder whose manifest.json marks every synthetic file. Originals are\n"
        "linked or copied untouched. The same command again resumes. `gantlet augment-report FOLDER` tells whether it\n"
        "helped. With --recipe, its own options follow as --name value: `gantlet show RECIPE` lists them.",
    )
    add = verb.add_argument
    add("data", metavar="DATA", help="labelled pictures, in any form `train --data` takes")
    add("--target", help="pictures per class; balanced, as many as the largest class has, if not given")
    add("--out", required=True, help="the folder to write; work and report lie beside it")
    add("--run", help="a run trained on this training part with labels; otherwise one is trained here")
    add("--recipe", help="what to train; Gantlet chooses if not given")
    pace = verb.add_mutually_exclusive_group()
    pace.add_argument("--quick", action="store_true", help="the recipe's smaller settings for a CPU")
    pace.add_argument("--faithful", action="store_true", help="the published settings (the default of a named recipe)")
    add("--seconds", type=float, help="budget of the training")
    add("--samples", type=whole, help="budget: samples of data")
    add("--steps", type=whole, help="budget: steps of the loop")
    add("--batch-size", type=whole, help="of the training; the recipe's own if not given")
    add("--seed", type=int, help="of everything")
    add(
        "--balance",
        type=float,
        help="class-balanced sampling: 0 as they come, 1 (without --class-weights) equally likely",
    )
    add("--balance-side", help="both, discriminator (its real pictures) or generator (its labels)")
    add("--class-weights", type=float, help="instead: weights of the loss by effective number, beta as 0.999")
    add("--one-per-class", action="store_true", help="a GAN of its own for each class that lacks pictures")
    add("--start", help="autoencoder: begin from the decoder of an auto-encoder of all classes")
    add("--confidence", type=float, help="probability that the gate's classifier must give the class")
    add("--copies", type=float, help="a sample nearer to a training picture than this share of real ones is dropped")
    add("--tries", type=whole, help="samples tried for each that is wanted, at most")
    add("--classifier-samples", type=whole, help="draws the gate's classifier is trained on")
    _of_data(verb)
    add("--quiet", action="store_true", help="no progress")
    rest, options, _ = split_options(verb, words)
    given = parse(verb, rest)
    if given.pop("faithful", False):
        given["quick"] = False
    if options and "recipe" not in given:
        own = [name for action in verb._actions for name in action.option_strings]
        word = next(iter(options))
        raise UserError(f"augment has no option {word}.{suggest(word, own)} Options of a recipe need --recipe.")
    from gantlet.augmenting.command import augment as run

    note = (lambda message: None) if given.get("quiet") else tell
    try:
        made = run(given.pop("data"), given.pop("out"), **{**given, **keywords(options)}, note=note)
    except KeyboardInterrupt as stopped:
        print(f"gantlet: {stopped}" if str(stopped) else "gantlet: interrupted.", file=sys.stderr)
        return int(getattr(stopped, "exit_code", 130))
    total = sum(made.added.values())
    print(f"Wrote {sum(made.counts.values()):,} pictures and {total:,} samples to {made.out}, listed in manifest.json")
    print(f"  gantlet augment-report {made.out}")
    return 0


def _of_data(verb: argparse.ArgumentParser) -> None:
    add = verb.add_argument
    add("--hold-out", type=float, help="share of each class to set aside as the test part, where there is none")
    add("--labels", help="a CSV of file,label")
    add("--skip-broken", action="store_true", help="leave damaged pictures out instead of stopping")
    add("--resolution", type=resolution, help="of the samples")


def augment_report(words: list[str]) -> int:
    """gantlet augment-report"""
    verb = parser(
        "augment-report",
        "FOLDER [--seeds N] [--json]",
        "Say whether augmenting helped: the same small classifier trained on real pictures, with oversampling, with\n"
        "classic augmentation, with the GAN's samples, with these in every class alike, with both, and on samples\n"
        "alone, several seeds each, on an untouched test part. Writes FOLDER-report.html. The same command again\n"
        "resumes; more seeds add to what is there.",
    )
    verb.add_argument("out", metavar="FOLDER", help="what `gantlet augment` wrote")
    verb.add_argument("--seeds", type=whole, help="classifiers of each arm, 2 or more")
    verb.add_argument("--samples", type=whole, help="draws each classifier is trained on")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.add_argument("--quiet", action="store_true", help="no progress")
    given = parse(verb, words)
    as_json = given.pop("json", False)
    from gantlet.augmenting.report import augment_report as run

    note = (lambda message: None) if given.get("quiet") else tell
    report = run(Path(given.pop("out")), **given, note=note)
    print(json.dumps(report.found, indent=1) if as_json else "\n".join(report.lines()))
    return 0


def tell(message: str) -> None:
    """Say where the command stands."""
    print(message, file=sys.stderr, flush=True)
