"""Remedies: small changes to a recipe, Recipe -> Recipe, each against one trouble. `NAMES` is the whole list.

They are applied in this order, whatever the order they are asked for in. Pictures on their way into D meet them in this
order too: augmentation, then noise, then packing.
"""

NAMES: dict[str, str] = {
    "apa": "gantlet.remedies.apa",
    "holdout": "gantlet.remedies.holdout",
    "label_smoothing": "gantlet.remedies.label_smoothing",
    "lecam": "gantlet.remedies.lecam",
    "feature_matching": "gantlet.remedies.feature_matching",
    "bcr": "gantlet.remedies.consistency",
    "zcr": "gantlet.remedies.consistency",
    "top_k": "gantlet.remedies.top_k",
    "mode_seeking": "gantlet.remedies.mode_seeking",
    "adversarial_samples": "gantlet.remedies.adversarial_samples",
    "diffaugment": "gantlet.remedies.diffaugment",
    "little_data": "gantlet.remedies.diffaugment",
    "ada": "gantlet.remedies.ada",
    "auto": "gantlet.remedies.auto",
    "instance_noise": "gantlet.remedies.instance_noise",
    "packing": "gantlet.remedies.packing",
    "minibatch_std": "gantlet.remedies.minibatch",
    "minibatch_discrimination": "gantlet.remedies.minibatch",
    "virtual_batch_norm": "gantlet.remedies.virtual_batch_norm",
    "multi_scale": "gantlet.remedies.multi_scale",
    "historical_averaging": "gantlet.remedies.historical_averaging",
    "gradient_clipping": "gantlet.remedies.optimization",
    "sgd": "gantlet.remedies.optimization",
}
