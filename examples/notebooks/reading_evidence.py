# %% [markdown]
# # Reading evidence
#
# How good is a policy, how sure is that, where does it fail, and is another one better? A few minutes on a CPU.

# %%
import importlib.util
import subprocess
import sys

SOURCE = "locoenvs"  # what to install where it is missing: a name on PyPI, a wheel, or the folder of a checkout
if importlib.util.find_spec("locoenvs") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"{SOURCE}[walk]"], check=True)

# %% [markdown]
# ## A panel
#
# A panel is a frozen, hashed manifest: task, robots, draws. Training cannot reach its random streams, and results of different panels are never compared.

# %%
from locoenvs.evidence.panel import panel_of
from locoenvs.policies.policy import POLICIES, load_policy

PANEL, DISTURBED = "flat", "disturb"

policy = load_policy(POLICIES / "anymal_c_flat")
panel = panel_of(policy.task, PANEL)
print(panel.name, panel.hash, panel.num_robots, "robots")
print([stratum.quantity for stratum in panel.strata])

# %% [markdown]
# ## A result
#
# One pass, no exploration, every robot's first episode. Rates have Wilson's 95 % interval, the others the bootstrap over robots. The interval is of
# robots and draws, not of trainings: another seed may do better or worse.

# %%
from locoenvs.evidence.evaluate import evaluate

result = evaluate(policy, panel)
for name, estimate in result.metrics.items():
    print(f"{name:20s} {estimate.value:8.3f} ({estimate.low:.3f} to {estimate.high:.3f})")
print("ended by", result.reset_reasons)

# %% [markdown]
# ## Where it fails
#
# On the panel of disturbances each robot draws friction, load, sensor faults and delays of its own. Strata tell what matters.

# %%
import matplotlib.pyplot as plt
import numpy as np

disturbed = evaluate(policy, panel_of(policy.task, DISTURBED))
shown = [name for name, groups in disturbed.strata.items() if any("success_rate" in m for m in groups.values())][:4]
figure, axes = plt.subplots(1, len(shown), figsize=(3.2 * len(shown), 3), sharey=True, squeeze=False)
for each, quantity in zip(axes[0], shown):
    groups = {label: m["success_rate"] for label, m in disturbed.strata[quantity].items() if "success_rate" in m}
    value = np.array([estimate.value for estimate in groups.values()])
    low, high = (np.array([getattr(e, side) for e in groups.values()]) for side in ("low", "high"))
    each.errorbar(range(len(value)), value, np.maximum([value - low, high - value], 0), fmt="o", capsize=3)
    each.set_xticks(range(len(value)), list(groups), rotation=60, fontsize=7)
    each.set_title(quantity, fontsize=9)
axes[0][0].set_ylabel("success rate")
figure.tight_layout()

# %% [markdown]
# ## Is another one better?
#
# The same robots with the same draws did both, so the difference is taken robot by robot. What all robots share does not widen it.

# %%
from locoenvs.evidence.compare import Side, compare

other = load_policy(POLICIES / "anymal_c_flat_lstm")
theirs = [evaluate(other, panel_of(other.task, name, "pd")) for name in (PANEL, DISTURBED)]
comparison = compare(Side("anymal_c_flat", (result, disturbed)), Side("anymal_c_flat_lstm", tuple(theirs)))
for each in comparison.panels:
    for name in ("success_rate", "fall_rate", "velocity_error", "cost_of_transport"):
        found = each.metrics[name]
        print(f"{each.panel:24s} {name:18s} {found.a:.3f} {found.b:.3f}  B - A {found.low:+.3f} to {found.high:+.3f}")
print(comparison.verdict)

# %% [markdown]
# "no difference" is what no interval tells apart; it is no proof that there is none. Nothing is promoted that was not asked on all three classes of panel: held-out,
# disturbance, and transfer to another engine or drive.
#
# ## What goes wrong unseen

# %%
from locoenvs.evidence.audit import audit_result
from locoenvs.evidence.leaks import audit_observations

for finding in audit_result(result, panel) + audit_observations(policy.task):
    print("ok  " if finding.passed else "look", finding.name, "-", finding.message)
