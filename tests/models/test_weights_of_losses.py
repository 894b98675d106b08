"""Weights of losses: below 0 each is refused by name, before a network is made."""

import pytest
from reverie import models
from reverie.errors import UserError

WORDS = (("color", ("red", "blue"), ""), ("object", ("hat", "ball"), ""))


@pytest.mark.parametrize(
    ("family", "section", "name"),
    [
        ("xcov", "", "reconstruction_weight"),
        ("xcov", "", "classification_weight"),
        ("xcov", "", "covariance_weight"),
        ("replay", "", "generative_weight"),
        ("replay", "", "fourier_deviation"),
        ("replay", "", "importance_samples"),
        ("replay", "", "latent_units"),
        ("beta_vae", "vision", "capacity"),
        ("scan", "symbols", "beta"),
        ("scan", "symbols", "alignment"),
        ("jmvae", "", "alpha"),
        ("jmvae", "", "words_weight"),
        ("telbo", "", "alpha_x"),
        ("telbo", "", "alpha_y"),
        ("telbo", "", "l1"),
    ],
)
def test_a_weight_below_0_is_refused_by_its_name(family, section, name):
    content = {section: {name: -1}} if section else {name: -1}
    words = {"attributes": WORDS} if family in ("scan", "jmvae", "telbo") else {}
    with pytest.raises(UserError, match=rf"model\.{section + '.' if section else ''}{name} is -1; expected 0 or more"):
        models.build({"family": family, **content, **words}, 0)
