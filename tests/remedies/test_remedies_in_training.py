"""Remedies from the command line to the record and back: asked for, resolved, stored, resumed, loaded, explained."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import gantlet
from gantlet.cli import main
from gantlet.data import Order, open_images
from gantlet.engine import storage
from gantlet.errors import UserError
from gantlet.feeding import Balance, Feed
from gantlet.recipes.signs import learnt_by_heart
from gantlet.remedies import NAMES
from gantlet.remedies import catalogue as remedial

OPTIONS: dict[str, Any] = dict(data="digits", quick=True, quiet=True, evaluate_every=0, device="cpu")
ASKED = ["ada:start=0.4", "minibatch_std"]


def test_remedies_are_read_in_every_form() -> None:
    assert remedial.read(["ada", "lecam:weight=0.1,decay=0.9"]) == {
        "ada": {},
        "lecam": {"weight": "0.1", "decay": "0.9"},
    }
    assert remedial.read({"lecam": {"weight": 0.1}}) == {"lecam": {"weight": 0.1}}
    assert remedial.read("ada") == {"ada": {}}
    assert remedial.read(["diffaugment:policy=color,cutout,probability=0.5"])["diffaugment"] == {
        "policy": "color,cutout", "probability": "0.5",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["lekam"], "Did you mean 'lecam'"),
        (["os:system"], "No remedy is called 'os'"),
        (["lecam:wieght=1"], "Did you mean 'weight'"),
        (["lecam:strong"], "write lecam:name=value"),
        (["lecam", "lecam:weight=1"], "twice"),
        (["lecam:weight=much"], "--weight of remedy 'lecam' takes float, not 'much'"),
        ({"lecam": {"heavy": 1}}, "has no option 'heavy'"),
    ],
)
def test_mistakes_are_told(asked: remedial.Asked, said: str) -> None:
    with pytest.raises(UserError, match=said):
        remedial.resolve(remedial.read(asked))


def test_they_are_resolved_in_one_order_with_the_facts_of_the_data() -> None:
    resolved = remedial.resolve(remedial.read(["minibatch_std", "little_data", "lecam:weight=0.1"]), 500)
    assert list(resolved) == ["holdout", "lecam", "little_data", "minibatch_std"]
    assert resolved["little_data"]["num_pictures"] == 500
    assert resolved["lecam"]["weight"] == 0.1
    assert "holdout" not in remedial.resolve({"lecam": {}})
    assert remedial.resolve({"ada": {}, "holdout": {"share": 0}})["holdout"]["share"] == 0
    begun = remedial.resolve({"lecam": {}}, begun_with={"lecam": {"weight": 0.7, "gone": 1}})
    assert begun["lecam"]["weight"] == 0.7
    assert "gone" not in begun["lecam"]


def weights(run: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / f"step-{step}" / "weights.safetensors")


def test_a_run_with_remedies_is_recorded_loaded_and_resumed(tmp_path: Path) -> None:
    model = gantlet.train("dcgan", out=tmp_path / "whole", steps=4, remedies=ASKED, **OPTIONS)
    record = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert list(record["remedies"]) == ["holdout", "ada", "minibatch_std"]
    assert record["remedies"]["ada"]["start"] == 0.4
    assert model.about["remedies"] == record["remedies"]
    again = gantlet.load(tmp_path / "whole")
    assert torch.equal(again.sample(3, seed=1), model.sample(3, seed=1))
    assert "D.logit.1.weight" in weights(tmp_path / "whole", 4)
    gantlet.train("dcgan", out=tmp_path / "parts", steps=2, remedies=ASKED, **OPTIONS)
    gantlet.train("dcgan", out=tmp_path / "parts", steps=4, remedies=list(reversed(ASKED)), **OPTIONS)
    whole, parts = weights(tmp_path / "whole", 4), weights(tmp_path / "parts", 4)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert {"ada.p", "ada.since"} <= whole.keys()


@pytest.mark.parametrize(
    ("remedies", "said"),
    [((), "lecam"), (["lecam"], "lecam"), (["lecam:weight=0.1", "top_k"], "top_k")],
)
def test_other_remedies_do_not_resume_a_run(remedies: Any, said: str, tmp_path: Path) -> None:
    gantlet.train("gan", out=tmp_path / "run", steps=1, remedies=["lecam:weight=0.1"], **OPTIONS)
    with pytest.raises(UserError, match=rf"holds another run .*remedies\.{said}"):
        gantlet.train("gan", out=tmp_path / "run", steps=2, remedies=remedies, **OPTIONS)


def test_a_run_keeps_the_defaults_its_remedies_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gantlet.train("gan", out=tmp_path / "run", steps=1, remedies=["lecam:weight=0.1"], **OPTIONS)
    newer = [replace(p, default=0.5) if p.name == "decay" else p for p in remedial.parameters("lecam")]
    monkeypatch.setattr(remedial, "parameters", lambda name: newer)
    model = gantlet.train("gan", out=tmp_path / "run", steps=2, remedies=["lecam:weight=0.1"], **OPTIONS)
    assert model.about["remedies"]["lecam"]["decay"] == 0.99


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change run.json, or a JSON file of a checkpoint and its manifest with it."""
    content = json.loads(path.read_text())
    change(content)
    if path.name == "run.json":
        path.write_text(json.dumps(content))
        return
    files = {entry.name: entry.read_bytes() for entry in path.parent.iterdir() if entry.name != storage.MANIFEST}
    storage.write_folder(path.parent, files | {path.name: json.dumps(content).encode()})


def test_a_record_from_before_there_were_remedies_has_none(tmp_path: Path) -> None:
    gantlet.train("gan", out=tmp_path / "run", steps=1, **OPTIONS)
    for path in (tmp_path / "run" / "run.json", tmp_path / "run" / "checkpoints" / "step-1" / "model.json"):
        edit(path, lambda content: content.pop("remedies"))
    assert gantlet.load(tmp_path / "run").sample(1).shape == (1, 1, 8, 8)
    gantlet.train("gan", out=tmp_path / "run", steps=2, **OPTIONS)
    with pytest.raises(UserError, match=r"remedies\.lecam"):
        gantlet.train("gan", out=tmp_path / "run", steps=3, remedies=["lecam"], **OPTIONS)


def test_a_file_never_decides_which_code_is_imported(tmp_path: Path) -> None:
    gantlet.train("gan", out=tmp_path / "run", steps=1, **OPTIONS)
    path = tmp_path / "run" / "checkpoints" / "step-1" / "model.json"
    edit(path, lambda content: content.update(remedies={"os:system": {}}))
    with pytest.raises(UserError, match="No remedy is called 'os:system'"):
        gantlet.load(tmp_path / "run")


def test_transfer_into_a_run_with_remedies(tmp_path: Path) -> None:
    """D's parameters keep their names, so what was learnt without a remedy goes on with it."""
    gantlet.train("gan", out=tmp_path / "base", steps=1, **OPTIONS)
    remedies = ["ada", "lecam", "multi_scale"]
    gantlet.train("gan", out=tmp_path / "more", steps=1, remedies=remedies, init_from=tmp_path / "base", **OPTIONS)
    assert {"D.layers.0.weight", "D2.layers.0.weight"} <= weights(tmp_path / "more", 1).keys()


def test_pictures_held_out_are_never_trained_on() -> None:
    images = open_images("digits")
    feed = Feed(images, 3, Balance(), {"share": 0.1, "most": 1000})
    batch = feed.rows(0, 2 * len(images))
    trained, held = ({row.tobytes() for row in batch[name].numpy()} for name in ("image", "holdout_image"))
    assert not trained & held
    assert len(held) == int(0.1 * len(images))
    assert batch["holdout_label"].shape == batch["label"].shape


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_without_holdout_the_data_come_as_ever(balance: float) -> None:
    from gantlet.data import balanced_weights

    images = open_images("digits")
    assert images.labels is not None
    weights = balanced_weights(images.labels, balance) if balance else None
    expected = images.batch(Order(len(images), 7, weights).indices(50, 100))
    found = Feed(images, 7, Balance(alpha=balance), None).rows(50, 100)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert np.isfinite(found["image"].numpy()).all()


def test_overfitting_is_said_in_words() -> None:
    said = learnt_by_heart({"D/overfitting": 0.8})
    assert said is not None
    assert "80%" in said
    assert "--remedy ada" in said
    assert learnt_by_heart({"D/overfitting": 0.2}) is None
    assert learnt_by_heart({}) is None


def test_a_run_on_little_data_reports_what_it_holds_out(tmp_path: Path) -> None:
    gantlet.train("dcgan", out=tmp_path / "run", steps=2, remedies=["little_data"], **OPTIONS)
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert {"D/train_logits", "D/holdout_logits", "D/overfitting"} <= line.keys()


def test_the_command_line_teaches_and_takes_remedies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--remedies"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in NAMES)
    assert main(["list", "--remedies", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [entry["remedy"] for entry in told] == list(NAMES)
    assert main(["show", "lecam"]) == 0
    shown = capsys.readouterr().out
    assert "Symptom: " in shown
    assert "2104.03310" in shown
    assert "weight" in shown
    assert main(["show", "lecam", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"][0]["default"] == 0.3
    command = ["train", "gan", "--data", "digits", "--out", str(tmp_path / "run"), "--steps", "1", "--quiet"]
    assert main([*command, "--remedy", "lecam:weight=0.2", "--remedy=top_k"]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["remedies"]["lecam"]["weight"] == 0.2
    assert list(record["remedies"]) == ["lecam", "top_k"]
    assert main([*command, "--remedy", "lecam:wieght=0.2"]) == 2
    assert "weight" in capsys.readouterr().err
