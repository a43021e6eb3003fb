"""The networks have the layers, shapes and parameter counts of their papers, counted here from the layer lists."""

from __future__ import annotations

import torch
from network_counts import batch_norm, conv, linear, parameters, shapes
from torch import nn

from gantlet.layers.spectral_norm import spectral
from gantlet.networks import acgan, classifier, cnn, dcgan, mlp, resnet

Y = torch.tensor([0, 1])


def picture(channels: int, side: int) -> torch.Tensor:
    return torch.zeros(2, channels, side, side)


def test_dcgan_64_generator() -> None:
    """Radford 2016, Fig. 1: 100 -> 1024x4x4 -> 512x8x8 -> 256x16x16 -> 128x32x32 -> 3x64x64, no bias before a norm."""
    network = dcgan.Generator(latent_dim=100, channels=3, resolution=64, width=128)
    ups = [module for module in network.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert [(up.in_channels, up.out_channels) for up in ups] == [(1024, 512), (512, 256), (256, 128), (128, 3)]
    assert {(up.kernel_size, up.stride, up.padding) for up in ups} == {((4, 4), (2, 2), (1, 1))}
    out = shapes(network, nn.ConvTranspose2d, torch.zeros(2, 100))
    assert out == [(512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]
    by_hand = linear(100, 1024 * 4 * 4, bias=False) + batch_norm(1024)
    by_hand += conv(1024, 512, 4, bias=False) + batch_norm(512)
    by_hand += conv(512, 256, 4, bias=False) + batch_norm(256)
    by_hand += conv(256, 128, 4, bias=False) + batch_norm(128)
    by_hand += conv(128, 3, 4)
    assert parameters(network) == by_hand == 12_658_435


def test_dcgan_64_discriminator() -> None:
    """Four 4x4 stride-2 convolutions 64-128-256-512, norms but on the first, LeakyReLU(.2), one logit."""
    network = dcgan.Discriminator(channels=3, resolution=64, width=64)
    assert shapes(network, nn.Conv2d, picture(3, 64)) == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]
    assert [m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d)] == [128, 256, 512]
    assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    by_hand = conv(3, 64, 4) + conv(64, 128, 4, bias=False) + batch_norm(128)
    by_hand += conv(128, 256, 4, bias=False) + batch_norm(256) + conv(256, 512, 4, bias=False) + batch_norm(512)
    by_hand += linear(512 * 4 * 4, 1)
    assert parameters(network) == by_hand
    assert network(picture(3, 64)).shape == (2,)


def test_critic_without_norm_has_biases_instead() -> None:
    network = dcgan.Discriminator(channels=1, resolution=28, width=64, norm=None)
    assert parameters(network) == conv(1, 64, 4) + conv(64, 128, 4) + linear(128 * 7 * 7, 1)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_sngan_32_generator() -> None:
    """Miyato 2018, Table 4a: dense 4x4x256, three up blocks of 256, BN, ReLU, 3x3 conv 3, tanh."""
    network = resnet.Generator(latent_dim=128, channels=3, resolution=32, width=256)
    assert shapes(network, resnet.UpBlock, torch.zeros(2, 128)) == [(256, 8, 8), (256, 16, 16), (256, 32, 32)]
    block = 2 * batch_norm(256) + 2 * conv(256, 256, 3) + conv(256, 256, 1)
    by_hand = linear(128, 256 * 4 * 4) + 3 * block + batch_norm(256) + conv(256, 3, 3)
    assert parameters(network) == by_hand == 4_276_739


def test_sngan_32_discriminator() -> None:
    """Miyato 2018, Table 4b: two down blocks, two plain ones, 128 maps, sum pooling, dense 1; 32 pixels end at 8x8."""
    network = spectral(resnet.Discriminator(channels=3, resolution=32, width=128))
    out = shapes(network, resnet.Block, picture(3, 32))
    assert out == [(128, 16, 16), (128, 8, 8), (128, 8, 8), (128, 8, 8)]
    first = conv(3, 128, 3) + conv(128, 128, 3) + conv(3, 128, 1)
    second = 2 * conv(128, 128, 3) + conv(128, 128, 1)
    plain = 2 * conv(128, 128, 3)  # their shortcut is the identity
    assert parameters(network) == first + second + 2 * plain + linear(128, 1) == 1_053_825
    wrapped = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(wrapped) == 2 * 4 + 2 + 1  # eight of blocks, two shortcuts, one logit
    assert all(hasattr(module, "parametrizations") for module in wrapped)


def test_sngan_with_labels() -> None:
    """Conditional norms: a gain and a bias of 256 per class, in two norms of three blocks; a projection of 128 in D."""
    plain, labelled = (resnet.Generator(128, 3, 32, 256, num_classes) for num_classes in (0, 10))
    assert parameters(labelled) - parameters(plain) == 3 * 2 * (2 * 10 * 256 - 2 * 256)
    plain_d, labelled_d = (resnet.Discriminator(3, 32, 128, num_classes) for num_classes in (0, 10))
    assert parameters(labelled_d) - parameters(plain_d) == 10 * 128


def test_wgan_gp_critic_averages_where_sngan_sums() -> None:
    """Gulrajani 2017, appendix F takes the mean over 8x8 positions: 64 times less than the sum, before the bias."""
    torch.manual_seed(0)
    of_sum, of_mean = resnet.Discriminator(3, 32, 8), resnet.Discriminator(3, 32, 8, mean=True)
    of_mean.load_state_dict(of_sum.state_dict())
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(of_sum(x), 64 * of_mean(x), rtol=1e-4, atol=1e-5)


def test_cnn_32() -> None:
    """Miyato 2018, Table 3, without D's 3x3 layers after the first: G 512-256-128-64, D 64-128-256-512."""
    generator = cnn.Generator(latent_dim=128, channels=3, resolution=32, width=64)
    assert shapes(generator, nn.ConvTranspose2d, torch.zeros(2, 128)) == [(256, 8, 8), (128, 16, 16), (64, 32, 32)]
    by_hand = linear(128, 512 * 4 * 4) + batch_norm(512) + conv(512, 256, 4, bias=False) + batch_norm(256)
    by_hand += conv(256, 128, 4, bias=False) + batch_norm(128) + conv(128, 64, 4, bias=False) + batch_norm(64)
    assert parameters(generator) == by_hand + conv(64, 3, 3)
    critic = cnn.Discriminator(channels=3, resolution=32, width=64)
    assert shapes(critic, nn.Conv2d, picture(3, 32)) == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]
    by_hand = conv(3, 64, 3) + conv(64, 128, 4) + conv(128, 256, 4) + conv(256, 512, 4) + linear(512 * 4 * 4, 1)
    assert parameters(critic) == by_hand


def test_acgan_32_generator() -> None:
    """Odena 2017, Table 2: 110 -> 384 -> 192 -> 96 -> 3, kernels 5x5, stride 2."""
    network = acgan.Generator(latent_dim=110, channels=3, resolution=32, num_classes=10, width=96)
    ups = [module for module in network.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert [(up.in_channels, up.out_channels) for up in ups] == [(384, 192), (192, 96), (96, 3)]
    assert {(up.kernel_size, up.stride) for up in ups} == {((5, 5), (2, 2))}
    assert shapes(network, nn.ConvTranspose2d, torch.zeros(2, 110), Y) == [(192, 8, 8), (96, 16, 16), (3, 32, 32)]
    by_hand = 10 * 110 + linear(110, 384 * 4 * 4) + conv(384, 192, 5, bias=False) + batch_norm(192)
    by_hand += conv(192, 96, 5, bias=False) + batch_norm(96) + conv(96, 3, 5)
    assert parameters(network) == by_hand


def test_acgan_32_discriminator() -> None:
    """Odena 2017, Table 2: 16-32-64-128-256-512, 3x3, strides 2 and 1, norms but on the first, dropout .5, 2 heads."""
    network = acgan.Discriminator(channels=3, resolution=32, num_classes=10)
    out = shapes(network, nn.Conv2d, picture(3, 32))
    assert out == [(16, 16, 16), (32, 16, 16), (64, 8, 8), (128, 8, 8), (256, 4, 4), (512, 4, 4)]
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.5] * 6
    by_hand = conv(3, 16, 3) + linear(512 * 4 * 4, 1) + linear(512 * 4 * 4, 10)
    for inputs, outputs in ((16, 32), (32, 64), (64, 128), (128, 256), (256, 512)):
        by_hand += conv(inputs, outputs, 3, bias=False) + batch_norm(outputs)
    assert parameters(network) == by_hand
    logits, class_logits = network(picture(3, 32))
    assert (logits.shape, class_logits.shape) == ((2,), (2, 10))


def test_gan_2014() -> None:
    """Goodfellow 2014, `mnist.yaml`: G 100-1200-1200-784; D two maxout layers of 240 units of 5 pieces."""
    generator = mlp.Generator(latent_dim=100, channels=1, resolution=28)
    assert parameters(generator) == linear(100, 1200) + linear(1200, 1200) + linear(1200, 784)
    critic = mlp.MaxoutDiscriminator(channels=1, resolution=28)
    assert parameters(critic) == linear(784, 240 * 5) + linear(240, 240 * 5) + linear(240, 1)
    assert [m.p for m in critic.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.5, 0.5]


def test_cgan_2014() -> None:
    """Mirza & Osindero 2014, 4.1: z to 200 and y to 1000, joint 1200; D x 240x5, y 50x5, joint 240x4."""
    generator = mlp.Generator(latent_dim=100, channels=1, resolution=28, hidden=(200, 1200), num_classes=10)
    by_hand = linear(100, 200) + linear(10, 1000) + linear(1200, 1200) + linear(1200, 784)
    assert parameters(generator) == by_hand
    critic = mlp.MaxoutDiscriminator(channels=1, resolution=28, num_classes=10)
    by_hand = linear(784, 240 * 5) + linear(10, 50 * 5) + linear(240 + 50, 240 * 4) + linear(240, 1)
    assert parameters(critic) == by_hand


def test_classifier() -> None:
    network = classifier.Classifier(channels=1, num_classes=10)
    assert shapes(network, nn.Conv2d, picture(1, 28)) == [(32, 28, 28), (64, 14, 14), (128, 7, 7)]
    assert network.features(picture(1, 28)).shape == (2, 128)
    by_hand = conv(1, 32, 3, bias=False) + conv(32, 64, 3, bias=False) + conv(64, 128, 3, bias=False)
    by_hand += batch_norm(32) + batch_norm(64) + batch_norm(128) + linear(128 * 4, 128) + linear(128, 10)
    assert parameters(network) == by_hand
