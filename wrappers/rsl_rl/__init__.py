"""RSL-RL: the learner of the paper."""
