"""What recipes of clips do beyond the contract: sparse frames, long clips, what samples share, the temporal term."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import build, prepare, rows_of, train
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.health import Guard
from gantlet.errors import UserError
from gantlet.recipe import Recipe
from gantlet.recipes.video.clip_superres import temporal_difference
from gantlet.recipes.video.video_gan import path_noise, per_clip

GENERATORS = ("mocogan", "mocogan_2018", "vgan", "tgan")
Y = torch.tensor([0, 1, 0])


def sampled(recipe: Recipe, numbers: list[int], **options: Any) -> Tensor:
    assert recipe.sample is not None
    networks = nets.build(recipe, torch.device("cpu"))
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        return recipe.sample(networks.averaged, SampleDraws(0, numbers), label=Y[: len(numbers)], **options)


@pytest.mark.parametrize("name", GENERATORS)
def test_without_labels(name: str, tmp_path: Path) -> None:
    training = prepare(name, tmp_path, num_classes=0)

    def rows(start: int, count: int) -> dict[str, Tensor]:
        return {"clip": rows_of(name)(start, count)["clip"]}

    loop.iterate(training, rows, Guard(training.device))
    assert training.recipe.sample is not None
    assert training.recipe.sample(training.state.nets.averaged, SampleDraws(0, [0, 1])).shape == (2, 1, 4, 8, 8)


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in GENERATORS), ("mocogan", {"sparse_frames": 3})])
def test_the_signs_of_health_are_fed(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    training = prepare(name, tmp_path, **options)
    loop.iterate(training, rows_of(name), Guard(training.device))
    assert {"G/diversity", "D/accuracy", "D/logit_spread"} <= set(training.collector.read())


def test_sparse_frames_train_every_parameter_and_no_other_frame_is_drawn(tmp_path: Path) -> None:
    training = prepare("mocogan", tmp_path, sparse_frames=3, num_frames=6)
    networks, drawn = training.state.nets.modules, []
    networks["G"].picture.register_forward_hook(lambda module, inputs, out: drawn.append(len(out)))  # type: ignore[union-attr, operator]
    before = {name: p.detach().clone() for player in "GD" for name, p in networks[player].named_parameters(player)}
    for _ in range(3):
        loop.iterate(training, rows_of("mocogan", num_frames=6), Guard(training.device))
    assert set(drawn) == {8 * 3}
    now = {name: p for player in "GD" for name, p in networks[player].named_parameters(player)}
    assert [name for name, p in before.items() if torch.equal(p, now[name])] == []


def test_a_resumed_run_of_sparse_frames_is_the_run(tmp_path: Path) -> None:
    whole = train("mocogan", tmp_path / "whole", 4, sparse_frames=3)
    train("mocogan", tmp_path / "parts", 2, sparse_frames=3)
    resumed = train("mocogan", tmp_path / "parts", 4, seed=1, sparse_frames=3)
    left, right = whole.tensors(), resumed.tensors()
    assert all(torch.equal(value, right[file][key]) for file, kept in left.items() for key, value in kept.items())


@pytest.mark.parametrize("name", ["mocogan", "mocogan_2018"])
def test_a_longer_clip_begins_as_the_shorter_one_and_goes_on(name: str) -> None:
    recipe = build(name)
    short, long = sampled(recipe, [0, 1, 2], num_frames=2), sampled(recipe, [0, 1, 2], num_frames=40)
    assert long.shape == (3, 1, 40, 8, 8)
    torch.testing.assert_close(long[:, :, :2], short, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(long[:, :, -1], long[:, :, -2], atol=1e-6)  # it still moves


@pytest.mark.parametrize("name", ["mocogan", "mocogan_2018"])
@pytest.mark.parametrize("fix", [None, "content", "motion"])
def test_frames_without_end_are_those_of_a_sample(name: str, fix: str | None) -> None:
    recipe = build(name)
    assert recipe.frames is not None
    networks = nets.build(recipe, torch.device("cpu"))
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        stream = recipe.frames(networks.averaged, SampleDraws(0, [0, 1, 2]), label=Y, fix=fix)
        frames = torch.stack(list(islice(stream, 37)), dim=2)  # into the third chunk
    torch.testing.assert_close(frames, sampled(recipe, [0, 1, 2], num_frames=37, fix=fix), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["vgan", "tgan"])
def test_generators_of_one_length_say_so(name: str) -> None:
    assert build(name).frames is None
    assert sampled(build(name), [0], num_frames=4).shape == (1, 1, 4, 8, 8)
    with pytest.raises(ValueError, match="num_frames is 4, those of the clips it was trained on, not 5"):
        sampled(build(name), [0], num_frames=5)


@pytest.mark.parametrize("name", GENERATORS)
def test_what_is_fixed_is_that_of_sample_0_and_nothing_else_is(name: str) -> None:
    recipe = build(name, num_classes=0)
    assert recipe.sample is not None
    networks = nets.build(recipe, torch.device("cpu"))

    def draw(numbers: list[int], fix: str | None) -> Tensor:
        return recipe.sample(networks.averaged, SampleDraws(0, numbers), fix=fix)  # type: ignore[misc]

    with torch.inference_mode(), nets.evaluating(networks.averaged):
        free = draw([0, 1, 2], None)
        for fix in ("content", "motion"):
            fixed = draw([0, 1, 2], fix)
            torch.testing.assert_close(fixed[0], free[0], rtol=1e-5, atol=1e-5)  # sample 0 has its own
            assert not torch.allclose(fixed[1], free[1])
            assert not torch.allclose(fixed[1], fixed[0])
        with pytest.raises(ValueError, match="fix must be content or motion, not 'colour'"):
            draw([0], "colour")


def test_noise_of_a_path_is_scaled_after_its_first_row() -> None:
    whole, still = (path_noise(SampleDraws(0, range(500)), 6, 0, 4, scale) for scale in (1.0, 0.0))
    assert whole.shape == (500, 4, 6)
    assert torch.equal(still[:, 0], whole[:, 0])
    assert float(still[:, 1:].abs().max()) == 0
    torch.testing.assert_close(path_noise(SampleDraws(0, range(500)), 6, 2, 4), whole[:, 2:])
    assert whole.std(dim=(0, 2)).tolist() == pytest.approx([1, 1, 1, 1], abs=0.06)


def test_the_frames_of_a_clip_count_together_as_much_as_the_clip() -> None:
    assert per_clip(torch.tensor([[1.0, 2, 4], [0, 0, 6]])).tolist() == [4.0, 3.0]
    assert per_clip(torch.tensor([1.0, 2])).tolist() == [1.0, 2.0]


def test_more_frames_to_look_at_than_there_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a clip of 4 frames has no 5 to look at"):
        build("mocogan", sparse_frames=5)
    with pytest.raises(UserError, match="a clip of 4 frames has no 6 to look at"):
        build("mocogan_2018", image_frames=6)
    with pytest.raises(UserError, match="frames must be 2 to 4, as many as a clip has, not 1"):
        build("clip_superres", frames=1)


def test_the_temporal_difference_by_hand() -> None:
    true = torch.tensor([0.0, 1, 3]).view(1, 1, 3, 1, 1)
    assert temporal_difference(true + 5, true).tolist() == [0.0]  # wrong by the same in all frames: no flicker
    made = torch.tensor([1.0, 1, 4]).view(1, 1, 3, 1, 1)  # changes by 0 and 3, not by 1 and 2
    assert temporal_difference(made, true).tolist() == [1.0]


def test_enlarged_clips_are_their_frames_enlarged() -> None:
    recipe = build("clip_superres")
    networks = nets.build(recipe, torch.device("cpu"))
    clips = torch.rand(2, 1, 3, 5, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert recipe.apply is not None
    assert recipe.tiling is not None
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        large = recipe.apply(networks.averaged, clips)
        assert large.shape == (2, 1, 3, 10, 12)
        assert recipe.tiling.scale == 2
        for t in range(3):
            torch.testing.assert_close(recipe.apply(networks.averaged, clips[:, :, t]), large[:, :, t])


def test_at_scale_1_clips_keep_their_size() -> None:
    recipe = build("clip_superres", scale=1, sigma=20.0)
    networks = nets.build(recipe, torch.device("cpu"))
    clips = torch.rand(2, 1, 3, 5, 6, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9
    assert recipe.apply is not None
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        torch.testing.assert_close(recipe.apply(networks.averaged, clips), clips)  # it begins as bicubic, which is they


def test_small_clips_have_fresh_noise_on_every_frame() -> None:
    recipe = build("clip_superres", sigma=20.0, resolution=[9, 8])
    assert recipe.example is not None
    still = {"clip": torch.zeros(4, 1, 3, 9, 8)}  # a row that does not divide by 2
    small = recipe.example(still, SampleDraws(0, range(4)))["inputs"]
    assert small.shape == (4, 1, 3, 4, 4)
    assert float(small.std()) == pytest.approx(20 / 127.5, rel=0.2)
    assert not torch.allclose(small[:, :, 0], small[:, :, 1])
    assert torch.equal(recipe.example(still, SampleDraws(0, range(4)))["inputs"], small)


def test_the_temporal_term_lowers_flicker(tmp_path: Path) -> None:
    """Clips of random dots that stand still under fresh noise: 60 steps with the term and without."""

    def still(start: int, count: int) -> dict[str, Tensor]:
        generators = [torch.Generator().manual_seed(position) for position in range(start, start + count)]
        pictures = [torch.rand(1, 1, 16, 16, generator=generator) * 2 - 1 for generator in generators]
        return {"clip": torch.stack([picture.expand(-1, 4, -1, -1) for picture in pictures])}

    def flicker(weight: float) -> float:
        options = dict(temporal_weight=weight, sigma=40.0, lr=3e-3, resolution=16)
        training = prepare("clip_superres", tmp_path / str(weight), **options)
        for _ in range(60):
            training.collector.read()
            loop.iterate(training, still, Guard(training.device))
        return training.collector.read()["G/flicker"]

    assert flicker(3.0) < 0.6 * flicker(0.0)
