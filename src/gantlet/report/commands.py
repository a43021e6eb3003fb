"""What to do next with a run: commands that its kind of model understands, ready to be copied."""

from __future__ import annotations

from shlex import quote

_APPLIED = {  # kind of data of models that make something of an input -> input and output
    "patches": "picture.png --out made.png",
    "pairs": "picture.png --out made.png",
    "unpaired": "picture.png --out made.png",
    "excerpts": "recording.wav --out made.wav",
    "mixtures": "recording.wav --out made.wav",
}
_OF_THEIR_OWN = {  # recipes that do not do what others do with their kind of data
    "inpaint": ["gantlet apply {folder} picture.png --mask hole.png --out made.png"],
    "classifier": ["gantlet apply {folder} {data} --out classes.csv"],
    "clip_classifier": [],  # used from Python alone
    "clip_superres": ["gantlet apply {folder} clip.gif --out made.gif"],
    "text_style": [
        "gantlet apply {folder} lines.txt --to CLASS --out made.txt",
        "gantlet evaluate {folder} --data {data}",
    ],
}
_DRAWN = {  # kind of data -> how many samples to where, and a walk between samples to where, if there is one
    "images": ("64 --out samples.npz", "interpolation.png"),
    "sounds": ("64 --out samples", "walk.wav"),
    "clips": ("16 --out samples", "walk.gif"),
    "lines": ("64 --out samples.txt", ""),
    "passages": ("64 --out samples.txt", ""),
}


def next_commands(recipe: str, kind: str, folder: str, data: str) -> list[str]:
    """Return commands for a run of a recipe on a kind of data; folder and data stand in them as they are."""
    if recipe in _OF_THEIR_OWN:
        return [command.format(folder=folder, data=data) for command in _OF_THEIR_OWN[recipe]]
    if kind in _APPLIED:
        commands = [f"gantlet apply {folder} {_APPLIED[kind]}"]
    else:
        drawn, walk = _DRAWN.get(kind, _DRAWN["images"])
        commands = [f"gantlet sample {folder} --num {drawn}", f"gantlet evaluate {folder} --data {data}"]
        commands += [f"gantlet interpolate {folder} --out {walk}"] if walk else []
    return [f"{command} --recipe {quote(recipe)}" for command in commands] if ":" in recipe else commands
