"""The phases in which a TARS brain may be trained."""

from __future__ import annotations

from brain.training_phase import Phase

PHASES = {
    1: Phase(what="everything", learning_rate=3e-4),
    2: Phase(
        what="all but decay, skip, time step and convolution of the state space",
        learning_rate=3e-5,
        frozen=(r"\.core\.ssd\.(log_rate|skip|dt_bias|conv\.)",),
    ),
    3: Phase(
        what="experts and refinement pool", learning_rate=3e-6, learns=(r"^blocks\.\d+\.(experts|pool)\.",)
    ),
    4: Phase(
        what="fusion of the two recurrences, and token shifts of the WKV",
        learning_rate=1.5e-5,
        learns=(r"\.core\.(fuse_|wkv\.shift$|wkv\.out\.)",),
    ),
}
