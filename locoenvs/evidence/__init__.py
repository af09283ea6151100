"""What a policy achieves, and how it is shown: panels, evaluation, audits, plots, pictures, videos."""
