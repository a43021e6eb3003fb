"""A run folder as training leaves it, made up but of realistic size."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

PROTOCOL = {
    "extractor": "digits-classifier-v1",
    "extractor_sha256": "9f2c51d0a7e4",
    "samples": 2000,
    "reference": {"name": "digits", "split": "train", "count": 1500},
    "resize": "none",
    "averaged": True,
    "seed": 0,
}


def grid(path: Path, sharpness: float, cell: int = 8, cells: int = 8, mode: str = "L") -> None:
    """Draw a grid of blobs that get sharper."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = random.Random(str(path.name))
    image = Image.new("L", (cell * cells, cell * cells))
    draw = ImageDraw.Draw(image)
    for row in range(cells):
        for column in range(cells):
            left, top = column * cell, row * cell
            shade = int(80 + 175 * sharpness)
            draw.ellipse((left + 1, top + 1, left + cell - 2, top + cell - 2), outline=shade, width=max(1, cell // 6))
    for _ in range(int((1 - sharpness) * image.width * image.height)):
        place = (noise.randrange(image.width), noise.randrange(image.height))
        image.putpixel(place, noise.randrange(256))
    image.convert(mode).save(path)


def tick(step: int, noise: random.Random) -> dict[str, Any]:
    """Return the status line of one moment."""
    warm = math.exp(-step / 300)
    return {
        "step": step,
        "samples": 64 * step,
        "seconds": 0.18 * step,
        "samples_per_second": 355 + 20 * noise.random() - 200 * math.exp(-step / 10),
        "G/adversarial": 0.9 + 1.5 * warm + 0.2 * noise.random(),
        "D/adversarial": 1.2 - 0.5 * warm + 0.15 * noise.random(),
        "D/r1": 0.02 + 0.03 * noise.random(),
        "D/real_logits": 0.4 + 1.2 * warm + 0.2 * noise.random(),
        "D/fake_logits": -0.5 - 1.1 * warm + 0.2 * noise.random(),
        "G/gradient_norm": 0.5 * math.exp(noise.gauss(0, 0.4)),
        "D/gradient_norm": 2.5 * math.exp(noise.gauss(0, 0.4)),
    }


def evaluation(step: int) -> dict[str, Any]:
    """Return one line of evaluations.jsonl."""
    far = math.exp(-step / 400)
    fid = 8.1234 + 90 * far
    numbers = {"fid": fid, "fid_over_floor": fid / 4.2, "kid": 0.00123 + 0.04 * far, "precision": 0.91 - 0.5 * far}
    numbers |= {"recall": 0.62 - 0.5 * far, "density": 1.02 - 0.6 * far, "coverage": 0.9 - 0.6 * far}
    numbers["classes_covered"] = 10
    floor = {"fid": 4.2, "fid_over_floor": 1.0, "kid": 0.0001, "precision": 0.97, "recall": 0.96, "density": 1.01}
    floor |= {"coverage": 0.98, "classes_covered": 10}
    clock = {"step": step, "samples": 64 * step, "seconds": 0.18 * step}
    return {**clock, "numbers": numbers, "floor": floor, "protocol": PROTOCOL}


FACTS = {
    "recipe": "r3gan",
    "arguments": {"latent_dim": 64, "width": 32, "resolution": 8, "channels": 1, "num_classes": 10, "r1_gamma": 0.5},
    "settings": "quick",
    "data": {"name": "digits", "split": "train", "count": 1500, "classes": [str(n) for n in range(10)],
             "fingerprint": "5d1c0f2e9b7a44aa"},
    "options": ["batch_size"],
    "run": {"seconds": 600, "samples": None, "steps": None, "save_every": 60.0},
    "seed": 0,
    "command": ["/home/me/bin/gantlet", "train", "r3gan", "--data", "digits", "--out", "runs/my digits", "--seconds",
                "600"],
    "versions": {"gantlet": "0.1.0", "torch": "2.13.0+cpu", "python": "3.11.2"},
    "device": "cpu (2 threads, bf16)",
    "started": "2026-11-21T08:12:44",
}  # fmt: skip


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def make_run(folder: Path) -> Path:
    """Write a run that was killed once, rolled back once, and is nearly done."""
    folder.mkdir(parents=True)
    noise = random.Random(0)
    (folder / "run.json").write_text(json.dumps(FACTS))
    records = [tick(step, noise) for step in range(10, 3010, 5)]
    records[200]["D/adversarial"] = "nan"
    trouble: list[dict[str, Any]] = [
        {
            "event": "health",
            "step": 1010,
            "message": "D/adversarial is not finite; the discriminator may have diverged",
        },
        {"event": "rollback", "step": 1000, "message": "back to step 1000"},
        {"event": "resume", "step": 1000},
    ]
    lines: list[dict[str, Any]] = []
    for record in records:
        lines.append(record)
        if record["step"] % 500 == 0:
            lines.append({"event": "checkpoint", "step": record["step"], "message": "written"})
        if record["step"] == 1000:
            lines += trouble
    for line in lines:
        line.setdefault("samples", 64 * line["step"])
    write_lines(folder / "log.jsonl", lines)
    write_lines(folder / "evaluations.jsonl", [evaluation(step) for step in range(250, 3001, 250)])
    grid(folder / "reals.png", 1.0)
    for step in range(0, 3001, 150):
        grid(folder / "samples" / f"{64 * step:09d}.png", 0.1 + 0.88 * (1 - math.exp(-step / 700)))
    (folder / "checkpoints" / "step-3000").mkdir(parents=True)
    return folder
