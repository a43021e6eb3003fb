"""`gantlet encode`, `reconstruct`, `project` and `explore`: files written, mistakes named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gantlet
from gantlet.cli import main
from gantlet.media.sound_files import write_sounds
from gantlet.recipes import catalogue


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of finished tiny runs: vae, gan (no labels), cond (with labels) and sound."""
    folder = tmp_path_factory.mktemp("runs")
    quiet = ["--data", "digits", "--quiet", "--device", "cpu", "--steps", "3"]
    assert main(["train", "vae", *quiet, "--out", str(folder / "vae")]) == 0
    assert main(["train", "gan", *quiet, "--out", str(folder / "gan"), "--width", "16"]) == 0
    assert (
        main(["train", "r1gan", *quiet, "--quick", "--g-width", "4", "--d-width", "4", "--out", str(folder / "cond")])
        == 0
    )
    write_sounds(folder / "sounds", np.random.default_rng(0).normal(0, 0.1, (8, 1, 2000)), 8000)
    facts = ("channels", "length", "num_classes", "sample_rate")
    tiny = {key: value for key, value in catalogue.tiny_settings("specgan").items() if key not in facts}
    gantlet.train("specgan", data=folder / "sounds", out=folder / "sound", steps=1, quiet=True, **tiny)
    for side, channels in ((8, 1), (6, 3)):
        pixels = np.random.default_rng(0).integers(256, size=(5, side, side, channels), dtype=np.uint8)
        np.save(folder / f"pictures{channels}.npy", pixels)
    (folder / "broken").mkdir()
    Image.new("L", (8, 8)).save(folder / "broken" / "a.png")
    (folder / "broken" / "b.png").write_bytes(b"no picture")
    return folder


def test_damaged_pictures_are_left_out_where_asked(runs: Path, tmp_path: Path) -> None:
    for words in ("encode RUN IN --out OUT.npz", "reconstruct RUN IN --out OUT.png", "project RUN IN --out OUT"):
        command = words.replace("RUN", str(runs / "vae")).replace("IN", str(runs / "broken"))
        command = command.replace("OUT", str(tmp_path / "out"))
        steps = ["--steps", "1", "--pool", "8"] if words.startswith("project") else []
        assert main([*command.split(), *steps, "--skip-broken"]) == 0


def test_encode_writes_latents_and_labels(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "z.npz"
    assert main(["encode", str(runs / "vae"), "digits", "--out", str(out), "--num", "600"]) == 0
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["z"].shape == (600, 20)
        assert arrays["labels"].shape == (600,)
        z = arrays["z"]
    model = gantlet.load(runs / "vae")
    batch = gantlet.open_images("digits").batch(np.arange(520, 523))
    np.testing.assert_allclose(model.encode(batch["image"]).numpy(), z[520:523], rtol=1e-5, atol=1e-5)


def test_reconstruct_writes_pictures_above_their_reconstructions(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    assert main(["reconstruct", str(runs / "vae"), str(runs / "pictures1.npy"), "--out", str(out)]) == 0
    with Image.open(out) as image:
        shown = np.asarray(image)
    assert shown.shape[:2] == (2 * 49 + 1, 5 * 49 + 1)  # 8x8 pictures, six times enlarged, a pixel between
    first = np.load(runs / "pictures1.npy")[0, :, :, 0]
    # The model was trained on the 17 grey levels of digits and shows what it was given in these.
    assert abs(shown[1:49:6, 1:49:6].astype(int) - first).max() <= 8


def test_project_writes_a_folder(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["project", str(runs / "cond"), "digits", "--out", str(tmp_path / "p"), "--num", "10"]
    assert main([*words, "--steps", "3", "--restarts", "2", "--pool", "40"]) == 0
    assert "into z: distance" in capsys.readouterr().out
    with np.load(tmp_path / "p" / "latents.npz", allow_pickle=False) as arrays:
        assert arrays["z"].shape == (10, 64)
        assert set(arrays["labels"]) <= set(range(10))
        assert (arrays["distance"] > 0).all()
    with Image.open(tmp_path / "p" / "projections.png") as image:
        assert image.size == (8 * 49 + 1, 4 * 49 + 1)


def test_explore_writes_strips(runs: Path, tmp_path: Path) -> None:
    words = ["--num", "2", "--rows", "3", "--steps", "5"]
    assert main(["explore", str(runs / "cond"), "--out", str(tmp_path / "e"), *words]) == 0
    names = {path.name for path in (tmp_path / "e").iterdir()}
    strips = {f"{method}-{number}.png" for method in ("sefa", "ganspace") for number in (1, 2)}
    assert names == strips | {"classes.png", "directions.npz"}
    with Image.open(tmp_path / "e" / "sefa-1.png") as image:
        assert image.size == (5 * 49 + 1, 3 * 49 + 1)
    with Image.open(tmp_path / "e" / "classes.png") as image:
        assert image.size == (5 * 49 + 1, 10 * 49 + 1)
    with np.load(tmp_path / "e" / "directions.npz", allow_pickle=False) as arrays:
        assert arrays["sefa_vectors"].shape == (2, 64)
        assert str(arrays["space"]) == "z"
    assert main(["explore", str(runs / "gan"), "--out", str(tmp_path / "plain"), *words]) == 0
    assert not (tmp_path / "plain" / "classes.png").exists()


MISTAKES = {
    "no encoder": ("encode RUNS/gan digits --out OUT.npz", "gantlet project"),
    "no encoder to reconstruct with": ("reconstruct RUNS/gan digits --out OUT.png", "no encoder"),
    "encode to a picture": ("encode RUNS/vae digits --out OUT.png", ".npz"),
    "reconstruct into arrays": ("reconstruct RUNS/vae digits --out OUT.npz", ".png"),
    "encode nothing": ("encode RUNS/vae digits --out OUT.npz --num 0", "positive"),
    "reconstruct less than nothing": ("reconstruct RUNS/vae digits --out OUT.png --num -1", "positive"),
    "other channels": ("encode RUNS/vae RUNS/pictures3.npy --out OUT.npz", "3 channels"),
    "no such pictures": ("project RUNS/gan RUNS/missing --out OUT", "missing"),
    "no such run": ("encode RUNS/missing digits --out OUT.npz", "run.json"),
    "no steps": ("project RUNS/gan digits --out OUT --steps 0", "at least 1 step"),
    "a class without classes": ("project RUNS/gan digits --out OUT --label 3", "without labels"),
    "an unknown class": ("project RUNS/cond digits --out OUT --label 12", "12"),
    "out is a file": ("project RUNS/gan digits --out RUNS/pictures1.npy", "is a file"),
    "explore into a file": ("explore RUNS/gan --out RUNS/pictures1.npy", "is a file"),
    "explore no rows": ("explore RUNS/gan --out OUT --rows 0", "1 row"),
    "explore sounds": ("explore RUNS/sound --out OUT", "one of sounds"),
    "encode with sounds": ("encode RUNS/sound digits --out OUT.npz", "one of sounds"),
    "project into sounds": ("project RUNS/sound digits --out OUT", "one of sounds"),
    "broken pictures": ("encode RUNS/vae RUNS/broken --out OUT.npz", "--skip-broken"),
    "misspelt": ("explore RUNS/gan --out OUT --rosw 3", "--rows"),
    "no out": ("encode RUNS/vae digits", "--out"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_sentence_and_writes_nothing(
    name: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, expected = MISTAKES[name]
    words = command.replace("RUNS", str(runs)).replace("OUT", str(tmp_path / "out")).split()
    assert main(words) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("gantlet: ")
    assert expected in message
    assert not list(tmp_path.iterdir())


def test_the_names_of_the_package() -> None:
    for name in ("project", "sefa", "ganspace", "traverse", "morph", "truncation_sweep"):
        assert name in dir(gantlet)
        assert callable(getattr(gantlet, name))
