"""Encoding and projection: known latents are found again, and picture i's result is its own."""

from __future__ import annotations

import pytest
import torch
from latent_models import linear_model, style_model
from tiny_models import tiny_model

from gantlet.errors import UserError
from gantlet.latents import project, space


@pytest.mark.parametrize("name", ["vae", "vae_conv", "vae_gan", "bigan"])
def test_encode_and_reconstruct(name: str) -> None:
    model = tiny_model(name)
    pictures = model.sample(5)
    z = model.encode(pictures)
    assert z.shape == (5, 4)
    torch.testing.assert_close(model.encode(pictures, batch_size=2), z)
    with torch.no_grad():
        torch.testing.assert_close(model.reconstruct(pictures, batch_size=2), model.nets.G(z))
        expected = model.nets.E(pictures)
    torch.testing.assert_close(z, expected if name == "bigan" else expected[0])


def test_encode_refuses_what_does_not_fit() -> None:
    model = tiny_model("vae")
    for shape in ((2, 3, 8, 8), (2, 1, 8, 9), (1, 8, 8), (0, 1, 8, 8)):
        with pytest.raises(UserError, match=r"\[N, 1, 8, 8\]"):
            model.encode(torch.zeros(shape))
    with pytest.raises(UserError, match="no encoder"):
        tiny_model("sngan", num_classes=0).encode(torch.zeros(2, 1, 8, 8))


def test_a_sample_that_was_not_in_the_pool_is_found_again() -> None:
    model = linear_model()
    wanted = model.sample(6, seed=99)
    found = project(model, wanted, pool=50, steps=300, lr=0.2)
    assert found.space == "z"
    assert found.labels is None
    assert float(found.distance.max()) < 0.03
    assert float(found.pixel_distance.max()) < 0.03
    with torch.no_grad():
        torch.testing.assert_close(model.nets.G(found.points), found.pictures)


def test_more_search_is_better_and_never_worse_than_the_nearest_sample() -> None:
    model = tiny_model("r1gan", spread=0.2, num_classes=0)
    wanted = model.sample(4, seed=7)
    before, after = (project(model, wanted, pool=64, steps=steps) for steps in (1, 40))
    pool = space(model, 64).pictures
    nearest = torch.cdist(wanted.flatten(1), pool.flatten(1)).amin(1)
    unit = torch.cdist(wanted.flatten(1), pool.flatten(1)).square().mean(1).sqrt()
    both = [(found.distance.square() + found.pixel_distance.square()).sum() for found in (before, after)]
    assert both[1] < 0.7 * both[0]
    assert bool((after.pixel_distance < nearest / unit).any())


def test_the_result_of_a_picture_does_not_depend_on_the_others() -> None:
    model = tiny_model("r1gan", spread=0.2, num_classes=0)
    wanted = model.sample(5, seed=3)
    whole = project(model, wanted, pool=32, steps=10, restarts=2)
    alone = project(model, wanted[3:4], pool=32, steps=10, restarts=2)
    small = project(model, wanted, pool=32, steps=10, restarts=2, batch_size=2)
    torch.testing.assert_close(alone.points, whole.points[3:4], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(small.points, whole.points, rtol=1e-3, atol=1e-3)
    assert torch.equal(whole.points, project(model, wanted, pool=32, steps=10, restarts=2).points)


def test_the_class_is_found_with_the_latent_and_kept_when_given() -> None:
    model = style_model()
    model.nets.G.label.weight.data = torch.tensor([[-4.0] * 5, [0.0] * 5, [4.0] * 5])
    wanted = model.sample(6, seed=5, label=[0, 1, 2, 0, 1, 2])
    found = project(model, wanted, pool=200, steps=20)
    assert found.space == "w"
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert project(model, wanted, pool=50, steps=2, label="class 1").labels.tolist() == [1] * 6  # type: ignore[union-attr]


def test_uniform_latents_stay_in_their_box() -> None:
    model = tiny_model("gan", spread=0.3)
    found = project(model, torch.ones(3, 1, 8, 8), pool=64, steps=30, lr=0.5)
    assert float(space(model, 64).points.abs().max()) <= 1
    assert float(found.points.abs().max()) <= 1


def test_nothing_of_the_model_changes() -> None:
    model = tiny_model("r1gan", num_classes=0)
    before = {key: value.clone() for key, value in model.nets.G.state_dict().items()}
    project(model, model.sample(2), pool=8, steps=3)
    assert all(torch.equal(value, before[key]) for key, value in model.nets.G.state_dict().items())
    assert all(not p.requires_grad and p.grad is None for p in model.nets.G.parameters())
    assert not model.nets.G._forward_pre_hooks


def test_mistakes() -> None:
    model = linear_model()
    for options in ({"steps": 0}, {"restarts": 0}, {"pool": 2}, {"lr": 0.0}):
        with pytest.raises(UserError, match="at least 1 step"):
            project(model, torch.zeros(1, 1, 4, 4), **options)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"\[N, 1, 4, 4\]"):
        project(model, torch.zeros(1, 1, 5, 4))
    with pytest.raises(UserError, match="no latent space"):
        project(tiny_model("classifier"), torch.zeros(1, 1, 8, 8))
