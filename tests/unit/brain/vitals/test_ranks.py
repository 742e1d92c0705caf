from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from brain.vitals.ranks import average_ranks


def test_ranks_are_those_of_scipy_with_ties_and_by_column() -> None:
    values = np.random.default_rng(0).integers(0, 20, size=(200, 3)).astype(np.float64)
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=0))
    np.testing.assert_array_equal(average_ranks(values[:, 0]), rankdata(values[:, 0]))
