"""TF-IDF of words 1-2 and characters 3-5 with a linear SVM, from scikit-learn, learned as one batch.

`python linear_svm.py < splits.json`: one JSON object; for each named split of `train`, `test` and `outside` (texts of
no label) accuracy, CPU seconds of learning, milliseconds an answer, largest margin of each text of test and outside.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def measure(split: dict[str, Any]) -> dict[str, Any]:
    """Learn and answer one split."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-not-found]  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline, make_union  # type: ignore[import-not-found]  # noqa: PLC0415
    from sklearn.svm import LinearSVC  # type: ignore[import-not-found]  # noqa: PLC0415

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    model = make_pipeline(make_union(words, characters), LinearSVC(random_state=0))
    texts, labels = zip(*split["train"], strict=True)
    began = time.process_time()
    model.fit(texts, labels)
    seconds = time.process_time() - began
    asked, right = zip(*split["test"], strict=True)
    began = time.process_time()
    for text in asked[:200]:
        model.predict([text])
    answer = (time.process_time() - began) / 200
    return {
        "accuracy": 100.0 * model.score(asked, right),
        "cpu_seconds": seconds,
        "answer_ms": 1000.0 * answer,
        "inside": model.decision_function(asked).max(axis=1).tolist(),
        "outside": model.decision_function(split["outside"]).max(axis=1).tolist() if split["outside"] else [],
    }


if __name__ == "__main__":
    print(json.dumps({name: measure(split) for name, split in json.load(sys.stdin).items()}))
