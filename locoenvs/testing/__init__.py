"""What a backend and a learner must do, as checks that those who write one can run."""

from locoenvs.testing.backend import check_backend
from locoenvs.testing.learner import check_learner

__all__ = ["check_backend", "check_learner"]
