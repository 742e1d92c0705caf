"""The online learner of every language brain: it reads, scores, learns, carries state on, generates and grows."""
