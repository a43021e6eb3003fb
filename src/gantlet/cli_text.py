"""The command line's verbs where a model is one of text, and `gantlet curve`; as in cli.py, no default lives here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gantlet.errors import UserError
from gantlet.parsing import keywords, parse, parser, whole

SUFFIXES = (".txt", ".npz")  # of samples


def sample(model: Any, out: Path, given: dict[str, Any]) -> int:
    """Draw samples of text and write them: a line each, or their tokens."""
    import numpy as np

    from gantlet.media.image import replace
    from gantlet.reading import write_shown

    if out.suffix.lower() not in SUFFIXES or out.is_dir():
        raise UserError(f"--out takes a .txt, or a .npz of tokens, for a model of text, not '{out.name}'.")
    num = given.pop("num")
    rows, labels = [], []
    for tokens, y in model.batches(num, **{"batch_size": 1024, **given}):
        rows.append(tokens.cpu().numpy())
        labels += [] if y is None else [y.cpu().numpy()]
    texts = [model.vocabulary.decode(row) for row in np.concatenate(rows).tolist()]
    passages = bool(model.about["data"].get("windows"))
    if out.suffix.lower() == ".npz":
        arrays: dict[str, Any] = {"tokens": np.concatenate(rows), "text": np.array(texts)}
        arrays |= {"labels": np.concatenate(labels)} if labels else {}
        replace(out, lambda file: np.savez_compressed(file, **arrays))
    else:
        write_shown(out, texts, passages)
    print(f"Wrote {num:,} {'passages' if passages else 'lines'} to {out}")
    return 0


def apply(model: Any, given: dict[str, Any], options: dict[str, str], out: Path, source: str) -> int:
    """Rewrite the lines of a file in the style of another class: as many lines as went in, in their order."""
    from gantlet.applying.sentences import read_lines, told
    from gantlet.media.text import write_lines

    given.pop("quiet", None)
    for name in given:
        raise UserError(f"--{name} belongs to pictures or sounds, and '{model.about['recipe']}' takes text.")
    wanted = keywords(options)
    to = wanted.pop("to", None)
    if to is None:
        raise UserError(f"Say which style: --to {' or --to '.join(model.classes[:4])}.")
    if out.suffix.lower() != ".txt" or out.is_dir():
        raise UserError(f"--out takes a .txt for a model of text, not '{out.name}'.")
    lines = read_lines(source)
    write_lines(out, model.rewrite(lines, to=to, **wanted))
    print(f"Wrote {len(lines):,} lines to {out}")
    for said in told(model, lines):
        print(f"  {said}")
    return 0


def curve(words: list[str]) -> int:
    """gantlet curve"""
    verb = parser(
        "curve",
        "RUN [RUN ...] --data DATA --out curve.png [--num N] [--temperatures A,B,C] [--quality bleu|fed] [--order N]",
        "Draw quality against diversity for models of text, each at several temperatures, beside real held-out lines.\n"
        "A model is better than another only where its curve lies beyond the other's: lowering the temperature makes\n"
        "any model's lines better and more alike. Give the run of text_mle as one of them. All numbers go to the\n"
        ".json beside the picture.",
    )
    add = verb.add_argument
    add("runs", metavar="RUN", nargs="+", help="run folders, or checkpoint folders")
    add("--data", required=True, help="real text; its test part is the reference where there is one")
    add("--out", required=True, help="a .png; a .json of the same name is written beside it")
    add("--num", type=whole, help="samples at each temperature")
    add("--temperatures", type=numbers, help="as 0.7,0.85,1,1.15")
    add("--quality", help="bleu (against Self-BLEU) or fed")
    add("--order", type=whole, help="n of BLEU and Self-BLEU: 2 to 5")
    add("--seed", type=int, help="of the samples")
    add("--checkpoint", help="auto, best or last")
    add("--recipe", help="needed for a model of your own recipe: its module:function")
    given = parse(verb, words)
    from gantlet.quality_diversity import curve as draw

    found = draw(note=lambda message: print(message, file=sys.stderr), **given)
    print("\n".join(found.lines()))
    print(f"Wrote {given['out']} and {Path(given['out']).with_suffix('.json')}")
    return 0


def numbers(text: str) -> list[float]:
    """Read 0.7,1,1.3."""
    return [float(part) for part in text.split(",")]
