"""Keyed random numbers, the moments that carry them, and when a phase is due."""

from __future__ import annotations

from math import cos, log1p, pi, sqrt

import pytest
import torch
from engine_toys import CPU
from hypothesis import given
from hypothesis import strategies as st

from gantlet.draws import BatchDraws, SampleDraws, key
from gantlet.engine.progress import Counters, Progress, advance, due
from gantlet.engine.stats import Collector
from gantlet.recipe import Phase


def batch(rows: tuple[int, int, int] = (0, 8, 8), keys: tuple[int | str, ...] = (0, 0, 0, "0.0")) -> BatchDraws:
    return BatchDraws(keys, *rows, device=CPU)


def moment(seed: int = 0, place: str = "0.0", rows: tuple[int, int, int] = (0, 8, 8), **counters: int) -> Progress:
    return Progress(Counters(**counters), seed, CPU).at("player", place, rows)


def test_a_key_depends_on_every_part_and_their_order() -> None:
    keys = [key(), key(0), key(1), key(0, 1), key(1, 0), key("0"), key("a"), key(0, "a"), key("a", 0), key(0, 0)]
    assert len(set(keys)) == len(keys) - 1  # 0 and "0" are one part
    assert all(0 <= number < 2**63 for number in keys)
    assert key(3, "weights") == key(3, "weights")


def test_keys_are_what_they_were_in_the_first_release() -> None:
    """Changing them changes every run and every sample of a seed."""
    assert key(0, "z", 0) == 2_510_636_660_948_682_236
    assert key(7, 0, 12, "1.0", "mix") == 8_914_622_832_139_168_679


@given(st.integers(1, 12), st.data())
def test_rows_of_a_part_are_slices_of_the_whole(total: int, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, total - 1))
    size = data.draw(st.integers(1, total - offset))
    for draw in ("normal", "uniform"):
        whole = getattr(batch((0, total, total)), draw)("z", 3, 2)
        part = getattr(batch((offset, size, total)), draw)("z", 3, 2)
        assert whole.shape == (total, 3, 2)
        assert torch.equal(part, whole[offset : offset + size])


def test_batch_draws_have_their_distributions_and_streams() -> None:
    draws = batch((0, 4000, 4000))
    normal, uniform = draws.normal("a", 5), draws.uniform("a", 5)
    assert float(normal.mean()) == pytest.approx(0, abs=0.03)
    assert float(normal.std()) == pytest.approx(1, abs=0.03)
    assert float(uniform.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(uniform.min()) >= 0
    assert float(uniform.max()) < 1
    assert normal.dtype == uniform.dtype == torch.float32
    assert torch.equal(draws.normal("a", 5), normal)  # nothing depends on what was drawn before
    assert not torch.equal(draws.normal("b", 5), normal)
    assert draws.uniform("mix").shape == (4000,)


def test_sample_draws_depend_on_the_number_alone() -> None:
    whole = SampleDraws(1, range(6)).normal("z", 4)
    assert torch.equal(SampleDraws(1, [4, 2]).normal("z", 4), whole[[4, 2]])
    assert not torch.equal(SampleDraws(2, range(6)).normal("z", 4), whole)
    assert not torch.equal(SampleDraws(1, range(6)).normal("y", 4), whole)
    assert len(SampleDraws(1, range(6))) == 6
    uniform = SampleDraws(1, range(500)).uniform("z", 20)
    assert float(uniform.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(SampleDraws(1, range(500)).normal("z", 20).std()) == pytest.approx(1, abs=0.03)


MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mixed(x: int) -> int:
    """The finalizer of SplitMix64, in whole numbers of Python."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def unit(seed: int, stream: str, number: int, column: int) -> float:
    """Element `column` of row `number`, in [0, 1)."""
    row = mixed((number * GOLDEN + key(seed, stream)) & MASK)
    return (mixed(row ^ mixed(((column + 1) * GOLDEN) & MASK)) >> 11) * 2.0**-53


def test_sample_draws_equal_a_slow_reference() -> None:
    """Number by number, in plain Python: whoever changes this changes the samples of every seed."""
    numbers = [0, 1, 7, 10**12]
    draws = SampleDraws(3, numbers)
    uniform, normal = draws.uniform("u", 2, 3), draws.normal("z", 5)
    for row, number in enumerate(numbers):
        for column in range(6):
            wanted = int(unit(3, "u", number, column) * 2**24) / 2**24
            assert uniform[row].flatten()[column].item() == wanted
        for column in range(5):
            radius = sqrt(-2 * log1p(-unit(3, "z", number, column)))
            wanted = radius * cos(2 * pi * unit(3, "z", number, 5 + column))
            assert normal[row, column].item() == pytest.approx(wanted, rel=1e-6, abs=1e-7)
    assert SampleDraws(3, numbers).uniform("label").shape == (4,)


def test_neighbouring_samples_and_columns_have_nothing_in_common() -> None:
    z = SampleDraws(0, range(4000)).normal("z", 8)
    columns = torch.corrcoef(z.T) - torch.eye(8)
    rows = torch.corrcoef(torch.stack([z[:-1].flatten(), z[1:].flatten()]))[0, 1]
    streams = torch.corrcoef(torch.stack([z.flatten(), SampleDraws(0, range(4000)).normal("y", 8).flatten()]))[0, 1]
    seeds = torch.corrcoef(torch.stack([z.flatten(), SampleDraws(1, range(4000)).normal("z", 8).flatten()]))[0, 1]
    assert float(columns.abs().max()) < 0.07  # 28 pairs of 4000 samples: a standard error of .016
    assert max(abs(float(value)) for value in (rows, streams, seeds)) < 0.025  # 32,000 pairs: .0056
    assert float(z.pow(4).mean()) == pytest.approx(3, abs=0.2)  # the fourth moment of a normal distribution
    assert len(torch.unique(z)) > 0.999 * z.numel()


def test_draws_leave_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    batch().normal("z", 4)
    SampleDraws(0, range(3)).uniform("z", 4)
    assert torch.equal(torch.rand(2), wanted)


def test_seed_attempt_step_and_place_give_new_numbers_and_samples_does_not() -> None:
    first = moment().normal("z", 3)
    assert torch.equal(moment(samples=640, position=99).normal("z", 3), first)
    for other in (moment(seed=1), moment(attempt=1), moment(step=1), moment(place="0.1"), moment(place="1.0")):
        assert not torch.equal(other.normal("z", 3), first)
        assert other.network_seed() != moment().network_seed()


def test_parts_of_a_batch_have_their_own_noise_inside_networks() -> None:
    """Under one seed every part would drop the same units: noise of half the batch, twice."""
    seeds = [moment(rows=(offset, 2, 8)).network_seed() for offset in (0, 2, 4, 6)]
    assert len(set(seeds)) == 4
    assert seeds[0] == moment(rows=(0, 8, 8)).network_seed()


def test_progress_shows_the_counters_and_reports_under_its_player() -> None:
    collector = Collector()
    progress = Progress(Counters(step=3, samples=48), 0, CPU, collector)
    progress.at("left", "0.0", (0, 4, 4)).report("spread", torch.tensor([1.0, 2.0]))
    assert (progress.step, progress.samples) == (3, 48)
    assert collector.read() == {"left/spread": 1.5}
    Progress(Counters(), 0, CPU).report("nothing", torch.zeros(1))  # without a collector: no error


def test_counters_survive_json() -> None:
    counters = Counters(step=3, samples=48, position=96, attempt=1, seconds=2.5)
    assert Counters(**counters.to_json()) == counters
    assert advance(counters, step=4).step == 4
    assert advance(counters, step=4).samples == 48


def runs(phase: Phase, batch_size: int, steps: int) -> list[int]:
    """Return the steps at which a phase is due."""
    return [step for step in range(steps) if due(phase, Counters(step=step, samples=step * batch_size))]


def test_when_a_phase_is_due() -> None:
    def phase(**when: int) -> Phase:
        return Phase(player="p", loss=lambda nets, batch, progress: {}, **when)

    assert runs(phase(), 10, 4) == [0, 1, 2, 3]
    assert runs(phase(every=3), 10, 8) == [0, 3, 6]
    assert runs(phase(start=25), 10, 6) == [3, 4, 5]  # 30 is the first count of samples not below 25
    assert runs(phase(start=30), 10, 6) == [3, 4, 5]
    assert runs(phase(stop=30), 10, 6) == [0, 1, 2]
    assert runs(phase(stop=25), 10, 6) == [0, 1, 2]
    assert runs(phase(start=20, stop=50, every=2), 10, 9) == [2, 4]
    assert runs(phase(start=20, stop=20), 10, 9) == []
    # The clock is samples: at twice the batch the same stretch of data takes half the steps.
    assert runs(phase(start=40, stop=80), 20, 9) == [2, 3]
