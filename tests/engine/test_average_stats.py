"""Moving averages with an exact half-life; statistics that are means since the last reading."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine_toys import line, prepare, rows
from torch import nn

from gantlet.engine import average, loop
from gantlet.engine.health import Guard
from gantlet.engine.progress import advance
from gantlet.engine.stats import Collector


@pytest.mark.parametrize(("batch", "halflife"), [(64, 10_000), (7, 1000), (1000, 500)])
def test_half_is_kept_after_the_halflife(batch: int, halflife: int) -> None:
    keep = average.decay(batch, halflife, samples=10**12)
    assert keep ** (halflife / batch) == pytest.approx(0.5, rel=1e-9)


def test_the_ramp_forgets_the_random_start() -> None:
    """Early on the half-life is a twentieth of the samples seen."""
    assert average.decay(64, 10_000, samples=0) == 0.0
    assert average.decay(50, 10_000, samples=1000) == pytest.approx(0.5)  # a half-life of 50
    assert average.decay(50, 10_000, samples=200_000) == average.decay(50, 10_000, samples=10**9)
    keeps = [average.decay(64, 10_000, samples) for samples in range(0, 300_000, 5_000)]
    assert keeps == sorted(keeps)


def test_update_moves_parameters_and_statistics_and_copies_counts() -> None:
    live, averaged = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        live.weight.fill_(4.0)
        live.running_mean.fill_(8.0)
        live.num_batches_tracked.fill_(3)
        averaged.weight.fill_(0.0)
        averaged.running_mean.fill_(0.0)
    average.update(averaged, live, keep=0.75)
    assert averaged.weight.tolist() == [1.0, 1.0]
    assert averaged.running_mean.tolist() == [2.0, 2.0]
    assert averaged.running_var.tolist() == [1.0, 1.0]
    assert averaged.num_batches_tracked.item() == 3
    assert live.weight.tolist() == [4.0, 4.0]


def test_update_equals_a_loop_whatever_the_layout() -> None:
    torch.manual_seed(0)
    live = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)).to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(live)
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.add_(torch.randn_like(parameter))
    wanted = [0.9 * a + 0.1 * b for a, b in zip(averaged.parameters(), live.parameters(), strict=True)]
    average.update(averaged, live, keep=0.9)
    for parameter, value in zip(averaged.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter, value)


def test_half_of_an_old_weight_is_left_after_the_halflife_of_training(tmp_path: Path) -> None:
    training = prepare(line(rate=0.0, average_halflife=40), tmp_path)
    training.state.counters = advance(training.counters, samples=10**9)  # far beyond the ramp
    averaged = training.state.nets.averaged.W.w
    averaged.fill_(1.0)  # the live weight is 0 and stays there: its learning rate is 0
    for _ in range(10):  # of 4 samples each: 40 in all
        loop.iterate(training, rows, Guard(training.device))
    assert averaged.tolist() == pytest.approx([0.5, 0.5], rel=1e-6)
    assert training.state.nets.W.w.tolist() == [0.0, 0.0]


def test_a_batch_twice_as_large_keeps_the_same_halflife(tmp_path: Path) -> None:
    recipe = replace(line(rate=0.0, average_halflife=40), batch_size=8)
    training = prepare(recipe, tmp_path)
    training.state.counters = advance(training.counters, samples=10**9)
    training.state.nets.averaged.W.w.fill_(1.0)
    for _ in range(5):
        loop.iterate(training, rows, Guard(training.device))
    assert training.state.nets.averaged.W.w.tolist() == pytest.approx([0.5, 0.5], rel=1e-6)


def test_without_a_halflife_the_average_is_the_network_itself(tmp_path: Path) -> None:
    nets = prepare(line(), tmp_path / "without").state.nets
    assert nets.averaged.W is nets.W
    nets = prepare(line(average_halflife=10), tmp_path / "with").state.nets
    assert nets.averaged.W is not nets.W
    assert not any(parameter.requires_grad for parameter in nets.averaged.W.parameters())
    assert not nets.averaged.W.training


def test_statistics_are_means_since_the_last_reading() -> None:
    collector = Collector()
    assert collector.read() == {}
    collector.add("a", torch.tensor(1.0))
    collector.add("a", torch.tensor(4.0))
    collector.add("b", torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True))
    assert collector.read() == {"a": 2.5, "b": 2.5}
    assert collector.read() == {}
    collector.add("a", torch.tensor(7.0, dtype=torch.bfloat16))
    collector.add("count", torch.tensor([True, False, False, False]))
    assert collector.read() == {"a": 7.0, "count": 0.25}


def test_statistics_keep_no_graph_and_do_not_change_their_source() -> None:
    collector, value = Collector(), torch.tensor(2.0, requires_grad=True)
    collector.add("a", value * 1)
    collector.add("a", value * 1)
    assert value.item() == 2.0
    assert not any(total.requires_grad for total in collector._sums.values())
    source = torch.tensor(3.0)
    collector.add("c", source)
    collector.add("c", source)
    assert source.item() == 3.0
