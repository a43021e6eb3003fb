"""Metrics: features and distances, samples in, numbers out, the whole protocol stored with the number."""

from gantlet.metrics.cache import FeatureKey, load_features, store_features
from gantlet.metrics.classes import class_coverage, class_divergence, label_accuracy, per_class_diversity
from gantlet.metrics.features import Features, classifier_features, random_features, weights_fingerprint
from gantlet.metrics.frechet import Moments, frechet_distance
from gantlet.metrics.inception import fetch_inception, inception_features
from gantlet.metrics.inception_score import inception_score
from gantlet.metrics.judge import Rules, cached_features, compare, judge, judge_images
from gantlet.metrics.judgement import Judgement
from gantlet.metrics.kernel import kernel_distance
from gantlet.metrics.manifold import neighbour_radii, precision_recall_density_coverage
from gantlet.metrics.pitch import pitch, pitch_accuracy
from gantlet.metrics.samples import FeatureSet, Samples, extract
from gantlet.metrics.sound import clipping_share, mel_l1, multi_resolution_stft, rms, silence_share, times_real_time
from gantlet.metrics.sound_pictures import SoundNumbers, log_mel_pictures

__all__ = [
    "FeatureKey",
    "FeatureSet",
    "Features",
    "Judgement",
    "Moments",
    "Rules",
    "Samples",
    "SoundNumbers",
    "cached_features",
    "class_coverage",
    "class_divergence",
    "classifier_features",
    "clipping_share",
    "compare",
    "extract",
    "fetch_inception",
    "frechet_distance",
    "inception_features",
    "inception_score",
    "judge",
    "judge_images",
    "kernel_distance",
    "label_accuracy",
    "load_features",
    "log_mel_pictures",
    "mel_l1",
    "multi_resolution_stft",
    "neighbour_radii",
    "per_class_diversity",
    "pitch",
    "pitch_accuracy",
    "precision_recall_density_coverage",
    "random_features",
    "rms",
    "silence_share",
    "store_features",
    "times_real_time",
    "weights_fingerprint",
]
