"""The command line's verbs `apply` and `features`; no default lives here, nothing heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gantlet import cli_clips, cli_text
from gantlet.errors import UserError
from gantlet.parsing import Parser, keywords, parse, parser, split_options, whole

SOUNDS = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3")  # media/audio.py, which is not light


def apply(words: list[str]) -> int:
    """gantlet apply"""
    verb = apply_parser()
    words, options, _ = split_options(verb, words)
    given = parse(verb, joined(words, "--window"))
    out, source = Path(given.pop("out")), given.pop("input")
    from gantlet.cli import load

    if out.suffix.lower() == ".csv":
        return classes(given, options, out, source)
    if "skip_broken" in given:
        raise UserError("--skip-broken belongs to a table of classes, --out CLASSES.csv; leave it out.")
    model = load(given)
    if model.vocabulary is not None:
        return cli_text.apply(model, given, options, out, source)
    if model.recipe.hearing is not None:
        return sounds(model, given, options, out, source)
    from gantlet.applying.clips import takes
    from gantlet.applying.pictures import Extras, apply_pictures

    gif = Path(source).suffix.lower() == ".gif"
    if takes(Path(source), out) and not (gif and any(name in given for name in cli_clips.NOT_OF_CLIPS)):
        return cli_clips.apply(model, given, keywords(options), out, source)
    if Path(source).suffix.lower() in SOUNDS:
        raise UserError(f"INPUT {source} is a recording, and the recipe '{model.about['recipe']}' takes pictures.")
    if "piece" in given:
        raise UserError("--piece belongs to sounds; for pictures there is --tile.")
    extras = Extras(
        metrics=Path(given.pop("metrics")) if "metrics" in given else None,
        sheet=Path(given.pop("sheet")) if "sheet" in given else None,
        **{name: given.pop(name) for name in ("mask", "references", "window", "luma", "crop") if name in given},
    )
    settings: dict[str, Any] = {"quiet": given.pop("quiet", False), **given, **keywords(options)}
    done = apply_pictures(model, source, out, extras, **settings)
    print(f"Wrote {done.files:,} picture{'s' * (done.files != 1)}{frames(done.files, done.frames)} to {out}")
    for line in done.protocol:
        print(f"  {line}")
    if done.means:
        print("  mean " + "  ".join(f"{name} {value:.4g}" for name, value in done.means.items()))
    return 0


def sounds(model: Any, given: dict[str, Any], options: dict[str, str], out: Path, source: str) -> int:
    """Apply a model of sounds. Raises UserError for options that belong to pictures."""
    from gantlet.applying.sounds import SoundExtras, apply_sounds

    for name in ("mask", "window", "tile", "luma", "crop"):
        if name in given:
            raise UserError(f"--{name} belongs to pictures, and '{model.about['recipe']}' takes sounds; leave it out.")
    extras = SoundExtras(
        references=given.pop("references", None),
        metrics=Path(given.pop("metrics")) if "metrics" in given else None,
        sheet=Path(given.pop("sheet")) if "sheet" in given else None,
    )
    done = apply_sounds(model, source, out, extras, **{"quiet": False, **given, **keywords(options)})
    from gantlet.report.status import clock

    many = "s" * (done.files != 1)
    speed = f"{done.times_real_time:.1f} times as fast as real time"
    print(f"Wrote {done.files:,} sound{many} ({clock(done.seconds)}, {speed}) to {out}")
    for line in done.notes:
        print(f"  {line}")
    if done.means:
        print("  mean " + "  ".join(f"{name} {value:.4g}" for name, value in done.means.items()))
    return 0


def features(words: list[str]) -> int:
    """gantlet features"""
    verb = parser(
        "features",
        "RUN INPUT --out mel.npz|FOLDER",
        "Write the mel spectrogram that a vocoder takes, with what kind of mel it is, which `apply` checks.\n"
        "INPUT: a recording (wav; flac, ogg, mp3 with pip install gantlet[audio]) or a folder of recordings.",
    )
    add = verb.add_argument
    add("run", metavar="RUN", help="a run folder, or one checkpoint folder")
    add("input", metavar="INPUT", help="a recording or a folder of recordings")
    add("--out", required=True, help="where to: a .npz or a folder")
    add("--checkpoint", help="auto, best or last")
    add("--recipe", help="needed for a model of your own recipe: its module:function")
    given = parse(verb, words)
    out, source = Path(given.pop("out")), Path(given.pop("input"))
    from gantlet.applying.hearer import hearer
    from gantlet.applying.mels import features as write
    from gantlet.applying.sound_inputs import find
    from gantlet.cli import load

    folder = source.is_dir() or out.is_dir()
    if out.suffix.lower() != ("" if folder else ".npz"):
        raise UserError(f"--out takes a .npz for one recording and a folder for a folder, not '{out.name}'.")
    run = hearer(load({"device": "cpu", **given}))
    inputs = find(source)
    frames_written = sum(write(run, each.path, out / f"{each.name}.npz" if folder else out) for each in inputs)
    many = "s" * (len(inputs) != 1)
    print(f"Wrote {len(inputs):,} mel{many} ({frames_written:,} frames) to {out}")
    return 0


def classes(given: dict[str, Any], options: dict[str, str], out: Path, source: str) -> int:
    """Write a CSV of classes. Raises UserError for options that belong to pictures."""
    from gantlet.applying.classes import apply_file
    from gantlet.cli import load

    model = load(given)
    given.pop("quiet", None)
    skip_broken = given.pop("skip_broken", False)
    for name in (*(f"--{each}" for each in given), *options):
        raise UserError(f"{name} belongs to pictures, and --out {out.name} asks for a table of classes.")
    print(f"Wrote {apply_file(model, source, out, skip_broken):,} rows to {out}")
    return 0


def frames(files: int, count: int) -> str:
    """Return how many frames there are, where these are not the files."""
    return f" ({count:,} frames)" if count != files else ""


def apply_parser() -> Parser:
    """Return what `gantlet apply` understands."""
    verb = parser(
        "apply",
        "RUN INPUT --out OUT [--mask M] [--strength S] [--references FOLDER --metrics M.csv] [--sheet S.png] [options]",
        "Apply a model to pictures of any size: translate, restore, enlarge, fill holes; or classify; or to sounds\n"
        "of any length: take noise off speech, make waves of mels.\n\n"
        "INPUT: a picture (PNG, JPEG, WebP, BMP, TIFF, GIF, PPM), .npy, an animated GIF, a NIfTI volume or DICOM file\n"
        "(pip install gantlet[medical]), or a folder of these. Large ones go through the networks in tiles. Bit depth\n"
        "and transparency are kept.\n"
        "OUT: a name ending in .png, .tif, .npy, .gif, .nii.gz or .dcm, or a folder; .gif makes a clip of a folder of\n"
        "frames, in the order of their numbers. Ending in .csv: a classifier's classes; INPUT then is anything that\n"
        "`train --data` takes.\n"
        "A model of sounds takes recordings (wav; flac, ogg, mp3 with pip install gantlet[audio]) of any rate, a\n"
        "vocoder mels too (`gantlet features`), and writes .wav of the same rate, channels and depth.\n"
        "Clips (.gif, .webp; .mp4, .webm and others with pip install gantlet[video]) go through frame by frame, in\n"
        "constant memory; frame times are kept, sound is not. OUT then is a .gif, .webp, .mp4, .webm or a folder.\n"
        "A model of style takes a .txt and writes a .txt, line by line: --to CLASS.\n"
        "What the recipe's own `apply` takes follows as --name value.",
    )
    add = verb.add_argument
    add("run", metavar="RUN", help="a run folder, or one checkpoint folder")
    add("input", metavar="INPUT", help="a picture or recording, or a folder of these")
    add("--out", required=True, help="where to: a file or a folder")
    add("--mask", metavar="FILE|FOLDER", help="white where a hole is to be filled; of the pictures' sizes")
    add("--strength", type=float, help="from 0, the input, to 1, all of the result")
    add("--window", type=window, metavar="LOW,HIGH", help="raw values that are black and white; inverted on export")
    add("--tile", type=whole, help="side of a tile in pixels of the input; smaller takes less memory")
    add("--piece", type=float, help="sounds: seconds that go through the networks at once; smaller takes less memory")
    add("--references", metavar="FOLDER", help="what results should be, by the same names")
    add("--metrics", metavar="FILE.csv", help="PSNR, SSIM and MAE, or SI-SDR and STOI, against the references")
    add("--luma", action="store_true", help="PSNR and SSIM of Y (BT.601) instead of all channels")
    add("--crop", type=whole, help="pixels of the border that PSNR and SSIM leave out")
    add("--sheet", metavar="FILE.png", help="before and after, side by side")
    add("--skip-broken", action="store_true", help="classes: leave damaged pictures out instead of stopping")
    add("--checkpoint", help="auto, best or last")
    add("--recipe", help="needed for a model of your own recipe: its module:function")
    add("--device", help="auto, cpu, cuda, mps")
    add("--quiet", action="store_true", help="no progress")
    return verb


def joined(words: list[str], option: str) -> list[str]:
    """Return the words with an option and its value in one: argparse takes "-1000,1000" for an option of its own."""
    if option not in words[:-1]:
        return words
    at = words.index(option)
    return [*words[:at], f"{option}={words[at + 1]}", *words[at + 2 :]]


def window(text: str) -> tuple[float, float]:
    """Read LOW,HIGH."""
    low, _, high = text.partition(",")
    return float(low), float(high)
