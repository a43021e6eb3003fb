"""Generating Sequences With Recurrent Neural Networks (Graves, 2013), arXiv:1308.0850.

Maximum likelihood and nothing else: the baseline that every text GAN begins with and must be compared to. The defaults
are those of SeqGAN's generator (Yu 2016, arXiv:1609.05473), whose table has it as MLE.
"""

from __future__ import annotations

from gantlet.networks.lstm import LSTM
from gantlet.recipe import Phase, Player, Recipe
from gantlet.recipes.optimizers import adam, inverse_decay
from gantlet.recipes.text.writing import Writing, maximum_likelihood, score

DATA = "lines"
TINY = dict(vocab_size=12, length=8, num_classes=2, width=6, hidden=8, layers=2, dropout=0.1, batch_size=4) | dict(
    average_halflife=100
)
QUICK: dict[str, dict[str, object]] = {  # benchmarks/results/text_captions.json
    "text_mle": dict(width=64, hidden=128, dropout=0.1, lr=4e-3, lr_halving=100_000, average_halflife=2_000)
}


def text_mle(
    *,
    vocab_size: int = 5000,  # symbols; filled from the data
    length: int = 20,  # tokens of a row, END included; filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    width: int = 32,  # numbers of an embedding (SeqGAN's code)
    hidden: int = 32,  # units of an LSTM layer (idem)
    layers: int = 1,  # idem
    dropout: float = 0.0,  # before and after the LSTM, and between its layers (Zaremba 2014); SeqGAN has none
    lr: float = 1e-2,  # Adam (SeqGAN's code)
    lr_halving: int | None = None,  # samples after which lr has halved, as lr / (1 + samples / this); None: constant
    beta1: float = 0.9,  # idem, TensorFlow's default
    beta2: float = 0.999,  # idem
    clip_norm: float = 5.0,  # largest norm of the gradient (idem)
    batch_size: int = 64,  # idem
    average_halflife: int | None = None,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """An LSTM that predicts each symbol from those before it."""
    G = LSTM(vocab_size, width, hidden, layers, dropout, num_classes)
    player = Player(
        networks={"G": G},
        optimizer=adam(lr, (beta1, beta2)),
        schedule=inverse_decay(lr, lr_halving),
        clip_norm=clip_norm,
        average_halflife=average_halflife,
    )
    return Recipe(
        players={"G": player},
        phases=(Phase(player="G", loss=maximum_likelihood),),
        batch_size=batch_size,
        sample=Writing(length).sample,
        score=score,
    )
