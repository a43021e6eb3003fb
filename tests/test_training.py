"""`gantlet.train` from end to end, small: what it leaves, resuming, interrupting, starting from other weights."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import gantlet
from gantlet import observing, training
from gantlet.engine.hooks import ShowByClock
from gantlet.engine.loop import Training
from gantlet.errors import UserError
from gantlet.feeding import longest_side
from gantlet.recipes.choose import Choice
from gantlet.recipes.images import dcgan
from gantlet.stopping import Interrupted

OPTIONS: dict[str, Any] = dict(data="digits", quick=True, quiet=True, evaluate_every=0)


def weights(run: Path) -> dict[str, torch.Tensor]:
    step = max(int(path.name.removeprefix("step-")) for path in (run / "checkpoints").glob("step-*"))
    stored = load_file(run / "checkpoints" / f"step-{step}" / "weights.safetensors")
    return {name: value.clone() for name, value in stored.items()}  # the file is mapped, not read


def test_a_run_leaves_a_readable_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    model = gantlet.train("dcgan", out=out, steps=4, **OPTIONS)
    record = json.loads((out / "run.json").read_text())
    assert (record["recipe"], record["settings"]) == ("dcgan", "quick")
    assert record["data"]["facts"] == {"channels": 1, "resolution": 8, "num_classes": 10}
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines if "event" not in line]
    assert steps == sorted(set(steps))
    assert steps[-1] == 4
    assert {"D/adversarial", "G/adversarial", "G/gradient_norm", "D/real_logits"} <= set(lines[-1])
    for name in ("reals.png", "report.html", "samples/000000256.png"):
        assert (out / name).stat().st_size > 100, name
    pictures = model.sample(3, seed=1)
    assert pictures.shape == (3, 1, 8, 8)
    assert pictures.abs().max() <= 1
    assert model.to_raw(pictures).shape == (3, 8, 8, 1)
    assert model.to_raw(pictures).max() <= 16


def test_the_same_call_resumes_to_the_same_bits(tmp_path: Path) -> None:
    gantlet.train("sngan_cnn", out=tmp_path / "whole", steps=6, **OPTIONS)
    gantlet.train("sngan_cnn", out=tmp_path / "halves", steps=3, **OPTIONS)
    gantlet.train("sngan_cnn", out=tmp_path / "halves", steps=6, **OPTIONS)
    whole, halves = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert all(torch.equal(whole[name], halves[name]) for name in whole)


def test_a_run_keeps_the_defaults_it_was_begun_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gantlet.train("dcgan", out=tmp_path / "run", steps=1, latent_dim=12, **OPTIONS)
    gantlet.train(out=tmp_path / "chosen", steps=1, **{**OPTIONS, "quick": None})
    monkeypatch.setitem(dcgan.QUICK, "dcgan", {**dcgan.QUICK["dcgan"], "lr": 1e-5, "g_width": 8})  # a newer Gantlet
    monkeypatch.setattr(training, "choose", lambda *facts: Choice("gan", True, "a newer rule"))
    gantlet.train("dcgan", out=tmp_path / "run", steps=2, latent_dim=12, **OPTIONS)
    assert gantlet.load(tmp_path / "run").about["arguments"]["lr"] != 1e-5
    gantlet.train(out=tmp_path / "chosen", steps=2, **{**OPTIONS, "quick": None})
    assert gantlet.load(tmp_path / "chosen").about["recipe"] != "gan"
    with pytest.raises(UserError, match="latent_dim"):  # what somebody typed is part of the command
        gantlet.train("dcgan", out=tmp_path / "run", steps=3, **OPTIONS)
    with pytest.raises(UserError, match="settings"):
        gantlet.train("dcgan", out=tmp_path / "run", steps=3, latent_dim=12, **{**OPTIONS, "quick": False})


def test_looking_changes_nothing(tmp_path: Path) -> None:
    gantlet.train("gan", out=tmp_path / "quiet", steps=5, sample_every=1e9, **OPTIONS)
    busy = {**OPTIONS, "evaluate_every": 1e-9}
    gantlet.train("gan", out=tmp_path / "busy", steps=5, sample_every=1e-9, save_every=1e-9, **busy)
    quiet, looked_at = weights(tmp_path / "quiet"), weights(tmp_path / "busy")
    assert all(torch.equal(quiet[name], looked_at[name]) for name in quiet)
    evaluations = [json.loads(line) for line in (tmp_path / "busy" / "evaluations.jsonl").read_text().splitlines()]
    assert evaluations
    assert all(record["protocol"]["extractor"]["name"] for record in evaluations)
    best = json.loads((tmp_path / "busy" / "checkpoints" / "best.json").read_text())
    assert best["value"] == min(record["values"]["fid"] for record in evaluations)


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    gantlet.train("gan", out=tmp_path / "run", steps=2, **OPTIONS)
    before = weights(tmp_path / "run")
    gantlet.train("gan", out=tmp_path / "run", steps=2, **OPTIONS)
    after = weights(tmp_path / "run")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_init_from_takes_weights_and_nothing_else(tmp_path: Path) -> None:
    gantlet.train("gan", out=tmp_path / "first", steps=3, **OPTIONS)
    gantlet.train("gan", out=tmp_path / "second", steps=1, seed=5, init_from=tmp_path / "first", **OPTIONS)
    gantlet.train("gan", out=tmp_path / "fresh", steps=1, seed=5, **OPTIONS)
    record = json.loads((tmp_path / "second" / "run.json").read_text())
    assert record["init_from"] == str(tmp_path / "first")
    first, second, fresh = (weights(tmp_path / name) for name in ("first", "second", "fresh"))
    name = "D.layers.0.weight"
    assert (second[name] - first[name]).abs().max() < 0.01 < (second[name] - fresh[name]).abs().max()
    with pytest.raises(UserError, match="does not fit"):
        gantlet.train("gan", out=tmp_path / "third", steps=1, width=32, init_from=tmp_path / "first", **OPTIONS)


def test_a_damaged_last_checkpoint_costs_only_its_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    gantlet.train("gan", out=out, steps=2, **OPTIONS)
    gantlet.train("gan", out=out, steps=4, **OPTIONS)
    whole = weights(out)
    path = out / "checkpoints" / "step-4" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    gantlet.train("gan", out=out, steps=4, **OPTIONS)
    assert "damaged" in capsys.readouterr().err
    assert all(torch.equal(value, whole[name]) for name, value in weights(out).items())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_same_command_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "gantlet.cli", "train", "gan", "--data", "digits", "--out", str(out),
               "--seconds", "300", "--quiet"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (
        not (out / "log.jsonl").is_file() or b"G/" not in (out / "log.jsonl").read_bytes()
    ):
        time.sleep(0.1)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number, errors
    assert time.monotonic() - began < 10
    assert "goes on" in errors
    assert "Traceback" not in errors
    step = max(int(path.name.removeprefix("step-")) for path in (out / "checkpoints").glob("step-*"))
    assert step > 0
    model = gantlet.load(out)
    assert model.about["recipe"] == "gan"
    assert os.path.exists(out / "report.html")


def test_no_recipe_lets_the_data_choose(tmp_path: Path) -> None:
    gantlet.train(out=tmp_path / "run", steps=1, **{**OPTIONS, "quick": None})
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["reason"]
    assert record["settings"] in ("quick", "faithful")
    assert record["arguments"]["num_classes"] == 10


def test_a_file_never_decides_which_code_is_imported(tmp_path: Path) -> None:
    out = tmp_path / "run"
    gantlet.train("gan", out=out, steps=1, **OPTIONS)
    folder = out / "checkpoints" / "step-1"
    about = json.loads((folder / "model.json").read_bytes())
    content = json.dumps({**about, "recipe": "os:system", "arguments": {"command": f"touch {tmp_path}/ran"}}).encode()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"]["model.json"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "model.json").write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="recipe from elsewhere"):
        gantlet.load(out)
    assert not (tmp_path / "ran").exists()


def test_the_last_moment_is_judged_before_an_earlier_one_is_called_best(tmp_path: Path) -> None:
    out = tmp_path / "run"
    gantlet.train("gan", out=out, steps=3, **{**OPTIONS, "evaluate_every": 1e-9})
    steps = [json.loads(line)["step"] for line in (out / "evaluations.jsonl").read_text().splitlines()]
    assert steps[-1] == 3


def test_samples_in_a_file_are_judged_like_the_run_they_came_from(tmp_path: Path) -> None:
    model = gantlet.train("gan", out=tmp_path / "run", steps=2, **OPTIONS)
    pictures = model.sample(200)
    np.savez(tmp_path / "samples.npz", images=model.to_raw(pictures))
    options: dict[str, Any] = dict(num=200, extractor_name="random")
    run = gantlet.evaluate(model, "digits", **options)
    file = gantlet.evaluate(tmp_path / "samples.npz", "digits", **options)
    assert file.values["fid"] == pytest.approx(run.values["fid"], rel=1e-9)


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    gantlet.train("gan", out=out, steps=1, **OPTIONS)
    code = (
        "from pathlib import Path; from gantlet.engine.storage import alone_in; import sys\n"
        f"with alone_in(Path({str(out)!r})):\n    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    before = weights(out)
    with pytest.raises(UserError, match=f"Process {holder.pid} is training"):
        gantlet.train("gan", out=out, steps=2, **OPTIONS)
    holder.kill()
    holder.communicate()
    assert all(torch.equal(value, before[name]) for name, value in weights(out).items())
    gantlet.train("gan", out=out, steps=2, **OPTIONS)


class Terminal:
    """A display that knows whether it was closed."""

    open = False

    def start(self, description: str) -> None:
        self.open = True

    def update(self, standing: object) -> None:
        """Show nothing."""

    def note(self, message: str) -> None:
        """Print nothing."""

    def stop(self) -> None:
        self.open = False


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_fails_before_the_first_step_leaves_everything_closed(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()

    def fail(*given: object) -> None:
        assert terminal.open
        raise error

    monkeypatch.setattr(training, "choose_status", lambda quiet: terminal)
    monkeypatch.setattr(training, "SampleGrids", fail)
    with pytest.raises(type(error)):
        gantlet.train("gan", out=tmp_path / "run", steps=2, **OPTIONS)
    assert not terminal.open
    assert (tmp_path / "run" / "report.html").is_file()


def test_what_the_caller_draws_next_does_not_depend_on_training(tmp_path: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    gantlet.train("gan", out=tmp_path / "run", steps=2, **OPTIONS)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(UserError, match="holds another run"):
        gantlet.train("gan", out=tmp_path / "run", steps=2, seed=1, **OPTIONS)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cuts_the_last_evaluation_short(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, drawn = observing.Evaluations.judge, []

    def endless(hook: observing.Evaluations, at: Training) -> None:
        if at.fraction() < 1:
            judge(hook, at)
            return
        os.kill(os.getpid(), number)
        pytest.fail("nobody stopped it")

    monkeypatch.setattr(observing.Evaluations, "judge", endless)
    monkeypatch.setattr(ShowByClock, "conclude", lambda hook, at: drawn.append(at.counters.step))
    options = {**OPTIONS, "evaluate_every": 1e-9, "sample_every": 1e9}
    with pytest.raises(Interrupted) as stopped:
        gantlet.train("gan", out=tmp_path / "run", steps=3, **options)
    assert stopped.value.exit_code == 128 + number
    assert drawn == [3]
    assert gantlet.load(tmp_path / "run", checkpoint="last").about["step"] == 3


@pytest.mark.parametrize("name", ["seconds", "samples", "steps", "batch_size", "accumulate", "save_every"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_budget_has_an_end(name: str, value: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"--{name.replace('_', '-')} must be positive and finite, not {value}"):
        gantlet.train("gan", out=tmp_path / "run", **{**OPTIONS, "samples": 64, name: value})
    assert not (tmp_path / "run").exists()


def test_balance_needs_labels(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--balance needs labels"):
        gantlet.train("gan", out=tmp_path / "run", steps=1, unconditional=True, balance=1.0, **OPTIONS)
    assert not (tmp_path / "run").exists()


def test_only_what_nobody_asked_for_is_scaled_and_a_run_keeps_its_side() -> None:
    def old(side: object) -> dict[str, object]:
        return {"data": {"facts": {"resolution": side}}}

    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert [longest_side(device, None) for device in (cpu, gpu)] == [64, 256]
    assert [longest_side(gpu, old(side)) for side in (28, 64, [32, 64], 65, 256, 491)] == [64, 64, 64, 256, 256, 491]
    assert longest_side(cpu, old([48, 300])) == 300
