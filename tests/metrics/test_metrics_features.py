import hashlib
import io
import os
import urllib.error

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gantlet.errors import UserError
from gantlet.metrics import classifier_features, fetch_inception, inception, inception_features, random_features
from gantlet.metrics.features import from_8_bits, to_8_bits
from gantlet.metrics.inception import clean_resize


class Classifier(nn.Module):
    """The smallest classifier with the interface that `classifier_features` asks for."""

    def __init__(self, twice: bool = False):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5))
        self.head = nn.Linear(4 * 36, 3)
        self.twice = twice
        self.calls = 0

    def features(self, x):
        self.calls += 1
        return self.body(x)

    def forward(self, x):
        return self.head(self.features(x)) * (2 if self.twice else 1)


def images(n: int = 5, channels: int = 1, size: int = 8) -> torch.Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_eight_bits_are_those_of_a_file():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_8_bits(from_8_bits(pixels)), pixels)
    assert to_8_bits(torch.tensor([-7.0, -1, 0, 1, 7])).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("twice", [False, True])
def test_classifier_features_are_those_of_the_network_in_eval_mode(twice):
    network = Classifier(twice).train()
    features = classifier_features(network, "tiny", channels=1, resolution=8, batch_size=2)
    assert network.training  # the network given is left alone
    x = from_8_bits(to_8_bits(images()))
    network.eval()
    found, logits = features(images())
    torch.testing.assert_close(found, network.features(x).detach())
    torch.testing.assert_close(logits, network(x).detach())
    assert (features.num_features, features.num_classes, features.rule) == (144, 3, "native")
    assert not found.requires_grad


def test_a_head_that_is_enough_saves_the_second_pass():
    for twice, calls in ((False, 1), (True, 2)):
        features = classifier_features(Classifier(twice), "tiny", channels=1, resolution=8)
        features.network.calls = 0
        features(images(3))
        assert features.network.calls == calls


def test_the_fingerprint_follows_the_weights_and_not_the_original():
    network = Classifier()
    before = classifier_features(network, "tiny", channels=1, resolution=8)
    values, _ = before(images())
    with torch.no_grad():
        network.head.bias += 1
        network.body[0].bias += 1
    after = classifier_features(network, "tiny", channels=1, resolution=8)
    assert before.fingerprint != after.fingerprint
    assert torch.equal(before(images())[0], values)
    assert classifier_features(network, "other", channels=1, resolution=8).fingerprint == after.fingerprint


def test_random_features_are_the_same_bits_everywhere():
    features = random_features(3)
    assert "random" in features.name
    assert "not comparable" in features.name
    torch.manual_seed(5)
    again = random_features(3)
    assert (
        again.fingerprint == features.fingerprint == "acec2483405a8fca138f74c84cfca1ec67d44610d5d602268bf77e2e1031187f"
    )
    assert random_features(3, seed=1).fingerprint != features.fingerprint
    found, logits = features(images(4, 3, 13))
    assert found.shape == (4, 64)
    assert logits is None
    assert torch.equal(found, again(images(4, 3, 13))[0])


def test_grey_is_replicated_and_nothing_else_is_guessed():
    features = random_features(3)
    grey = images(4, 1, 8)
    assert torch.equal(features(grey)[0], features(grey.expand(-1, 3, -1, -1))[0])
    with pytest.raises(UserError, match="3 channels"):
        features(images(4, 4, 8))


def test_batches_change_nothing():
    small, large = random_features(1, batch_size=2), random_features(1, batch_size=100)
    torch.testing.assert_close(small(images(7))[0], large(images(7))[0], rtol=1e-5, atol=1e-5)
    assert small(images(0))[0].shape == (0, 64)


def test_wrong_pictures_are_refused_in_words():
    features = classifier_features(Classifier(), "tiny", channels=1, resolution=8)
    for wrong, says in (
        (images(size=9), "8x8"),
        (images()[0], r"\[N, C, H, W\]"),
        (images().byte(), "float"),
        (images() * float("nan"), "diverged"),
    ):
        with pytest.raises(UserError, match=says):
            features(wrong)


def test_clean_resize_is_pillow_on_floats_channel_by_channel():
    pixels = torch.randint(256, (2, 3, 16, 20), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    out = clean_resize(pixels)
    assert out.shape == (2, 3, 299, 299)
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 255
    plane = Image.fromarray(pixels[1, 2].numpy().astype(np.float32), mode=None).resize((299, 299), Image.BICUBIC)
    assert np.array_equal(out[1, 2], np.asarray(plane).clip(0, 255))
    large = torch.randint(256, (1, 1, 598, 598), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert clean_resize(large).std() < 0.7 * large.float().std()  # antialiased
    same = torch.randint(256, (1, 1, 299, 299)).to(torch.uint8)
    assert torch.equal(clean_resize(same), same.float())


class FakeInception(nn.Module):
    """The interface of the published file: layers, and a forward that resizes."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.AvgPool2d(99), nn.Flatten(), nn.Linear(27, 6))
        self.output = nn.Linear(6, 4)

    def forward(
        self, img: torch.Tensor, return_features: bool = False, use_fp16: bool = False, no_output_bias: bool = False
    ) -> torch.Tensor:
        x = nn.functional.interpolate(img.float(), (299, 299), mode="bilinear") - 128
        x = self.layers(x / 128)
        if return_features:
            return x
        return self.output(x).softmax(1)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "fake.pt"
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(FakeInception()).save(str(path))
    return path


def test_inception_from_a_path_names_the_file(script):
    features = inception_features(script, logits=True)
    assert features.fingerprint == hashlib.sha256(script.read_bytes()).hexdigest()
    assert "not the standard" in features.name
    assert (features.rule, features.num_features, features.num_classes) == ("clean", 6, None)
    found, logits = features(images(3, 1, 32))
    pixels = clean_resize(to_8_bits(images(3, 1, 32))).expand(-1, 3, -1, -1)
    network = FakeInception()
    torch.testing.assert_close(found, network.layers((pixels - 128) / 128).detach())
    torch.testing.assert_close(logits.softmax(1), network(pixels).detach())


def test_the_tf_rule_leaves_resizing_to_the_file(script):
    features = inception_features(script, resize="tf")
    found, logits = features(images(3, 3, 32))
    expected = FakeInception()(to_8_bits(images(3, 3, 32)), return_features=True)
    torch.testing.assert_close(found, expected.detach())
    assert logits is None
    assert features.rule == "tf"


def test_wrong_files_are_refused_in_words(tmp_path, script):
    with pytest.raises(UserError, match="no file"):
        inception_features(tmp_path / "none.pt")
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(UserError, match="no TorchScript"):
        inception_features(tmp_path / "junk.pt")
    with pytest.raises(UserError, match="'clean' or 'tf'"):
        inception_features(script, resize="bilinear")


def served(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(inception.urllib.request, "urlopen", lambda *_, **__: io.BytesIO(data))


def test_fetching_keeps_nothing_but_the_right_file(monkeypatch, tmp_path):
    served(monkeypatch, b"another file")
    with pytest.raises(UserError, match="SHA-256"):
        fetch_inception(tmp_path)
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(b"the file").hexdigest())
    (tmp_path / inception.FILE).write_bytes(b"the fil")  # damaged: fetched again
    served(monkeypatch, b"the file")
    assert fetch_inception(tmp_path).read_bytes() == b"the file"
    served(monkeypatch, b"not asked again")
    assert fetch_inception(tmp_path).read_bytes() == b"the file"
    assert os.listdir(tmp_path) == [inception.FILE]


def test_no_network_is_a_sentence_with_a_way_out(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(inception.urllib.request, "urlopen", refuse)
    with pytest.raises(UserError, match="give its path"):
        inception_features(cache=tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_endless_answer_is_cut_off(monkeypatch, tmp_path):
    class Endless:
        read_bytes = 0

        def read(self, n):
            Endless.read_bytes += n
            return b"x" * n

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(inception, "BYTES", 5_000_000)
    monkeypatch.setattr(inception.urllib.request, "urlopen", lambda *_, **__: Endless())
    with pytest.raises(UserError, match="SHA-256"):
        fetch_inception(tmp_path)
    assert Endless.read_bytes == 5_000_001
