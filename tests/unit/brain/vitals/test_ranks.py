from __future__ import annotations

import numpy as np
import scipy  # its rooms are imported where they are used: one takes half a second

from brain.vitals.ranks import average_ranks


def test_ranks_are_those_of_scipy_with_ties_and_by_column() -> None:
    rankdata = scipy.stats.rankdata
    values = np.random.default_rng(0).integers(0, 20, size=(200, 3)).astype(np.float64)
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=0))
    np.testing.assert_array_equal(average_ranks(values[:, 0]), rankdata(values[:, 0]))
