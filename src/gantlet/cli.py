"""The command line: names and printing. Argument names come from signatures; no default lives here.

`gantlet --help` imports no torch: everything heavy is imported inside the verb that needs it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gantlet import (
    __version__,
    cli_apply,
    cli_augment,
    cli_clips,
    cli_latents,
    cli_remedies,
    cli_sounds,
    cli_text,
    cli_train,
)
from gantlet.errors import RunFailed, UserError, out_of_memory, suggest
from gantlet.interrupts import ending_imports
from gantlet.parsing import keywords, parse, parser, resolution, split_options, whole

OVERVIEW = """\
Train, judge and use generative adversarial networks.

  gantlet train --data digits --out runs/digits --seconds 60    train; the same command again resumes
  gantlet sample runs/digits --num 64 --out samples.png         new pictures from a trained run
  gantlet evaluate runs/digits --data digits                    numbers, with their floor and protocol
  gantlet interpolate runs/digits --out path.png                from one sample to another
  gantlet report runs/digits                                    one page: pictures, curves, numbers, notes
  gantlet inspect path/to/pictures                              what a data set holds and what is odd
  gantlet list                                                  all recipes
  gantlet show sngan                                            one recipe: paper, options, defaults
  gantlet apply RUN INPUT --out OUT                             what a model makes of pictures, sounds, clips
  gantlet curve RUN RUN --data DATA --out curve.png             text: quality against diversity, by temperature
  gantlet features RUN INPUT --out mel.npz                      the mel spectrogram that a vocoder takes
  gantlet encode RUN INPUT --out z.npz                          latents of pictures, by the model's own encoder
  gantlet reconstruct RUN INPUT --out grid.png                  pictures beside what is left of them in the latents
  gantlet project RUN INPUT --out FOLDER                        latents of pictures, for models without an encoder
  gantlet explore RUN --out FOLDER                              directions, truncation and classes as picture strips
  gantlet augment DATA --target balanced --out FOLDER           rare classes filled up with samples of a GAN
  gantlet augment-report FOLDER                                 whether that helped: seven arms, seeds, a verdict

`gantlet VERB --help` explains a verb.
"""
OUT_OF_MEMORY = """\
Out of memory; --accumulate 4 computes the same batch in four parts, or lower --batch-size or --resolution. What was \
saved is whole: a run goes on where its last checkpoint is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 a mistake in the command or data, 1 anything else."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with ending_imports():
            return run(words)
    except UserError as error:
        print(f"gantlet: {error}", file=sys.stderr)
        return 2
    except RunFailed as error:
        print(f"gantlet: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"gantlet: {place}{error.strerror or error}; make room or choose another place.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("gantlet: interrupted.", file=sys.stderr)
        return 130
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        print(f"gantlet: {OUT_OF_MEMORY}", file=sys.stderr)
        return 1


def run(words: list[str]) -> int:
    """Find the verb and run it."""
    verbs: dict[str, Callable[[list[str]], int]] = {
        "train": cli_train.train,
        "sample": sample,
        "evaluate": evaluate,
        "interpolate": interpolate,
        "apply": cli_apply.apply,
        "features": cli_apply.features,
        "encode": cli_latents.encode,
        "reconstruct": cli_latents.reconstruct,
        "project": cli_latents.project,
        "explore": cli_latents.explore,
        "curve": cli_text.curve,
        "augment": cli_augment.augment,
        "augment-report": cli_augment.augment_report,
        "inspect": inspect,
        "report": report,
        "list": list_recipes,
        "show": show,
    }
    if not words or words[0] in ("-h", "--help", "help"):
        print(OVERVIEW, end="")
        return 0
    if words[0] in ("-V", "--version", "version"):
        print(f"gantlet {__version__}")
        return 0
    if words[0] not in verbs:
        raise UserError(f"There is no command '{words[0]}'.{suggest(words[0], verbs)} `gantlet --help` lists all.")
    return verbs[words[0]](words[1:])


def sample(words: list[str]) -> int:
    """gantlet sample"""
    verb = parser(
        "sample",
        "RUN --num N --out samples.npz|FOLDER|grid.png [--seed K] [--label Y]",
        "Draw new samples from a run. Sample i depends on (seed, i) alone, whatever the batch size.\n"
        "OUT ending in .npz is one file of arrays, in .png one grid; anything else is a folder of pictures, or of\n"
        "sounds with spectrograms.png and preview.wav (.wav is one file of all sounds), and manifest.json.\n"
        "Text goes to a .txt, a line each. Clips go to a folder (a .gif each, all as .gif and film strips), or side\n"
        "by side to a .gif, .webp, .mp4 or .webm; --seconds makes them of any length.\n"
        "What else a recipe can be asked for follows by name: --code 3 of infogan, --noise 1 of nrgan_si1.",
    )
    add = verb.add_argument
    add("run", help="a run folder, or one checkpoint folder")
    add("--num", type=whole, required=True, help="how many")
    add("--out", required=True, help="where to")
    add("--seed", type=int, help="another seed gives other samples")
    add("--first", type=whole, help="number of the first sample")
    add("--label", help="a class, by name or number")
    add("--truncation", type=float, help="for recipes that have it")
    add("--temperature", type=float, help="text: below 1 safer and more alike, above 1 more varied")
    add("--prefix", help="text: what every sample begins with")
    add("--num-frames", type=whole, help="clips: frames of each; as many as those trained on if not given")
    add("--seconds", type=float, help="clips: of any length, side by side, in constant memory")
    add("--fix", help="clips: content or motion, which all samples then share")
    add("--batch-size", type=whole, help="samples computed at once")
    add("--checkpoint", help="auto, best or last")
    add("--recipe", help="needed for a model of your own recipe: its module:function")
    add("--device", help="auto, cpu, cuda, mps")
    words, options, _ = split_options(verb, words)
    given = parse(verb, words)
    out = Path(given.pop("out"))
    from gantlet.engine import parallel

    known = (*cli_sounds.SUFFIXES, *cli_text.SUFFIXES, *cli_clips.SUFFIXES)
    if out.suffix.lower() not in known and not out.is_dir():
        raise UserError(f"--out takes a .npz, a .png grid or a folder, not '{out.name}'; choose another name.")
    parallel.start(given.get("device", "auto"))  # under torchrun all make pictures, and the first writes them
    model = load(given)
    given |= sampling_options(model, options, [action.dest.replace("_", "-") for action in verb._actions])
    if parallel.rank() and (model.vocabulary is not None or model.frame_rate or model.sample_rate):
        return 0
    if model.vocabulary is not None:
        return cli_text.sample(model, out, given)
    if model.frame_rate:
        return cli_clips.sample(model, out, given)
    if "seconds" in given:
        raise UserError(f"--seconds is for models of clips, and '{model.about['recipe']}' is none; leave it out.")
    if model.sample_rate:
        return cli_sounds.sample(model, out, given)
    return sample_pictures(model, out, given, bool(options))


def sample_pictures(model: Any, out: Path, given: dict[str, Any], asked: bool) -> int:
    """Draw and write samples of a model of pictures; `asked` tells whether for something of the recipe's own."""
    if out.suffix.lower() not in (".npz", ".png", "") and not out.is_dir():
        raise UserError(
            f"A model of pictures writes no {out.suffix}: '{out.name}'; name a .npz, a .png grid or a folder."
        )
    from gantlet.media.picture_files import write_samples
    from gantlet.sharing import shared_samples

    num = given.pop("num")
    about = {key: given[key] for key in ("seed", "first") if key in given}
    try:
        made = shared_samples(model, num, **given)
    except ValueError as error:  # of the recipe, about a value of its own
        if not asked:
            raise
        raise UserError(f"Recipe '{model.about['recipe']}' cannot sample so: {error}.") from error
    if made is not None:
        write_samples(out, *made, classes=model.classes, intensity=model.intensity, **about)
        print(f"Wrote {num:,} samples to {out}")
    return 0


def sampling_options(model: Any, options: dict[str, str], of_verb: Sequence[str]) -> dict[str, Any]:
    """Return the options that a model's recipe has of its own to sample with; raises UserError for others."""
    from gantlet.recipes import catalogue

    known = [] if model.recipe.sample is None else catalogue.parameters(model.recipe.sample)
    beside = ("nets", "draws", "label")
    own = {each.name: each for each in known if each.name not in beside and "Sequence" not in each.annotation}
    return catalogue.own_options("sample", model.about["recipe"], own, keywords(options), of_verb)


def load(given: dict[str, Any]) -> Any:
    """Load the model that --run, --checkpoint and --device name, taking those out of `given`."""
    import gantlet

    return gantlet.load(
        given.pop("run"), **{key: given.pop(key) for key in ("checkpoint", "device", "recipe") if key in given}
    )


def evaluate(words: list[str]) -> int:
    """gantlet evaluate"""
    verb = parser(
        "evaluate",
        "RUN|SAMPLES --data DATA [--num N] [--extractor NAME] [--json]",
        "Judge a run, or a file or folder of samples, against real data: FID, KID, precision, recall, density,\n"
        "coverage, classes; text: BLEU, Self-BLEU, FED, NLL-gen, what is copied. Each number stands beside its floor\n"
        "(real against real) and its protocol.",
    )
    add = verb.add_argument
    add("what", metavar="RUN|SAMPLES", help="a run folder, or .npz, or a folder of pictures")
    add("--data", required=True, help="the real data; its test split is the reference where there is one")
    add("--num", type=whole, help="samples to judge")
    add("--seed", type=int, help="of the samples")
    add("--extractor", dest="extractor_name", help="auto, classifier, inception, random")
    add("--inception", help="path of the TorchScript Inception, if you have it")
    add("--labels", help="a CSV of file,label")
    add("--label-pattern", help="sounds: as for train")
    add("--skip-broken", action="store_true", help="leave damaged pictures out instead of stopping")
    add("--checkpoint", help="auto, best or last")
    add("--recipe", help="needed for a model of your own recipe: its module:function")
    add("--truncation", type=float, help="for recipes that have it")
    add("--temperature", type=float, help="text: of the samples")
    add("--device", help="auto, cpu, cuda, mps: where samples are made")
    add("--json", action="store_true", help="print JSON")
    given = parse(verb, words)
    as_json = given.pop("json", False)
    import gantlet
    from gantlet.engine import parallel
    from gantlet.judging import record_evaluation

    judgement = gantlet.evaluate(**given, note=lambda message: print(message, file=sys.stderr))
    if parallel.rank():
        return 0
    print(json.dumps(judgement.to_json(), indent=1) if as_json else "\n".join(judgement.lines()), flush=True)
    record_evaluation(given["what"], judgement)  # after it was said: the folder may take nothing
    return 0


def interpolate(words: list[str]) -> int:
    """gantlet interpolate"""
    verb = parser(
        "interpolate",
        "RUN --out FILE.png|FILE.wav|FILE.gif [--rows R] [--steps S]",
        "Walk from one sample to another, row by row; sounds one after the other, clips side by side.",
    )
    add = verb.add_argument
    add("run", help="a run folder, or one checkpoint folder")
    add("--out", required=True, help="a .png; for sounds a .wav, for clips a .gif, .webp, .mp4 or .webm")
    add("--rows", type=whole, help="walks")
    add("--steps", type=whole, help="pictures per walk")
    add("--seed", type=int, help="of the end points")
    add("--straight", action="store_true", help="along straight lines instead of great circles")
    add("--label", help="a class, by name or number")
    add("--checkpoint", help="auto, best or last")
    add("--recipe", help="needed for a model of your own recipe: its module:function")
    add("--device", help="auto, cpu, cuda, mps")
    given = parse(verb, words)
    out = Path(given.pop("out"))
    if out.suffix.lower() not in (".png", ".wav", *cli_clips.LONG) or not out.suffix:
        raise UserError(f"--out must end in .png, not '{out.name}'.")
    from gantlet.media.image import grid, to_displayable, write_image

    model = load(given)
    if model.frame_rate:
        return cli_clips.interpolate(model, out, given)
    if model.sample_rate:
        return cli_sounds.interpolate(model, out, given)
    if out.suffix.lower() != ".png":
        raise UserError(f"--out must end in .png for a model of pictures, not '{out.name}'.")
    walks = model.interpolate(**given)
    raw = model.to_raw(walks.flatten(0, 1))
    write_image(out, grid(to_displayable(raw, model.intensity), columns=walks.shape[1]))
    print(f"Wrote {walks.shape[0]} walks of {walks.shape[1]} pictures to {out}")
    return 0


def inspect(words: list[str]) -> int:
    """gantlet inspect"""
    verb = parser(
        "inspect", "DATA [--json]", "Say what a data set holds, what is odd, and what training would do with it."
    )
    verb.add_argument("source", metavar="DATA", help="anything `train --data` takes")
    verb.add_argument("--labels", help="a CSV of file,label")
    verb.add_argument("--resolution", type=resolution, help="as for train")
    verb.add_argument("--label-pattern", help="sounds: as for train")
    verb.add_argument("--clips", action="store_true", help="folders of frames and film strips: take them for clips")
    verb.add_argument("--json", action="store_true", help="print JSON")
    given = parse(verb, words)
    as_json = given.pop("json", False)
    from gantlet.data import inspect as look

    found = look(**given)
    print(json.dumps(found.to_json(), indent=1) if as_json else "\n".join(found.lines()))
    return 0


def report(words: list[str]) -> int:
    """gantlet report"""
    verb = parser(
        "report", "RUN", "Write RUN/report.html: sample grids over time, curves, numbers, notes, the command."
    )
    verb.add_argument("run", help="a run folder")
    folder = Path(parse(verb, words)["run"])
    if not (folder / "run.json").is_file():
        raise UserError(f"{folder} is not a run folder of Gantlet: it has no run.json.")
    from gantlet.report import write_report

    print(f"Wrote {write_report(folder)}")
    return 0


def list_recipes(words: list[str]) -> int:
    """gantlet list"""
    verb = parser("list", "[--remedies] [--json]", "List all recipes, or all remedies.")
    verb.add_argument("--remedies", action="store_true", help="what to do about which symptom")
    verb.add_argument("--json", action="store_true", help="print JSON")
    given = parse(verb, words)
    as_json = given.get("json", False)
    if given.get("remedies"):
        print(cli_remedies.listing(as_json))
        return 0
    from gantlet.recipes import NAMES, catalogue
    from gantlet.report.show import table

    rows = [(name, catalogue.summary(catalogue.find(name)), catalogue.paper(catalogue.find(name))) for name in NAMES]
    if as_json:
        print(json.dumps([{"recipe": name, "summary": text, "paper": source} for name, text, source in rows], indent=1))
    else:
        print(table(("recipe", "what it is"), [(name, text) for name, text, _ in rows]))
        print("\n`gantlet show RECIPE` tells its paper and options.")
    return 0


def show(words: list[str]) -> int:
    """gantlet show"""
    verb = parser("show", "RECIPE|REMEDY [--json]", "Show a recipe or remedy: its paper, its options, its settings.")
    verb.add_argument("recipe", help="its name")
    verb.add_argument("--json", action="store_true", help="print JSON")
    given = parse(verb, words)
    from gantlet.recipes import catalogue
    from gantlet.report.show import table

    name = given["recipe"]
    if cli_remedies.is_remedy(name):
        print(cli_remedies.description(name, given.get("json", False)))
        return 0
    function = catalogue.find(name)
    quick, pacing = catalogue.quick_settings(name), catalogue.pacing(name)
    options = catalogue.parameters(function)
    takes = catalogue.TAKES.get(catalogue.data_kind(name), catalogue.data_kind(name))
    if given.get("json"):
        listing = [
            {"option": o.name, "default": o.default, "quick": quick.get(o.name), "meaning": o.comment} for o in options
        ]
        print(json.dumps({"recipe": name, "takes": takes, "options": listing}, indent=1, default=str))
        return 0
    print(f"{catalogue.description(function).rstrip()}\n\nLearns from {takes}.\n")
    rows = [(o.name, o.default, f"{quick.get(o.name, '')}{pacing.remark(o.name)}", o.comment) for o in options]
    print(table(("option", "faithful", "quick", "meaning"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
