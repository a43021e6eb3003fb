"""`gantlet apply` on sounds: pieces equal the whole, rates, channels and depths stay, mels and mistakes are told."""

from __future__ import annotations

import csv
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_sounds
from toy_sounds import RATE, SPEC, model_of

from gantlet import cli
from gantlet.applying.hearer import hearer
from gantlet.applying.pieces import Cut, in_pieces, resampled
from gantlet.applying.sounds import SoundExtras, apply_sounds
from gantlet.errors import UserError
from gantlet.layers.resample import resample
from gantlet.media.audio import read_sound, read_sound_header, write_sound
from gantlet.model import Model


def wave(length: int, channels: int = 1, seed: int = 0) -> torch.Tensor:
    """Return noise under a slow envelope, within 1."""
    values = torch.rand(channels, length, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return values * torch.linspace(0.1, 0.9, length)


def in_chunks(x: torch.Tensor, size: int = 777) -> list[torch.Tensor]:
    return list(torch.split(x, size, -1))


@pytest.mark.parametrize("length", [1, 99, 800, 1000, 1999, 12_345])
@pytest.mark.parametrize("name", ["smooth", "strided", "same"])
def test_pieces_equal_the_whole(name: str, length: int) -> None:
    run = hearer(model_of(getattr(toy_sounds, name)()), piece=0.05)
    given = wave(length, 2)
    whole = run.whole(given[None])[0]
    pieces = torch.cat(list(run.stream(in_chunks(given), length, RATE)), -1)
    assert pieces.shape == given.shape
    torch.testing.assert_close(pieces, whole, atol=1e-6, rtol=1e-5)
    if length > 2000:
        assert run.cut.count(length) > 5


@pytest.mark.parametrize(("old", "new"), [(44_100, 8000), (8000, 44_100), (8000, 16_000), (22_050, 16_000), (7, 5)])
def test_resampling_in_chunks_equals_the_whole(old: int, new: int) -> None:
    for length in (1, 500, 300_001):
        given = wave(length)
        made = torch.cat(list(resampled(in_chunks(given, 5000), length, old, new)), -1)
        torch.testing.assert_close(made, resample(given[None], old, new)[0], atol=2e-6, rtol=1e-4)


def test_joints_are_invisible_where_pieces_differ() -> None:
    """Each piece has another mean, which a hard cut shows as a step; the fade leaves none that the sound has not."""
    run = hearer(model_of(toy_sounds.restless()), piece=0.5)
    length = 6 * RATE
    given = torch.sin(torch.arange(length) * 0.02)[None] * 0.2 + torch.linspace(-0.4, 0.4, length)
    made = torch.cat(list(run.stream([given], length, RATE)), -1)
    assert run.cut.count(length) == 12
    steps, own = made.diff().abs().max(), given.diff().abs().max()
    assert steps < 1.1 * own
    assert (made - 2 * given).abs().max() > 0.01  # the pieces do differ


def test_the_last_piece_and_the_number_of_pieces() -> None:
    cut = Cut.of(100, 10, 20, 1)
    assert [cut.count(length) for length in (1, 110, 111, 210, 211)] == [1, 1, 2, 2, 3]
    seen: list[int] = []

    def note(piece: torch.Tensor) -> torch.Tensor:
        seen.append(piece.shape[-1])
        return piece

    given = wave(235)
    assert torch.equal(torch.cat(list(in_pieces(note, [given], 235, cut)), -1), given)
    assert seen == [130, 150, 55]  # 110 and a margin; one on both sides; what is left from 180 on
    with pytest.raises(ValueError, match="values are made of"):
        list(in_pieces(lambda piece: piece[..., :5], [given], 235, cut))


@pytest.mark.parametrize("rate", [8000, 44_100, 11_025])
@pytest.mark.parametrize("depth", [16, 24, 32])
def test_rate_channels_depth_and_loudness_stay(tmp_path: Path, rate: int, depth: int) -> None:
    t = torch.arange(rate) / rate
    given = torch.stack([0.5 * torch.sin(440 * 6.2831853 * t), 0.25 * torch.sin(1000 * 6.2831853 * t)]).numpy()
    write_sound(tmp_path / "a.wav", given, rate, depth)
    done = apply_sounds(model_of(toy_sounds.same()), tmp_path / "a.wav", tmp_path / "out" / "b.wav", piece=0.2)
    made, again = read_sound(tmp_path / "out" / "b.wav")
    before, after = (read_sound_header(tmp_path / name) for name in ("a.wav", "out/b.wav"))
    assert (before.channels, before.frames, before.depth) == (after.channels, after.frames, after.depth)
    assert again == rate
    inner = slice(rate // 10, -rate // 10)  # a cut tone has what no filter keeps at its ends
    np.testing.assert_allclose(made[:, inner], given[:, inner], atol=2e-4)
    assert (done.files, done.clipped) == (1, 0)
    assert [("nothing above 4,000 Hz is left" in note) for note in done.notes] == [True] * (rate > RATE)
    assert done.seconds == pytest.approx(1.0)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    model = model_of(toy_sounds.smooth())
    peaks = []
    for seconds in (40, 200):
        write_sound(tmp_path / "a.wav", wave(seconds * RATE).numpy(), RATE)
        tracemalloc.start()
        apply_sounds(model, tmp_path / "a.wav", tmp_path / "b.wav", piece=2.0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert hearer(model, piece=2.0).cut.step == 2 * RATE


def test_only_a_piece_is_held() -> None:
    """Chunks are asked for as pieces need them: torch's memory is not traced, so the reader is watched."""
    run = hearer(model_of(toy_sounds.smooth()), piece=0.1)
    given, asked = in_chunks(wave(20 * RATE), 400), 0

    def reader() -> Iterator[torch.Tensor]:
        nonlocal asked
        for chunk in given:
            asked += chunk.shape[-1]
            yield chunk

    written, most = 0, 0
    for chunk in run.stream(reader(), 20 * RATE, RATE):
        written += chunk.shape[-1]
        most = max(most, asked - written)
    assert written == 20 * RATE
    assert most < 1200


def test_strength_and_options(tmp_path: Path) -> None:
    model, given = model_of(toy_sounds.same()), wave(900)
    torch.testing.assert_close(model.apply(given, gain=3.0), 3 * given)
    torch.testing.assert_close(model.apply(given, gain="3", strength=0.5), 2 * given)
    torch.testing.assert_close(model.apply(given[0], strength=0), given[0])
    assert model.apply(torch.zeros(2, 3, 70), sample_rate=44_100).shape == (2, 3, 70)
    for options, words in (
        (dict(gian=2), "--gian.*Did you mean 'gain'"),
        (dict(gain="loud"), "gain"),
        (dict(strength=2), "--strength goes from 0 to 1"),
        (dict(piece=-1), "--piece takes seconds"),
        (dict(mask=torch.zeros(3, 3)), "takes sounds"),
    ):
        with pytest.raises(UserError, match=words):
            model.apply(given, **options)
    for bad in (torch.zeros(0), torch.zeros(1, 1, 1, 5), torch.tensor([0.0, torch.nan])):
        with pytest.raises(UserError, match="wave"):
            model.apply(bad)
    with pytest.raises(UserError, match="NaN or infinite"):
        model_of(toy_sounds.broken()).apply(given)


def test_a_folder_with_references_and_a_sheet(tmp_path: Path) -> None:
    for number in range(3):
        clean = wave(RATE, seed=number)
        write_sound(tmp_path / "clean" / "sub" / f"{number}.wav", clean.numpy(), RATE)
        noisy = clean + 0.3 * wave(RATE, seed=9 + number)
        write_sound(tmp_path / "noisy" / "sub" / f"{number}.wav", noisy.numpy(), RATE, depth=32)
    extras = SoundExtras(tmp_path / "clean", tmp_path / "m.csv", tmp_path / "s.png")
    done = apply_sounds(model_of(toy_sounds.same()), tmp_path / "noisy", tmp_path / "out", extras)
    assert sorted(path.name for path in (tmp_path / "out" / "sub").iterdir()) == ["0.wav", "1.wav", "2.wav"]
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == ["sub/0", "sub/1", "sub/2", "mean"]
    assert all(abs(float(row["si_sdr"]) - 10.4) < 1 for row in rows)  # 20 log10(1 / .3)
    assert all(float(row["si_sdr_improvement"]) == pytest.approx(0, abs=1e-3) for row in rows)
    assert all(0.5 < float(row["stoi"]) <= 1 for row in rows)
    assert done.means["stoi_improvement"] == pytest.approx(0, abs=1e-3)
    assert (tmp_path / "s.png").stat().st_size > 1000
    with pytest.raises(UserError, match="nothing named sub/0"):
        apply_sounds(
            model_of(toy_sounds.same()), tmp_path / "noisy", tmp_path / "o2", SoundExtras(tmp_path, tmp_path / "m.csv")
        )


def features(model: Model, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(cli, "load", lambda given: (given.clear(), model)[1])
    return cli.main(["features", "RUN", *words])


def test_mels_carry_their_facts_and_others_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(toy_sounds.vocoder())
    write_sound(tmp_path / "a.wav", wave(5000).numpy(), RATE)
    assert features(model, monkeypatch, str(tmp_path / "a.wav"), "--out", str(tmp_path / "a.npz")) == 0
    held = dict(np.load(tmp_path / "a.npz"))
    given = torch.from_numpy(read_sound(tmp_path / "a.wav")[0])
    padded = torch.nn.functional.pad(given, (0, -5000 % 16))
    np.testing.assert_allclose(held["mel"], SPEC.log_mel(padded[None])[0, 0], atol=1e-5)
    assert float(held["hop"]) == 16
    apply_sounds(model, tmp_path / "a.npz", tmp_path / "b.wav", piece=0.05)
    made, rate = read_sound(tmp_path / "b.wav")
    expected = np.repeat(held["mel"].mean(0), 16) / 10
    np.testing.assert_allclose(made[0], expected.clip(-1, 1), atol=1e-4)
    assert rate == RATE
    apply_sounds(model, tmp_path / "a.wav", tmp_path / "c.wav", piece=0.05)
    np.testing.assert_allclose(read_sound(tmp_path / "c.wav")[0], made[:, :5000], atol=1e-4)
    np.save(tmp_path / "d.npy", held["mel"])
    done = apply_sounds(model, tmp_path / "d.npy", tmp_path / "d.wav")
    assert "was assumed" in done.notes[0]
    mel = held.pop("mel")
    for changes, words in (
        (dict(hop=np.array(32.0)), "hop is 32 there and 16 in the model"),
        (dict(low=np.array(20.0), n_fft=np.array(128.0)), "n_fft is 128 there and 64 in the model, low is 20"),
        (dict(floor=np.array([1e-5, 1])), "floor is no number"),
        (dict(mel=mel.T), "transpose it"),
        (dict(mel=mel * np.nan), "NaN"),
        (dict(mel=mel[:, :0]), "takes \\[6, frames\\]"),
    ):
        np.savez(tmp_path / "bad.npz", **{"mel": mel, **held, **changes})
        with pytest.raises(UserError, match=words):
            apply_sounds(model, tmp_path / "bad.npz", tmp_path / "e.wav")
    np.savez(tmp_path / "bad.npz", mel=mel, **{key: held[key] for key in held if key != "htk"})
    with pytest.raises(UserError, match="does not say its htk"):
        apply_sounds(model, tmp_path / "bad.npz", tmp_path / "e.wav")
    with pytest.raises(UserError, match="no --strength"):
        model.apply(given, strength=0.5)
    assert features(model_of(toy_sounds.same()), monkeypatch, str(tmp_path / "a.wav"), "--out", "x.npz") == 2


def test_a_vocoder_is_scored_by_its_own_mel(tmp_path: Path) -> None:
    model = model_of(toy_sounds.vocoder())
    write_sound(tmp_path / "in" / "a.wav", wave(RATE).numpy(), RATE)
    extras = SoundExtras(tmp_path / "in", tmp_path / "m.csv", tmp_path / "s.png")
    done = apply_sounds(model, tmp_path / "in", tmp_path / "out", extras)
    assert set(done.means) == {"mel_l1", "multi_resolution_stft"}
    assert done.means["mel_l1"] > 0.1


def test_the_command_and_its_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "load", lambda given: (given.pop("run"), model_of(toy_sounds.same()))[1])
    write_sound(tmp_path / "a.wav", wave(2 * RATE).numpy(), RATE)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "p.png").write_bytes(b"x")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "p.png").write_bytes(b"x")
    out = ["--out", str(tmp_path / "b.wav")]
    assert cli.main(["apply", "RUN", str(tmp_path / "a.wav"), *out, "--gain", "0.5"]) == 0
    told = capsys.readouterr()
    assert "Wrote 1 sound (0:02, " in told.out
    assert "as fast as real time" in told.out
    assert "x real time" in told.err
    np.testing.assert_allclose(read_sound(tmp_path / "b.wav")[0], 0.5 * wave(2 * RATE), atol=1e-4)
    for words, said in (
        (["p.png", *out], "is a picture, and the model takes recordings"),
        (["pictures", "--out", "o"], "holds no recording .*but 1 pictures"),
        (["empty.wav", *out], "the file is empty"),
        (["none.wav", *out], "does not exist"),
        (["a.wav", *out, "--tile", "64"], "--tile belongs to pictures"),
        (["a.wav", "--out", str(tmp_path / "b.mp3")], "written as .wav"),
        (["a.wav", "--out", str(tmp_path / "a.wav")], "write over INPUT"),
        (["a.wav", *out, "--metrics", "m.csv"], "belong together"),
        (["a.wav", *out, "--gian", "2"], "Did you mean 'gain'"),
    ):
        assert cli.main(["apply", "RUN", str(tmp_path / words[0]), *words[1:]]) == 2
        assert re.search(said, capsys.readouterr().err), said
    from models import model_of as picture_model

    monkeypatch.setattr(cli, "load", lambda given: (given.pop("run"), picture_model("same"))[1])
    assert cli.main(["apply", "RUN", str(tmp_path / "a.wav"), *out]) == 2
    assert "is a recording" in capsys.readouterr().err
