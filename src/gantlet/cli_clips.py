"""The command line's verbs where a model is one of clips, or its input is one; as in cli.py, no default lives here."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

from gantlet.errors import UserError

SUFFIXES = (".gif", ".webp", ".mp4", ".webm", ".npz", ".png", "")  # of samples
LONG = (".gif", ".webp", ".mp4", ".webm", "")  # of clips of any length
NOT_OF_CLIPS = ("mask", "references", "metrics", "sheet", "window", "luma", "crop", "piece")  # options of apply


def sample(model: Any, out: Path, given: dict[str, Any]) -> int:
    """Draw clips and write them."""
    import numpy as np

    from gantlet.media.strips import check_name, write_clips

    check_name(out)
    num, seconds = given.pop("num"), given.pop("seconds", None)
    if seconds is not None:
        return long_clip(model, out, num, seconds, given)
    check_fix(model, given)
    clips, labels = [], []
    try:
        for batch, y in model.batches(num, **given):
            clips.append(model.to_raw(batch))
            labels += [] if y is None else [y.cpu().numpy()]
    except ValueError as error:  # a length that the recipe cannot make
        raise UserError(f"Recipe '{model.about['recipe']}': {error}.") from error
    chosen = np.concatenate(labels) if labels else None
    about = {key: given[key] for key in ("seed", "first") if key in given}
    whole = as_shown(np.concatenate(clips), out)
    beside = write_clips(out, whole, model.frame_rate, chosen, classes=model.classes, **about)
    frames, many = whole.shape[1], "s" * (num != 1)
    print(f"Wrote {num:,} clip{many} of {frames} frames ({frames / model.frame_rate:.3g} s) to {out}")
    if beside:
        print(f"  all beside each other: {', '.join(path.name for path in beside)}")
    return 0


def as_shown(clips: Any, out: Path) -> Any:
    """Return raw clips as files show them. Raises UserError for channels that only an .npz holds."""
    if clips.shape[-1] not in (1, 3) and out.suffix.lower() != ".npz":
        raise UserError(f"Clips of {clips.shape[-1]} channels are written as .npz alone; name --out so.")
    return clips


def long_clip(model: Any, out: Path, num: int, seconds: float, given: dict[str, Any]) -> int:
    """Write clips of any length side by side, frame after frame, in constant memory."""
    from gantlet.media.strips import write_stream

    if out.suffix.lower() not in LONG:
        raise UserError(f"With --seconds --out takes a .gif, .webp, .mp4, .webm or a folder, not '{out.name}'.")
    if "num_frames" in given:
        raise UserError("--seconds and --num-frames say the same; give one of them.")
    if not 0 < seconds * model.frame_rate < inf:
        raise UserError(f"--seconds is the length of the clip, above 0 and with an end, not {seconds:g}.")
    frames = max(1, round(seconds * model.frame_rate))
    check_fix(model, given)
    count = write_stream(out, (raw for raw in rolled(model, num, frames, given)), model.frame_rate)
    print(f"Wrote {num:,} clip{'s' * (num != 1)} of {count:,} frames ({count / model.frame_rate:,.1f} s) to {out}")
    return 0


def rolled(model: Any, num: int, frames: int, given: dict[str, Any]) -> Iterator[Any]:
    """Yield raw frames [num, H, W, C] of a roll-out."""
    for pictures in model.roll(num, frames, **given):
        yield model.to_raw(pictures)


def check_fix(model: Any, given: dict[str, Any]) -> None:
    """Raise UserError for a code that no clip has."""
    if given.get("fix") not in (None, "content", "motion"):
        raise UserError(f"--fix is content or motion: what all samples share; not '{given['fix']}'.")


def interpolate(model: Any, out: Path, given: dict[str, Any]) -> int:
    """Write walks between samples: an animation in which each row is a walk, all clips moving."""
    from gantlet.media.strips import check_name, write_clips, write_tiled

    check_name(out)
    if out.suffix.lower() in ("", ".npz", ".png"):
        raise UserError(f"--out must end in .gif, .webp, .mp4 or .webm for a model of clips, not '{out.name}'.")
    walks = model.interpolate(**given)
    raw = as_shown(model.to_raw(walks.flatten(0, 1)), out)
    write_tiled(out, raw, model.frame_rate, walks.shape[1])
    picture = out.with_suffix(".png")
    write_clips(picture, raw, model.frame_rate)
    print(f"Wrote {walks.shape[0]} walks of {walks.shape[1]} clips to {out}, and their film strips to {picture}")
    return 0


def apply(model: Any, given: dict[str, Any], options: dict[str, Any], out: Path, source: str) -> int:
    """Apply a model of pictures to clips. Raises UserError for options that clips have not."""
    from gantlet.applying.clips import apply_clips

    for name in NOT_OF_CLIPS:
        if name in given:
            raise UserError(f"--{name} is for pictures, and {source} is a clip; leave it out, or give its frames.")
    done = apply_clips(model, source, out, **{"quiet": False, **given, **options})
    many = "s" * (done.files != 1)
    print(f"Wrote {done.files:,} clip{many} ({done.frames:,} frames, {done.rate:.1f} a second) to {out}")
    for line in done.notes:
        print(f"  {line}")
    return 0
