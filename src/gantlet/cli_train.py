"""The command line of training."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gantlet.parsing import Parser, parse, parser, resolution, split_recipe_options, whole


def verb_train() -> Parser:
    """Return the parser of `gantlet train`."""
    verb = parser(
        "train",
        "[RECIPE] --data DATA --out RUN [--seconds S | --samples N | --steps N] [options]",
        "Train a recipe on data. Without RECIPE Gantlet looks at the data and the machine, chooses one and says why.\n"
        "Run the same command again to resume, exactly; give a larger budget to go on.\n\n"
        "DATA: digits (built in); mnist, fashion_mnist, kmnist, cifar10 (downloaded once); or a folder, zip or tar of\n"
        "pictures (sub-folders are classes), idx files, .npy or .npz. Sounds: tones (built in), or a folder, zip or\n"
        "tar of recordings. Text: a .txt, .csv or .tsv (also .gz) with a sentence a line, or one long text, or\n"
        "a folder of these (a file or folder per class). Clips: bouncing_shapes, moving_digits (built in), or a\n"
        "folder, zip or tar of .gif, .webp, .mp4 (pip install gantlet[video]), folders of frames or film strips.\n"
        "A recipe's own options follow as --name value: `gantlet show RECIPE` lists them.",
    )
    verb.add_argument("recipe", nargs="?", help="its name (`gantlet list`), or package.module:function")
    add = verb.add_argument
    add("--data", required=True, help="what to train on")
    add("--out", required=True, help="the run folder; created, or resumed")
    add("--seconds", type=float, help="budget: seconds of training")
    add("--samples", type=whole, help="budget: samples of data")
    add("--steps", type=whole, help="budget: steps of the loop")
    add("--seed", type=int, help="of weights, data order, latents")
    pace = verb.add_mutually_exclusive_group()
    pace.add_argument("--quick", action="store_true", help="the recipe's smaller settings for a CPU")
    pace.add_argument("--faithful", action="store_true", help="the published settings (the default of a named recipe)")
    add(
        "--resolution",
        type=resolution,
        help="scale to this side, or HEIGHTxWIDTH (else their own, up to 64; 256 on a GPU)",
    )
    add("--labels", help="a CSV of file,label")
    add("--target", help="translations: the other kind of pictures, where --data does not hold both")
    add("--side-by-side", help="translations: left or right, the half of each picture that is the source")
    add("--flips", help="patches and translations: none, mirror, all")
    add("--group", help="hold out together what has the same first group of this pattern in its name (a patient)")
    add("--sample-rate", type=whole, help="sounds: samples per second; the most common of the data if not given")
    add("--duration", type=float, help="sounds: seconds of each; what holds 95 %% of the recordings if not given")
    add("--noise", help="enhancement: recordings of noise to mix with the clean ones of --data")
    add("--label-pattern", help="sounds: a pattern whose first group in a file name is the class, as ([a-z]+)_")
    add("--level", help="text: char, word or bpe; words where blanks part few enough of them if not given")
    add("--window", type=whole, help="text: read it as one long text, in windows of so many tokens")
    add("--symbols", type=whole, help="text: at most so many, the most frequent")
    add("--stride", type=whole, help="clips: take every so many frames; --num-frames of the recipe is their number")
    add("--unconditional", action="store_true", help="leave labels aside")
    add("--balance", type=float, help="class-balanced sampling: 0 as they come, 1 classes equally likely")
    add("--balance-side", help="whose classes: both, discriminator (its real pictures), generator (its labels)")
    add("--class-weights", type=float, help="instead: loss weights by effective number, beta as 0.999; 0 for none")
    add("--skip-broken", action="store_true", help="leave damaged pictures out instead of stopping")
    add("--batch-size", type=whole, help="over all processes; the recipe's own if not given")
    add("--accumulate", type=whole, help="parts per batch, to save memory")
    add("--device", help="auto, cpu, cuda, mps")
    add("--precision", help="auto (bf16 where the hardware has it), bf16, fp32")
    add("--init-from", help="start from the weights of another run (this is not resuming)")
    add("--remedy", action="append", dest="remedies", help="NAME or NAME:option=value,...; may be repeated")
    add("--save-every", type=float, help="seconds between checkpoints")
    add("--sample-every", type=float, help="seconds between sample grids")
    add("--evaluate-every", type=float, help="seconds between evaluations, 0 for none; never over 5 %% of the time")
    add("--tensorboard", action="store_true", help="also write TensorBoard events")
    add("--wandb", action="store_true", help="also record a W&B run, offline")
    add("--quiet", action="store_true", help="no progress")
    return verb


def train(words: list[str]) -> int:
    """gantlet train"""
    verb = verb_train()
    words, options = split_recipe_options(verb, words)
    given = parse(verb, words)
    if given.pop("faithful", False):
        given["quick"] = False
    import gantlet

    try:
        model = gantlet.train(**given, **options)
    except KeyboardInterrupt as stopped:
        code = getattr(stopped, "exit_code", 130)
        print(f"gantlet: {stopped}" if str(stopped) else "gantlet: interrupted.", file=sys.stderr)
        return int(code)
    if int(os.environ.get("RANK", "0")):
        return 0
    out = given["out"]
    print(f"Trained {model.about['recipe']}; everything is in {out}. Open {Path(out) / 'report.html'}")
    if model.recipe.sample is not None:
        kind = "samples.txt" if model.vocabulary else "samples.png"
        kind = "samples" if model.sample_rate or model.frame_rate else kind
        print(f"  gantlet sample {out} --num 64 --out {kind}")
        print(f"  gantlet evaluate {out} --data {given['data']}")
    return 0
