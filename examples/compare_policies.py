"""Is B better than A? Both do the same panels with the same draws; the difference is taken robot by robot.

python compare_policies.py anymal_c_flat anymal_c_flat_lstm --panels flat disturb
"""

import argparse

from locoenvs.evidence.compare import Side, compare
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.paired import GOOD
from locoenvs.evidence.panel import panel_of
from locoenvs.policies.policy import POLICIES, load_policy


def judged(name, panels):
    """The policy of that name, shipped or a folder, on these panels, with the PD law."""
    shipped = POLICIES / name
    policy = load_policy(shipped if shipped.is_dir() else name)
    return Side(name, tuple(evaluate(policy, panel_of(policy.task, panel, "pd")) for panel in panels))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--panels", nargs="+", default=["flat"])
    arguments = parser.parse_args()

    comparison = compare(judged(arguments.a, arguments.panels), judged(arguments.b, arguments.panels))
    for panel in comparison.panels:
        for name in (name for name in GOOD if name in panel.metrics):
            d = panel.metrics[name]
            print(f"{panel.panel} {name}: {d.a:.3f} and {d.b:.3f}, B - A {d.value:.3f} ({d.low:.3f} to {d.high:.3f})")
    print(comparison.verdict)
