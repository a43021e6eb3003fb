"""What the processes of a group do in test_group_runs.py. Run as `python group_runs.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from group_members import run_group

import gantlet
from gantlet.cli import main
from gantlet.engine import parallel
from gantlet.errors import UserError

Report = dict[str, Any]
OPTIONS: dict[str, Any] = {"data": "digits", "device": "cpu", "precision": "fp32", "quiet": True, "batch_size": 32}


def trained(out: Path) -> Report:
    """Train with evaluations and pictures at every step; return what the model of each process makes."""
    run = out / f"run-{parallel.world_size()}"
    often: dict[str, Any] = {"evaluate_every": 1e-9, "sample_every": 1e-9, "save_every": 1e-9}
    model = gantlet.train("gan", out=run, steps=3, unconditional=True, **often, **OPTIONS)
    return {"step": model.about["step"], "sum": model.sample(4).double().sum().item()}


def refused(out: Path) -> Report:
    """Give the processes different seeds, then a folder that is no run; return what each is told."""
    (out / "occupied").mkdir(exist_ok=True)
    (out / "occupied" / "letter.txt").write_text("mine")
    told = []
    for folder, seed in (("odd", parallel.rank()), ("occupied", 0)):
        try:
            gantlet.train("gan", out=out / folder, steps=1, seed=seed, evaluate_every=0, **OPTIONS)
        except UserError as error:
            told.append(str(error))
    return {"told": told, "begun": (out / "odd").exists()}


def commands(out: Path) -> Report:
    """Sample and evaluate the run of one process by the command line."""
    size, run = parallel.world_size(), str(out / "run-1")
    words = ["sample", run, "--num", "50", "--batch-size", "16", "--device", "cpu", "--out"]
    codes = [main([*words, str(out / f"{kind}-{size}.{kind}")]) for kind in ("npz", "png")]
    judgement = gantlet.evaluate(run, "digits", num=40, extractor_name="random")
    return {"codes": codes, "judgement": judgement.to_json()}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    gantlet.train("gan", out=folder / "warm", steps=1, evaluate_every=0, **OPTIONS)
    codes = {
        "one": run_group(folder, "one", 1, [trained, commands]),
        "two": run_group(folder, "two", 2, [trained, commands, refused]),
    }
    (folder / "codes.json").write_text(json.dumps(codes))
