"""Recipes: a paper each. `NAMES` is the whole list; `catalogue.py` finds them and reads their arguments."""

NAMES: dict[str, str] = {
    "gan": "gantlet.recipes.images.gan",
    "gan_2014": "gantlet.recipes.images.gan",
    "cgan": "gantlet.recipes.images.cgan",
    "cgan_2014": "gantlet.recipes.images.cgan",
    "dcgan": "gantlet.recipes.images.dcgan",
    "acgan": "gantlet.recipes.images.acgan",
    "lsgan": "gantlet.recipes.images.lsgan",
    "wgan": "gantlet.recipes.images.wgan",
    "wgan_gp": "gantlet.recipes.images.wgan_gp",
    "wgan_gp_resnet": "gantlet.recipes.images.wgan_gp",
    "dragan": "gantlet.recipes.images.dragan",
    "sngan": "gantlet.recipes.images.sngan",
    "sngan_cnn": "gantlet.recipes.images.sngan",
    "r1gan": "gantlet.recipes.images.r1gan",
    "classifier": "gantlet.recipes.images.classifier",
}
