"""A calibrated reading's uncertainty, on drawn pictures of themes that it was not fitted on."""

import numpy as np
import torch

from emofeedback.embedded.scorer import load_scorer
from emofeedback.reading.calibration import fit_calibration
from training.world.dataset import picture_set

SPLITS = 12
PEOPLE_DIFFER = 0.6
HONEST = 0.683


def test_two_thirds_of_new_pictures_lie_within_the_calibrated_spread():
    drawn = picture_set(120, seed=31, size=128, split="any")
    images = torch.from_numpy(np.array(drawn.pictures)).float() / 255
    readings = load_scorer().score(images)
    raw = np.array([(r.emotion.valence, r.emotion.arousal) for r in readings])
    read, stated = 1.6 * raw + 0.5, 1.6 * np.array([r.uncertainty for r in readings])
    true = np.array([tuple(scene.emotion) for scene in drawn.scenes])
    themes = np.array([scene.place for scene in drawn.scenes])
    shares = {"scaled": [], "widened": []}
    for seed in range(SPLITS):
        random = np.random.default_rng(seed)
        felt = (true + random.normal(0, PEOPLE_DIFFER, true.shape)).clip(-3, 3)
        seen = np.isin(themes, random.permutation(np.unique(themes))[::2])
        fit = fit_calibration(
            "half", felt[seen], read[seen], themes[seen], stated[seen]
        ).calibration
        missed = np.abs((read * fit.scale + fit.offset).clip(-3, 3) - felt)
        widened = np.array([fit.spread(*pair) for pair in stated])
        shares["scaled"].append((missed <= stated * fit.scale)[~seen].mean())
        shares["widened"].append((missed <= widened)[~seen].mean())
    assert np.mean(shares["scaled"]) < 0.5
    assert abs(np.mean(shares["widened"]) - HONEST) < 0.06
