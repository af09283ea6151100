"""Studies: one question put to many trainings, whose answer is chosen by validation and judged once on what is held out."""
