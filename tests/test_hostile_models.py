"""Checkpoints and run folders whose sums are right and whose content is not: one sentence, little memory, no code."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import gantlet
from gantlet import record as records
from gantlet.augmenting import folder as augmented
from gantlet.augmenting import settings as augmenting
from gantlet.data import cache
from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.memory import allocating_at_most
from gantlet.engine.state import create
from gantlet.engine.storage import Damaged, verify
from gantlet.errors import RunFailed, UserError
from gantlet.recipes import catalogue
from gantlet.report.pictures import load_picture
from hostile import untrained

DEEP = b"[" * 100_000
NO_JSON = (b"", b"\xff\xfe", b"null", b"[]", b"7", b'"x"', DEEP, b'{"a":' * 50_000, b"{" * 9)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: untrained(name, folder) for name in ("gan", "text_mle")}


@pytest.fixture
def model(made: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the checkpoint of a model of pictures."""
    return shutil.copytree(made["gan"], tmp_path / "step-0")


def reseal(folder: Path, name: str, content: bytes) -> None:
    """Replace a file of a checkpoint and its sum in the manifest, as somebody does who means it."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refused(folder: Path) -> str:
    """Load; return the sentence, which names the folder and comes soon."""
    began = time.process_time()
    with pytest.raises(UserError) as caught:
        gantlet.load(folder).sample(1)
    assert time.process_time() - began < 1
    said = str(caught.value)
    assert said.isprintable()
    assert folder.name in said
    return said


@pytest.mark.parametrize("content", NO_JSON, ids=range(len(NO_JSON)))
@pytest.mark.parametrize("name", ["model.json", "state.json"])
def test_what_is_no_json_object(name: str, content: bytes, model: Path) -> None:
    reseal(model, name, content)
    refused(model)


def changed(about: dict[str, Any], path: str, value: Any) -> bytes:
    """Return model.json with one entry, named as a.b.c, replaced or (by ...) removed."""
    *outer, last = path.split(".")
    inner = about
    for name in outer:
        inner = inner[name]
    inner.pop(last, None)
    if value is not ...:
        inner[last] = value
    return json.dumps(about).encode()


WRONG = [
    ("recipe", ...), ("recipe", 3), ("recipe", "nothing"), ("recipe", "os:system"), ("recipe", "a\ud800\nb:c"),
    ("arguments", ...), ("arguments", []), ("arguments.width", "wide"), ("arguments.width", -4), ("arguments.x", 1),

    ("arguments.\u202ewidth", 1),
    ("arguments.width", 1e400), ("arguments.width", None), ("arguments.channels", 2**63), ("arguments.latent_dim", 0.5),
    ("data", ...), ("data", 3), ("data.classes", None), ("data.facts", []), ("data.facts.channels", "3"),
    ("data.intensity", {}), ("data.intensity.low", "x"), ("data.intensity.high", -1e400), ("data.source", ...),
    ("remedies", {"nothing": {}}), ("remedies", {"lecam": 3}), ("remedies", [1]), ("data.vocabulary", {"level": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), WRONG, ids=[f"{path}={value!r}"[:40] for path, value in WRONG])
def test_entries_of_another_kind(path: str, value: Any, model: Path) -> None:
    reseal(model, "model.json", changed(json.loads((model / "model.json").read_bytes()), path, value))
    refused(model)


def test_sizes_that_would_take_all_memory_are_refused_before_it_is_taken(model: Path) -> None:
    """Measured before: 10 GB and half a minute for one number in a file of 2 kB."""
    for name, value in (("width", 10**5), ("width", 10**9), ("latent_dim", 10**8), ("resolution", 10**6)):
        about = json.loads((model / "model.json").read_bytes())
        reseal(model, "model.json", changed(about, f"arguments.{name}", value))
        assert "can build" in refused(model)


def test_as_much_as_a_model_needs_may_be_taken() -> None:
    with allocating_at_most(4_000_000):
        layer = torch.nn.Linear(700, 700)
        torch.nn.init.orthogonal_(layer.weight)
    with pytest.raises(MemoryError), allocating_at_most(1_000_000):
        torch.nn.Linear(700, 700)
    with pytest.raises(MemoryError), allocating_at_most(1_000_000):
        torch.nn.ModuleList(torch.nn.Linear(10, 10) for _ in range(10**6))  # many small ones add up


def safetensors(head: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(head) if length is None else length) + head + body


def tensor(dtype: str = "F32", shape: str = "[1]", offsets: str = "[0,4]") -> bytes:
    return f'{{"G.x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}'.encode()


WEIGHTS = {
    "empty": b"", "a pickle": b"\x80\x02c", "cut": safetensors(b"{}")[:5],
    "header of 100 MB": safetensors(b"{}", b"", 10**8),
    "header of exabytes": safetensors(b"{}", b"", 2**63), "no tensors": safetensors(b"{}"), "deep": safetensors(DEEP),
    "shape product 2^63": safetensors(tensor(shape="[4294967296,2147483648]"), bytes(4)),
    "overflow": safetensors(tensor(shape="[9223372036854775807,2]"), bytes(4)),
    "offsets beyond the end": safetensors(tensor(offsets="[0,400]"), bytes(4)),
    "a negative shape": safetensors(tensor(shape="[-1]"), bytes(4)),
    "an unknown type": safetensors(tensor("Q9"), bytes(4)),
    "a long one": safetensors(tensor("9" * 5000), bytes(4)),
    "another name": safetensors(tensor(), bytes(4)), "strings": safetensors(tensor("STR"), bytes(4)),
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("file", ["weights", "averages"])
def test_weights_that_are_none(name: str, file: str, model: Path) -> None:
    if (file, name) == ("averages", "no tensors"):
        pytest.skip("that is a model without averages")
    reseal(model, f"{file}.safetensors", WEIGHTS[name])
    tracemalloc.start()
    try:
        refused(model)
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_state_that_is_none_is_not_restored(name: str, model: Path) -> None:
    about = json.loads((model / "model.json").read_bytes())
    state = create(catalogue.build(about["recipe"], about["arguments"]), torch.device("cpu"))
    reseal(model, "optimizer-D.safetensors", WEIGHTS[name])
    if name == "no tensors":
        reseal(model, "state.json", b'{"optimizers": {"D": 3.5}}')
    with pytest.raises(RunFailed, match="does not fit this recipe") as caught:
        Checkpoints(model.parent, {}).restore(state, model)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", '"1"', "[1]", DEEP.decode()])
def test_numbers_that_are_none_in_small_files(number: str, model: Path, tmp_path: Path) -> None:
    """JSON of Python knows infinity, and int(infinity) is no ValueError."""
    (tmp_path / "best.json").write_text(f'{{"step": {number}, "metric": "fid", "value": 1}}')
    (tmp_path / "run.json").write_text(f'{{"format": {number}, "recipe": "gan"}}')
    (tmp_path / augmented.MANIFEST).write_text(f'{{"format": {number}}}')
    (model / "manifest.json").write_text(f'{{"format": {number}, "files": {{"a": {{"bytes": 1e999}}}}}}')
    assert Checkpoints(tmp_path, {}).best() is None
    with pytest.raises(UserError, match=r"run\.json"):
        records.read(tmp_path)
    with pytest.raises(Damaged):
        verify(model)
    if number not in ('"1"', "-1e999"):
        with pytest.raises(UserError, match="is no manifest"):
            augmented.read_manifest(tmp_path)


@pytest.mark.parametrize("content", NO_JSON[3:-1], ids=range(len(NO_JSON[3:-1])))
def test_settings_and_caches_that_are_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / augmenting.NAME).write_bytes(content)
    if content != b"[]":  # which is no pairs, but none is asked for
        with pytest.raises(UserError, match="missing or damaged"):
            augmenting.read(tmp_path)
    place = tmp_path / "decoded" / "key"
    place.mkdir(parents=True)
    for meta in (content, b'{"version": 1, "sizes": {}}'):
        (place / "meta.json").write_bytes(meta)
        (place / "pixels.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': (((    \n")
        assert cache.load(tmp_path, "key") is None


@pytest.mark.parametrize(
    ("name", "value"), [("arguments", []), ("remedies", 3), ("remedies", {"x": 1}), ("options", 3)]
)
def test_a_record_of_another_kind_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    sound = {"format": 1, "recipe": "gan", "settings": "quick", "arguments": {}, "data": {}, "options": []}
    (tmp_path / "run.json").write_text(json.dumps(sound))
    assert records.read(tmp_path) == {**sound, "remedies": {}}
    (tmp_path / "run.json").write_text(json.dumps({**sound, name: value}))
    with pytest.raises(UserError, match="is not a Gantlet run record"):
        records.read(tmp_path)


def test_a_report_reads_png_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow starts Ghostscript for what begins as PostScript does, whatever its name."""
    started: list[object] = []
    monkeypatch.setattr(subprocess, "check_call", lambda *words, **more: started.append(words))
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **more: started.append(words))
    (tmp_path / "reals.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n")
    assert load_picture(tmp_path / "reals.png", 100, 10**6) is None
    assert not started
    buffer = io.BytesIO()
    Image.new("L", (8000, 8000)).save(buffer, "PNG")
    (tmp_path / "bomb.png").write_bytes(buffer.getvalue())
    assert load_picture(tmp_path / "bomb.png", 100, 10**6) is None
    Image.new("L", (8, 8)).save(tmp_path / "small.png")
    assert load_picture(tmp_path / "small.png", 100, 10**6) is not None


def test_ghostscript_would_be_started() -> None:
    """What the test above is about is still so in this Pillow."""
    code = "from PIL import Image; Image.init(); print('EPS' in Image.OPEN)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "True"
