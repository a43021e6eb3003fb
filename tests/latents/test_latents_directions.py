"""Directions, walks, truncation and classes, on generators whose answers are known."""

from __future__ import annotations

import pytest
import torch
from latent_models import SCALES, Linear, linear_model, model_of, no_truncation, style_model, turn
from tiny_models import tiny_model

from gantlet.errors import UserError
from gantlet.latents import ganspace, morph, sefa, space, traverse, truncation_sweep
from gantlet.latents.directions import first_layer, reading_layers

# Ways to read a label: an embedding beside z or multiplied with it, conditional norms, one-hot columns, a mapping to w.
READERS = [
    "r1gan",
    "acgan",
    "sngan",
    "cgan",
    "cgan_2014",
    "stylegan2",
    "biggan",
    "biggan_deep",
    "sagan",
    "r3gan",
]


def test_sefa_finds_the_singular_vectors() -> None:
    found = sefa(linear_model(), 3)
    assert found.vectors.shape == (3, 5)
    cosines = (found.vectors * turn()[:3]).sum(1).abs()
    assert cosines.tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert found.spreads.tolist() == pytest.approx([1, 1, 1], abs=0.15)  # of a standard normal z
    largest = found.vectors.gather(1, found.vectors.abs().argmax(1, keepdim=True))
    assert bool((largest > 0).all())


def test_ganspace_agrees_while_all_is_linear() -> None:
    found = ganspace(linear_model(), 3, samples=2000)
    cosines = (found.vectors * turn()[:3]).sum(1).abs()
    assert float(cosines.min()) > 0.95


def test_in_w_sefa_reads_the_affine_layers_and_ganspace_the_latents() -> None:
    model = style_model()
    G = model.nets.G
    A = torch.cat([layer.weight for layer in G.affine])
    expected = torch.linalg.svd(A).Vh
    found = sefa(model, 2)
    assert found.space.name == "w"
    assert (found.vectors * expected[:2]).sum(1).abs().tolist() == pytest.approx([1, 1], abs=1e-5)
    G.label.weight.data = torch.tensor([[0.0, 9, 0, 0, 0], [0.0, 0, 0, 0, 0], [0.0, -9, 0, 0, 0]])
    first = ganspace(model, 1).vectors[0]
    assert abs(float(first[1])) > 0.99


@pytest.mark.parametrize("name", [*READERS, "progan", "gan", "dcgan", "vae_gan", "bigan", "mmd_gan", "infogan"])
def test_every_kind_of_generator_has_layers_that_read_its_latent(name: str) -> None:
    model = tiny_model(name)
    for found in (sefa(model, 2, samples=64), ganspace(model, 2, samples=64)):
        assert torch.isfinite(found.vectors).all()
        torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(2))


def test_slopes_are_the_weights_where_the_layer_reads_the_latent_directly() -> None:
    model = linear_model()
    found = space(model, 16)
    slopes, outputs = first_layer(model, found, at=2)
    ((weights, outputs_too),) = reading_layers(model, found)
    torch.testing.assert_close(slopes, torch.cat([weights, weights]), rtol=1e-4, atol=1e-5)
    assert torch.equal(outputs, outputs_too)


def test_a_walk_passes_through_the_sample_it_starts_from() -> None:
    model = tiny_model("r1gan", spread=0.2)
    found = sefa(model, 2, samples=64)
    walks = traverse(found, 1, rows=3, steps=5, reach=2.0)
    assert walks.shape == (3, 5, 1, 8, 8)
    torch.testing.assert_close(walks[:, 2], found.space.pictures[:3], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(walks[:, 0], walks[:, 4])
    with pytest.raises(UserError, match="directions 0 to 1"):
        traverse(found, 2)


def test_a_walk_goes_as_far_as_it_says() -> None:
    """The first direction of the linear generator has gain SCALES[0]."""
    found = sefa(linear_model(), 1)
    walks = traverse(found, 0, rows=1, steps=3, reach=2.0)[0]
    far = (walks[2] - walks[0]).norm()
    assert float(far) == pytest.approx(float(4 * found.spreads[0] * SCALES[0]), rel=1e-4)


@pytest.mark.parametrize("name", READERS)
def test_morphing_ends_at_both_classes_with_the_latent_kept(name: str) -> None:
    model = tiny_model(name, spread=0.3)
    walk = morph(model, "class 0", 2, rows=3, steps=4, seed=1)
    assert walk.shape == (3, 4, 1, 8, 8)
    for column, y in ((0, 0), (3, 2)):
        torch.testing.assert_close(walk[:, column], model.sample(3, seed=1, label=y), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(walk[:, 1], walk[:, 0], atol=1e-4)
    assert not torch.allclose(walk[:, 2], walk[:, 3], atol=1e-4)


def test_morphing_needs_classes() -> None:
    with pytest.raises(UserError, match="without labels"):
        morph(linear_model(), 0, 1)
    with pytest.raises(UserError, match="class 7"):
        morph(style_model(), 0, "class 7")
    with pytest.raises(UserError, match="2 steps"):
        morph(style_model(), 0, 1, steps=1)
    deaf = model_of(Linear(turn()), no_truncation, num_classes=3)
    with pytest.raises(UserError, match="cannot be mixed"):
        morph(deaf, 0, 1)


def test_truncation_of_a_linear_generator_scales_its_pictures() -> None:
    model = linear_model()
    sweep = truncation_sweep(model, (0.0, 0.5, 1.0), rows=3, seed=4)
    samples = model.sample(3, seed=4)
    torch.testing.assert_close(sweep, torch.stack([samples * 0, samples / 2, samples], dim=1))
    with pytest.raises(UserError, match="no truncation"):
        truncation_sweep(tiny_model("gan"))


def test_straight_interpolation_passes_the_mean() -> None:
    model = linear_model()
    ends = model.sample(2, seed=3)
    straight = model.interpolate(1, 3, seed=3, straight=True)[0]
    torch.testing.assert_close(straight, torch.stack([ends[0], ends.mean(0), ends[1]]))
    assert not torch.allclose(model.interpolate(1, 3, seed=3)[0, 1], straight[1], atol=1e-3)


def test_points_are_what_samples_are_made_of() -> None:
    for model in (tiny_model("r1gan"), tiny_model("gan"), style_model()):
        found = space(model, 5, seed=2)
        torch.testing.assert_close(found.pictures, model.sample(5, seed=2), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.decode(found.points, found.beside), found.pictures, rtol=1e-5, atol=1e-5)
