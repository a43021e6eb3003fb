"""Files that were made to run code are offered to every verb that takes a file: none runs, one sentence says why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from gantlet.cli import main
from hostile import disguises, everything, payloads, untrained

COMMANDS = (  # FILE is the payload
    "train gan --data FILE --out OUT --steps 1 --quiet",
    "train denoise --data FILE --out OUT --steps 1 --quiet",
    "train pix2pix --data FILE --out OUT --steps 1 --quiet",
    "train cyclegan --data PICTURES --target FILE --out OUT --steps 1 --quiet",
    "train wavegan --data FILE --out OUT --steps 1 --quiet",
    "train speech_enhance --data FILE --noise FILE --out OUT --steps 1 --quiet",
    "train text_mle --data FILE --out OUT --steps 1 --quiet",
    "train mocogan --data FILE --out OUT --steps 1 --quiet",
    "train gan --data PICTURES --labels FILE --out OUT --steps 1 --quiet",
    "train gan --data digits --init-from FILE --out OUT --steps 1 --quiet",
    "train gan --data digits --out FILE --steps 1 --quiet",
    "sample FILE --num 1 --out OUT.png",
    "interpolate FILE --out OUT.png",
    "explore FILE --out OUT",
    "evaluate FILE --data digits",
    "evaluate sngan_cnn --data FILE",
    "evaluate sngan_cnn --data digits --extractor inception --inception FILE --num 40",
    "apply FILE PICTURE --out OUT.png",
    "apply denoise FILE --out OUT",
    "apply inpaint PICTURE --mask FILE --out OUT.png",
    "apply denoise PICTURE --references FILE --metrics OUT.csv --out OUT.png",
    "apply hifigan FILE --out OUT.wav",
    "features hifigan FILE --out OUT.npz",
    "encode bigan FILE --out OUT.npz",
    "reconstruct bigan FILE --out OUT.png",
    "project sngan_cnn FILE --out OUT",
    "curve FILE --data digits --out OUT.png",
    "curve text_mle --data FILE --out OUT.png",
    "augment FILE --target balanced --out OUT --steps 1 --quiet",
    "augment digits --target 1800 --run FILE --out OUT --steps 1 --quiet",
    "augment-report FILE",
    "inspect FILE",
    "inspect PICTURES --labels FILE",
    "report FILE",
    "show FILE",
)
MODELS = ("sngan_cnn", "bigan", "denoise", "inpaint", "hifigan", "text_mle")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, pictures and a picture."""
    folder = tmp_path_factory.mktemp("place")
    for name in MODELS:
        facts = {"sample_rate": 8000} if name == "hifigan" else {}
        untrained(name, folder / "models", **facts).rename(folder / name)
    (folder / "PICTURES").mkdir()
    for index in range(4):
        Image.new("L", (16, 16), 60 * index).save(folder / "PICTURES" / f"{index}.png")
    shutil.copy(folder / "PICTURES" / "1.png", folder / "PICTURE.png")
    return folder


def offered(command: str, file: Path, place: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command with a file in its place; return its exit code and what it said last."""
    places = {"FILE": file, "PICTURES": place / "PICTURES", "PICTURE": place / "PICTURE.png"}
    places |= {name: place / name for name in MODELS}
    words = []
    for number, word in enumerate(command.split()):
        if word.startswith("OUT"):
            words.append(str(out / word))
        else:
            words.append(str(places[word]) if word in places and number > 1 - (word == "FILE") else word)
    if command.split()[0] != "train" and command.split()[1] in MODELS:
        words[1] = str(place / command.split()[1])
    capsys.readouterr()
    code = main(words)
    return code, capsys.readouterr().err.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pickle_runs_nothing(command: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    canary, found = tmp_path / "canary", payloads(tmp_path / "canary")
    for number, name in enumerate(disguises(b"")):
        payload = list(found.values())[number % len(found)]
        file = tmp_path / name
        file.write_bytes(disguises(payload)[name])
        code, said = offered(command, file, place, tmp_path, capsys)
        assert not canary.exists(), f"{command}: {name} ran its code"
        if code == 0 and (name == "renamed.txt" or command.startswith("inspect")):
            continue  # a pickle written by hand is text, too; and inspect tells what is odd
        last = said.splitlines()[-1]
        assert code == 2, f"{command}: {name}: {said}"
        assert last.startswith("gantlet: ")
        assert "Traceback" not in said
        assert len(last) < 700
        file.unlink()


def test_every_payload_in_every_disguise_is_inspected(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 0
    for name, content in everything(tmp_path / "canary"):
        file = tmp_path / name
        file.write_bytes(content)
        code, said = offered("inspect FILE", file, place, tmp_path, capsys)
        assert not (tmp_path / "canary").exists(), name
        assert code in (0, 2), f"{name}: {said}"
        count += 1
    assert count > 100


def test_the_payloads_work(tmp_path: Path) -> None:
    """The tests above can fail: what is offered there does create the file when it is unpickled."""
    import pickle

    for name, payload in payloads(tmp_path / "canary").items():
        pickle.loads(payload)
        found = tmp_path / "canary"
        assert found.exists(), name
        found.rmdir() if found.is_dir() else found.unlink()
