"""Sleep: replay without new experience, taught by the slow weights."""
