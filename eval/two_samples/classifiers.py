"""The two classifiers, and the scores that they give to tiles of patients they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from eval.statistics.bootstrap import keyed_random
from eval.two_samples.scaled import NETWORK, TEXTURE
from hpc.extras import missing_extra

Floats = NDArray[np.float64]

LOGISTIC = "logistic regression (L2, C = 0.1) on standardised features"
BOOSTING = "gradient boosting (100 trees of 8 leaves, rate 0.1)"
CLASSIFIER_OF = {NETWORK: LOGISTIC, TEXTURE: BOOSTING}
USE_OF = {
    NETWORK: "mean weight of the standardised feature over the folds; above 0: more in synthetic",
    TEXTURE: "fall of the AUC where the feature is shuffled among tiles not trained on",
}
_PERMUTATION_KEY = 7


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """How sure each tile is called synthetic (N,), by a classifier that has not seen its group.

    `use_D` says how much each feature was used, in the words of `USE_OF`.
    """

    scores_N: Floats
    use_D: Floats


def out_of_fold(
    kind: str, features_ND: Floats, synthetic_N: NDArray[np.bool_], fold_N: NDArray[np.int64]
) -> Scores:
    """Train without each fold in turn, and score it. Raises InputError without scikit-learn."""
    sklearn = _scikit_learn()
    scores_N, uses = np.zeros(len(features_ND)), []
    for fold in range(fold_N.max() + 1):
        left_out = fold_N == fold
        model = _MODELS[kind](sklearn)
        model.fit(features_ND[~left_out], synthetic_N[~left_out])
        scores_N[left_out] = model.decision_function(features_ND[left_out])
        uses.append(_USES[kind](model, features_ND[left_out], synthetic_N[left_out]))
    return Scores(scores_N=scores_N, use_D=np.mean(uses, axis=0))


def area(scores_N: Floats, synthetic_N: NDArray[np.bool_]) -> float:
    """The chance that a synthetic tile has a higher score than a real one, ties one half."""
    positive, negative = int(synthetic_N.sum()), int((~synthetic_N).sum())
    ranks = rankdata(scores_N)[synthetic_N].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def _logistic(sklearn: ModuleType) -> Any:
    return sklearn.pipeline.make_pipeline(
        sklearn.preprocessing.StandardScaler(),
        sklearn.linear_model.LogisticRegression(C=0.1, max_iter=5000),
    )


def _boosting(sklearn: ModuleType) -> Any:
    return sklearn.ensemble.HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=8, early_stopping=False, random_state=0
    )


def _weights(model: Any, _: Floats, __: NDArray[np.bool_]) -> Floats:
    found: Floats = model[-1].coef_[0]
    return found


def _permuted(model: Any, features_ND: Floats, synthetic_N: NDArray[np.bool_]) -> Floats:
    """The fall of the AUC as each feature in turn is shuffled."""
    order = keyed_random((_PERMUTATION_KEY, len(features_ND))).permutation(len(features_ND))
    whole = area(model.decision_function(features_ND), synthetic_N)
    falls = []
    for column in range(features_ND.shape[1]):
        shuffled = features_ND.copy()
        shuffled[:, column] = shuffled[order, column]
        falls.append(whole - area(model.decision_function(shuffled), synthetic_N))
    return np.array(falls)


_MODELS: dict[str, Callable[[ModuleType], Any]] = {NETWORK: _logistic, TEXTURE: _boosting}
_USES: dict[str, Callable[[Any, Floats, NDArray[np.bool_]], Floats]] = {
    NETWORK: _weights,
    TEXTURE: _permuted,
}


def _scikit_learn() -> ModuleType:
    try:
        import sklearn
        import sklearn.ensemble
        import sklearn.linear_model
        import sklearn.pipeline
        import sklearn.preprocessing
    except ImportError as error:
        raise missing_extra("A two-sample test", "scikit-learn", "c2st", error) from error
    module: ModuleType = sklearn
    return module
