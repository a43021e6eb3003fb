"""The files of run folders, of caches and of augmented folders: sound ones, and what reads them; see readers.py."""

from __future__ import annotations

import io
import json
import shutil
from functools import partial
from pathlib import Path

import torch
from PIL import Image

import gantlet
from gantlet import record as records
from gantlet.augmenting import folder as augmented
from gantlet.augmenting import settings as augmenting
from gantlet.data import cache as decoded
from gantlet.data import open_images
from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.progress import Counters
from gantlet.engine.state import create
from gantlet.metrics.cache import FeatureKey, load_features, store_features
from gantlet.metrics.samples import FeatureSet
from gantlet.recipes import catalogue
from gantlet.report import write_report
from readers import Kind, Read, folder_of, of_data, of_media, picture


def run_of(path: Path) -> Path:
    """Return the run folder that a file lies in."""
    return next(parent for parent in path.parents if (parent / "checkpoints").is_dir())


def sampled(path: Path) -> object:
    model = gantlet.load(run_of(path))
    return model.lines(2, seed=1) if model.vocabulary is not None else model.to_raw(model.sample(2, seed=1))


def resumed(path: Path) -> object:
    """Restore the state of the run, as a start of `gantlet train` does."""
    about = json.loads(ORIGINAL.read_bytes())
    state = create(catalogue.build(about["recipe"], about["arguments"]), torch.device("cpu"))
    checkpoints = Checkpoints(run_of(path) / "checkpoints", {})
    newest = checkpoints.newest(lambda message: None)
    if newest is not None:
        checkpoints.restore(state, newest)
    return state.counters == Counters()


def told(path: Path) -> object:
    """Read run.json as train does: the record, what the old one stands in for, what differs."""
    old = records.read(run_of(path))
    new = json.loads(ORIGINAL_RECORD.read_bytes())
    return records.arguments(old, "gan", "quick"), records.remedies(old), records.differences(old or {}, new)


def reported(path: Path) -> object:
    return write_report(run_of(path))


def best_of(path: Path) -> object:
    return Checkpoints(path.parent, {}).best(), gantlet.load(run_of(path))


ORIGINAL, ORIGINAL_RECORD = Path("model.json"), Path("run.json")  # of the run below, as it was


def begun(top: Path) -> tuple[Path, Path]:
    """Train a run of pictures and one of text, two steps each, and return their folders."""
    global ORIGINAL, ORIGINAL_RECORD
    pictures, text = top / "pictures-run", top / "text-run"
    if not text.exists():
        gantlet.train(
            "gan", data="digits", out=pictures, steps=2, quick=True, quiet=True, evaluate_every=0, device="cpu"
        )
        lines = top / "lines.txt"
        lines.write_text("the old boat sleeps .\na red bird sings .\n" * 20)
        sizes = catalogue.tiny_settings("text_mle").items()
        options = {name: value for name, value in sizes if name not in ("vocab_size", "length", "num_classes")}
        gantlet.train("text_mle", data=lines, out=text, steps=2, quiet=True, evaluate_every=0, device="cpu", **options)
    told = {"fid": 3.5, "kid": 0.1, "precision": 0.5}
    protocol = {"extractor": {"name": "random", "fingerprint": "0" * 64, "resize": "none"},
                "counts": {"samples": 10, "reference": 20, "floor": 5}, "reference_split": "test"}  # fmt: skip
    line = {"step": 2, "samples": 128, "seconds": 0.5, "values": told, "floor": told, "fid_over_floor": 1.0,
            "numbers": told, "absent": {"recall": "too few"}, "warnings": ["few samples"],
            "protocol": protocol}  # fmt: skip
    (pictures / "evaluations.jsonl").write_text(2 * (json.dumps(line) + "\n"))
    (pictures / "checkpoints" / "best.json").write_text('{"step": 2, "metric": "fid", "value": 3.5}')
    ORIGINAL, ORIGINAL_RECORD = top / "model.json", top / "run.json"
    shutil.copy(pictures / "checkpoints" / "step-2" / "model.json", ORIGINAL)
    shutil.copy(pictures / "run.json", ORIGINAL_RECORD)
    return pictures, text


def of_runs(top: Path) -> dict[str, Kind]:
    """Return the files of a run folder and of its checkpoints."""
    pictures, text = begun(top)

    def copied(source: Path, folder: Path) -> None:
        shutil.copytree(source, folder, dirs_exist_ok=True)

    def of(run: Path, name: str, *read: Read, reseal: bool = False) -> Kind:
        return Kind(name, ((run / name).read_bytes(),), read, partial(copied, run), reseal)

    inside = "checkpoints/step-2/"
    found = {
        "run.json": of(pictures, "run.json", told, sampled, reported),
        "log.jsonl": of(pictures, "log.jsonl", reported),
        "evaluations.jsonl": of(pictures, "evaluations.jsonl", reported),
        "best.json": of(pictures, "checkpoints/best.json", best_of),
        "manifest.json": of(pictures, inside + "manifest.json", sampled, resumed),
        "model.json": of(pictures, inside + "model.json", sampled, reseal=True),
        "state.json": of(pictures, inside + "state.json", sampled, resumed, reseal=True),
        "model.json of text": of(text, inside + "model.json", sampled, reseal=True),
        "reals.png": of(pictures, "reals.png", reported),
    }
    for name in ("weights", "averages", "optimizer-D"):
        file = f"{name}.safetensors"
        found[f"{file}"] = of(pictures, inside + file, sampled, resumed, reseal=True)
    return found


def of_work(top: Path) -> dict[str, Kind]:
    """Return the files of caches and of augmented folders."""
    values = FeatureSet(features=torch.randn(6, 4), logits=None, labels=None)
    key = FeatureKey(data="0", rule="all", extractor="random", weights="0", resize="none")
    stored = store_features(top / "features", key, values).read_bytes()
    with Image.open(io.BytesIO(picture("PNG", "L", 8))) as image:
        image.save(top / "one.png")
    open_images(top / "one.png", cache=top / "decoded-cache")
    entry = next((top / "decoded-cache" / "decoded").iterdir())
    settings = json.dumps({"data": "x", "seed": 0, "budget": {"steps": 2}, "options": {}}).encode()
    manifest = json.dumps({"format": 1, "classes": {"0": {"real": 3}}, "synthetic": [], "settings": {}}).encode()

    def beside(folder: Path) -> None:
        shutil.copytree(entry, folder / "decoded" / "key", dirs_exist_ok=True)

    def stored_features(path: Path) -> object:
        return load_features(path.parent, key)

    def unpacked(path: Path) -> object:
        return decoded.load(path.parents[2], "key")

    def cached(name: str) -> Kind:
        return Kind(f"decoded/key/{name}", ((entry / name).read_bytes(),), (unpacked,), beside)

    return {
        "augment.json": Kind("augment.json", (settings,), (folder_of(augmenting.read),)),
        "manifest of augment": Kind(augmented.MANIFEST, (manifest,), (folder_of(augmented.read_manifest),)),
        "meta.json of the cache": cached("meta.json"), "pixels.npy of the cache": cached("pixels.npy"),
        "features of the cache": Kind(key.path("").name, (stored,), (stored_features,)),
    }  # fmt: skip


def kinds(top: Path, wanted: str = "") -> dict[str, Kind]:
    """Return every kind, or some that hold the wanted one; `top` is a folder for the runs and caches of some."""
    found = {**of_data(), **of_media()}
    if wanted not in found:
        top.mkdir(parents=True, exist_ok=True)
        found |= {**of_runs(top), **of_work(top)}
    return found
