import json
import os

import pytest
import torch

from gantlet.errors import UserError
from gantlet.metrics import (
    FeatureKey,
    FeatureSet,
    Judgement,
    Rules,
    Samples,
    cached_features,
    classifier_features,
    compare,
    extract,
    judge,
    judge_images,
    load_features,
    random_features,
    store_features,
)

from .helpers import normal

RULES = Rules(subset_size=50, subsets=5, neighbours=3)


def images(n: int, seed: int, shift: float = 0.0, channels: int = 1) -> torch.Tensor:
    """Smooth pictures, so that random features tell one shift from another."""
    noise = torch.rand(n, channels, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return (torch.nn.functional.interpolate(noise, size=(8, 8), mode="bilinear") + shift).clamp(-1, 1)


@pytest.fixture(scope="module")
def random():
    return random_features(1, num_features=16)


@pytest.fixture(scope="module")
def classifier():
    class Means(torch.nn.Module):
        """Two classes, by the mean of the picture."""

        def features(self, x):
            return torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)

        def forward(self, x):
            mean = x.mean((1, 2, 3))
            return torch.stack([-mean, mean], dim=1) * 50

    return classifier_features(Means(), "means", channels=1, resolution=8)


def judged(features, fake, **options) -> Judgement:
    options = {"reference_split": "train, all", "rules": RULES, **options}
    return judge_images(fake, images(300, 0), images(250, 1), features, **options)


def test_every_number_stands_beside_its_floor(classifier):
    good, bad = (judged(classifier, images(200, 2, shift)) for shift in (0.0, 0.4))
    for judgement in (good, bad):
        for name in ("fid", "kid", "kid_std", "inception_score", "precision", "recall", "density", "coverage"):
            assert isinstance(judgement.values[name], float)
            assert isinstance(judgement.floor[name], float)
        assert judgement.values["classes_covered"] in (1, 2)
        assert judgement.fid_over_floor == judgement.values["fid"] / judgement.floor["fid"]
    assert good.floor == bad.floor
    assert good.fid_over_floor < 3 < bad.fid_over_floor
    assert good.values["coverage"] > bad.values["coverage"]


def test_the_floor_of_real_data_is_about_itself(random):
    judgement = judged(random, images(250, 7))
    assert judgement.fid_over_floor == pytest.approx(1, abs=0.6)
    assert judgement.protocol["counts"] == {"samples": 250, "reference": 300, "floor": 250}


def test_the_floor_has_as_many_images_as_the_samples(random):
    judgement = judged(random, images(100, 2))
    assert judgement.protocol["counts"]["floor"] == 100
    assert judgement.floor == judged(random, images(100, 3)).floor
    assert not any("floor has" in text for text in judgement.warnings)
    assert any("floor has 250" in text for text in judged(random, images(280, 2)).warnings)


def test_labels_and_what_cannot_be_computed(classifier, random):
    fake = images(100, 2)
    labels = (fake.mean((1, 2, 3)) > 0).long()
    judgement = judged(classifier, fake, fake_labels=labels)
    assert judgement.values["label_accuracy"] == 1
    assert judgement.absent == {"floor label_accuracy": "no labels were given"}
    assert 0.3 < judgement.values["class_diversity"] < 3
    without = judged(random, fake, fake_labels=labels)
    assert "label_accuracy" not in without.values
    assert without.absent["inception_score"] == "the extractor gives no logits"
    assert "data's classes" in without.absent["classes_covered"]


def test_a_number_that_cannot_be_had_is_absent_with_its_reason(random):
    judgement = judged(random, images(3, 2))
    assert "at least 4" in judgement.absent["precision"]
    assert not {"precision", "recall", "density", "coverage"} & set(judgement.values)
    assert "fid" in judgement.values
    features = normal(50, 16, 0)
    broken = judge(features * float("nan"), None, features, None, extractor=random, reference_split="x", rules=RULES)
    assert broken.values == {}
    assert "NaN" in broken.absent["fid"]
    assert broken.absent["floor"] == "no second set of real data was given"
    text = "\n".join(broken.lines())
    assert "no number could be computed" in text
    assert "nan" not in json.dumps(broken.to_json())


def test_all_that_a_number_rests_on_is_stored_and_printed(classifier):
    judgement = judged(
        classifier, images(200, 2), data_fingerprint="d" * 64, source="step 100, averaged", floor_split="test, all"
    )
    stored = json.loads(json.dumps(judgement.to_json()))
    assert Judgement.from_json(stored) == Judgement.from_json(judgement.to_json())
    protocol = stored["protocol"]
    assert protocol["extractor"]["fingerprint"] == classifier.fingerprint
    assert protocol["extractor"]["num_features"] == 4
    assert protocol["kernel"]["subset_size"] == 50
    assert protocol["manifold"]["neighbours"] == 3
    assert protocol["rules"]["seed"] == 0
    for rendered in (judgement.lines(), Judgement.from_json(stored).lines()):
        text = "\n".join(rendered)
        for needed in (
            "fid@native", "means", classifier.fingerprint[:12], "4 features", "200, step 100, averaged",
            "300 of train, all", "200 of test, all", "8 bits", "dddddddddddd", "3 neighbours", "5 subsets of 50",
            "x floor", "gantlet",
        ):  # fmt: skip
            assert needed in text
    for needed in ("fid@native", "floor", "means", "200 against 300 of train, all"):
        assert needed in judgement.line()


def test_few_samples_and_random_features_are_warned_of(random):
    said = " ".join(judged(random, images(10, 2)).warnings)
    assert "10 samples are no more than the 16 features" in said
    assert "random features" in said
    same = judge_images(images(50, 2), images(60, 0), images(60, 0), random, reference_split="x", rules=RULES)
    assert same.protocol["counts"]["floor"] == 50
    whole = judge_images(images(60, 2), images(60, 0), images(60, 0), random, reference_split="x", rules=RULES)
    assert any("reference itself" in text for text in whole.warnings)


def test_a_floor_is_lent_only_by_the_same_floor(random, monkeypatch):
    first = judged(random, images(100, 2))
    lent = judged(random, images(100, 3), previous=first)
    assert lent.floor == first.floor
    assert lent.to_json() == judged(random, images(100, 3)).to_json()
    marked = Judgement.from_json({**first.to_json(), "floor": {"fid": 1234.0}})
    assert judged(random, images(100, 3), previous=marked).floor == {"fid": 1234.0}
    other_rules = judged(random, images(100, 3), previous=marked, rules=Rules(subset_size=50, subsets=5))
    assert other_rules.floor != marked.floor
    assert judged(random, images(90, 3), previous=marked).floor != marked.floor


def test_pictures_may_come_in_any_form(random):
    x, labels = images(20, 0), torch.arange(20) % 2
    whole = extract(x, random)
    for form in (
        [x[:7], x[7:]],
        (part for part in (x[:7], x[7:])),
        [{"image": x[:7], "label": labels[:7]}, {"image": x[7:], "label": labels[7:]}],
        Samples(images=x, labels=labels),
    ):
        found = extract(form, random)
        torch.testing.assert_close(found.features, whole.features, rtol=1e-5, atol=1e-5)
        assert found.labels is None or torch.equal(found.labels, labels)
    with pytest.raises(UserError, match="no images"):
        extract([], random)
    with pytest.raises(UserError, match="3 labels"):
        extract(Samples(images=x, labels=labels[:3]), random)


def test_two_sets_of_pictures_can_be_compared(random):
    judgement = compare(
        images(60, 0), images(60, 1), random, second_name="folder b", first_name="folder a", rules=RULES
    )
    assert judgement.floor == {}
    assert judgement.fid_over_floor is None
    text = "\n".join(judgement.lines())
    assert "folder a" in text
    assert "none given" in text


def key_of(features, data="d") -> FeatureKey:
    return FeatureKey.of(features, data=data, rule="train, all")


def test_features_are_found_again_by_their_key_alone(tmp_path, random):
    values = FeatureSet(features=normal(5, 16, 0), logits=normal(5, 3, 1), labels=torch.arange(5))
    key = key_of(random)
    path = store_features(tmp_path, key, values)
    assert os.listdir(tmp_path) == [path.name]
    found = load_features(tmp_path, key)
    assert found.fingerprint() == values.fingerprint()
    assert load_features(tmp_path, key_of(random, "other")) is None
    assert load_features(tmp_path, key_of(random_features(1, seed=1, num_features=16))) is None
    os.replace(path, key_of(random, "other").path(tmp_path))  # a file under a name that is not its own
    assert load_features(tmp_path, key_of(random, "other")) is None


def test_a_damaged_cache_file_is_written_anew(tmp_path, random):
    key, values = key_of(random), FeatureSet(features=normal(5, 16, 0))
    path = store_features(tmp_path, key, values)
    data = path.read_bytes()
    flipped = bytearray(data)
    flipped[-3] ^= 64
    for damaged in (b"", b"junk", data[:-1], data[: len(data) // 2], bytes(flipped), data + b"x"):
        path.write_bytes(damaged)
        assert load_features(tmp_path, key) is None
        assert cached_features(tmp_path, key, lambda: values) is values
        assert load_features(tmp_path, key).fingerprint() == values.fingerprint()
        assert os.listdir(tmp_path) == [path.name]


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, random):
    (tmp_path / "file").write_text("in the way")
    values = FeatureSet(features=normal(5, 16, 0))
    assert cached_features(tmp_path / "file", key_of(random), lambda: values) is values


def test_cached_pictures_are_not_read_again(tmp_path, random):
    def real(seed):
        read.append(seed)
        yield from images(100, seed).split(30)

    def judged_with(data):
        return judge_images(
            images(50, 2), real(0), real(1), random, reference_split="train, all", floor_split="test, all",
            data_fingerprint=data, cache=tmp_path, rules=RULES,
        )  # fmt: skip

    read = []
    first = judged_with("a")
    assert read == [0, 1]
    again = judged_with("a")
    assert read == [0, 1]
    assert again.to_json() == first.to_json()
    judged_with("b")
    assert read == [0, 1, 0, 1]


def test_features_of_two_networks_are_not_compared(random):
    with pytest.raises(UserError, match="same network"):
        judge(normal(9, 4, 0), None, normal(9, 5, 0), None, extractor=random, reference_split="x")
