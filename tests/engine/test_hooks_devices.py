"""Hooks that save and read by the clock; devices and precisions by name; networks by name."""

from __future__ import annotations

import copy
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_toys import BATCH, CPU, Listener, line, prepare, rows, toy, trained
from torch import nn

from gantlet.engine import hooks, loop, memory, nets, precision
from gantlet.engine.health import Watch
from gantlet.engine.hooks import SaveByClock, Tick
from gantlet.engine.precision import place
from gantlet.errors import UserError
from gantlet.recipe import Player, Recipe


class Clock:
    """A clock that tests move."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(hooks, "time", found)
    return found


class Passing:
    """A hook under which every step takes ten seconds of that clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def after_step(self, training: loop.Training) -> None:
        self.clock.now += 10

    def note(self, event: str, message: str) -> None:
        """Nothing to tell."""


def test_checkpoints_by_the_clock(clock: Clock, tmp_path: Path) -> None:
    training = prepare(toy(), tmp_path, steps=7, keep=99)
    loop.train(training, rows, [Passing(clock), SaveByClock(25.0)])
    assert training.checkpoints.steps() == [7, 6, 3, 0]  # after 30 s, after 60 s, and the first and the last state


def test_ticks_read_the_statistics_and_the_speed(clock: Clock, tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    tick = Tick(
        lambda training, statistics: heard.append(dict(statistics)), Watch([]), lambda *event: None, seconds=15.0
    )
    training = prepare(toy(), tmp_path, steps=5)
    loop.train(training, rows, [Passing(clock), tick])
    assert len(heard) == 3  # the first step at once, then after 20 s and 20 s
    assert heard[1]["samples_per_second"] == pytest.approx(2 * BATCH / 20)
    assert heard[2]["samples_per_second"] == pytest.approx(2 * BATCH / 20)
    wanted = {"left/pull", "left/push", "left/spread", "left/gradient_norm", "right/score", "right/gradient_norm"}
    assert all(set(statistics) == wanted | {"samples_per_second"} for statistics in heard)


def test_the_last_step_is_always_read(clock: Clock, tmp_path: Path) -> None:
    steps: list[int] = []
    tick = Tick(lambda training, statistics: steps.append(training.counters.step), Watch([]), lambda *event: None, 1e9)
    loop.train(prepare(toy(), tmp_path, steps=4), rows, [tick])
    assert steps == [1, 4]


def test_a_tick_passes_signs_and_events_on(clock: Clock, tmp_path: Path) -> None:
    notes: list[tuple[str, str]] = []

    def large(statistics: dict[str, float]) -> str:
        return "It is large."

    tick = Tick(
        lambda training, statistics: None, Watch([large], patience=2, steps=0), lambda *note: notes.append(note), 0.0
    )
    loop.train(prepare(toy(), tmp_path, steps=4), rows, [tick])
    assert notes == [("health", "It is large.")]
    tick.note("rollback", "went back")
    assert notes[-1] == ("rollback", "went back")


def test_every_hook_hears_of_every_step(tmp_path: Path) -> None:
    listeners = (Listener(), Listener())
    trained(tmp_path, 3, hooks=listeners)
    assert [listener.steps for listener in listeners] == [[1, 2, 3]] * 2


def test_devices_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision.choose_device("cpu") == CPU
    with pytest.raises(UserError, match=r"Unknown device 'gpu'; choose one of auto, cpu, cuda, mps"):
        precision.choose_device("gpu")
    with pytest.raises(UserError, match="Did you mean 'cuda'"):
        precision.choose_device("cuad")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert precision.choose_device("auto") == CPU
    with pytest.raises(UserError, match=r"no 'cuda' device; use --device cpu or auto"):
        precision.choose_device("cuda")


def test_precisions_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision.choose_precision("fp32", CPU) == torch.float32
    assert precision.choose_precision("bf16", CPU) == torch.bfloat16
    with pytest.raises(UserError, match=r"Unknown precision 'fp16'; choose one of auto, bf16, fp32"):
        precision.choose_precision("fp16", CPU)
    for native, wanted in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(precision, "multiplies_bf16", lambda device, native=native: native)
        assert precision.choose_precision("auto", CPU) == wanted


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc/cpuinfo")
@pytest.mark.parametrize(
    ("flags", "native"),
    [("fpu avx512_bf16 sse", True), ("fpu amx_bf16", True), ("fpu avx2 avx512f", False)],
)
def test_native_bf16_is_read_from_the_flags(flags: str, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: f"flags : {flags}\n")
    assert precision.multiplies_bf16(CPU) is native
    assert precision.multiplies_bf16(torch.device("mps")) is False


def test_a_machine_that_tells_nothing_gets_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> str:
        raise PermissionError("no")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert precision.multiplies_bf16(CPU) is False
    assert precision.describe(CPU).startswith("cpu: ")


def test_convolutions_are_placed_channels_last() -> None:
    network = precision.place(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2)), CPU)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert not network[0].weight.is_contiguous()


def test_autocast_is_on_for_bf16_alone() -> None:
    layer, x = nn.Linear(3, 3), torch.randn(2, 3)
    with loop.autocast(CPU, torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    with loop.autocast(CPU, torch.float32):
        assert layer(x).dtype == torch.float32


def test_bf16_training_keeps_float32_weights_and_follows_fp32(tmp_path: Path) -> None:
    """Gradients of one step point the same way (cosine above .999), and the weights stay float32."""
    gradients = []
    for name in ("fp32", "bf16"):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 1))
        base = line().players["only"]
        recipe = Recipe(
            players={"only": Player(networks={"N": network}, optimizer=base.optimizer)},
            phases=(
                loop.Phase(player="only", loss=lambda nets, batch, progress: {"x": nets.N(batch["x"]).square().mean()}),
            ),
            batch_size=64,
        )
        training = prepare(recipe, tmp_path / name)
        training.dtype = precision.choose_precision(name, CPU)
        loop.iterate(training, rows, loop.Guard(CPU))
        assert all(parameter.dtype == torch.float32 for parameter in network.parameters())
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in network.parameters()]))
    assert not torch.equal(*gradients)
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.999


def test_networks_go_by_their_names(tmp_path: Path) -> None:
    training = prepare(toy(), tmp_path)
    found = training.state.nets
    assert isinstance(found.A, nn.Sequential)
    assert found.averaged.A is not found.A
    assert found.averaged.B is found.B
    assert found.averaged.averaged is found.averaged
    with pytest.raises(AttributeError, match="no network or helper is called 'C'"):
        found.C  # noqa: B018


def test_only_one_player_learns_at_a_time() -> None:
    recipe = toy()
    trainable = nets.Trainable(recipe)
    A, B = recipe.players["left"].networks["A"], recipe.players["right"].networks["B"]
    assert not any(p.requires_grad for network in (A, B) for p in network.parameters())
    with suppress(ZeroDivisionError), trainable.only("left"):
        assert all(p.requires_grad for p in A.parameters())
        assert not any(p.requires_grad for p in B.parameters())
        raise ZeroDivisionError
    assert not any(p.requires_grad for network in (A, B) for p in network.parameters())


def test_keeping_freed_memory_is_harmless_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: called.append(name) or (_ for _ in ()).throw(OSError("no")))
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))
    memory.keep_freed_memory()
    assert called == []
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("glibc", "2.39"))
    memory.keep_freed_memory()  # a libc that cannot be opened is no reason to stop
    assert called == ["libc.so.6"]


def test_weights_are_channels_last_in_the_plane_and_in_space() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3), nn.Linear(4, 2), nn.BatchNorm2d(4))
    values = [tensor.clone() for tensor in network.state_dict().values()]
    placed = place(network, torch.device("cpu"))
    assert placed[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert placed[1].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert all(torch.equal(a, b) for a, b in zip(values, placed.state_dict().values(), strict=True))


def test_kernels_of_one_channel_or_one_pixel_are_channels_last_too() -> None:
    """Both layouts hold for them; the convolution library goes by the strides (a tenth of the speed of `r1gan`)."""
    network = nn.Sequential(nn.Conv2d(1, 16, 3), nn.Conv2d(16, 4, 1), nn.ConvTranspose2d(4, 1, 4), nn.Conv2d(1, 1, 1))
    strides = [p.stride() for p in copy.deepcopy(network).to(memory_format=torch.channels_last).parameters()]
    assert [p.stride() for p in place(network, torch.device("cpu")).parameters()] == strides
    assert network[0].weight.stride() == (9, 1, 3, 1)
