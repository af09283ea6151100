"""Is the task in Isaac Lab the task: one command, in an environment that has Isaac Lab.

::

    python -m locoenvs.benchmarks.isaaclab --out benchmarks/results/isaaclab-newton-cpu.json

- order: joints and feet are where the robot's own data puts them, name by name.
- air: 100 physics steps without contact, against native MuJoCo's.
- standing: what the feet carry, against the weight, and how they creep.
- friction: each robot slides on its feet with a coefficient of its own, which is measured.
- fresh: after an automatic reset the engine stands where the new episode says, and the other robots were left alone.
- rough: random actions on the rough task; everything that the vector API promises.
- panel: one policy on the held-out flat panel, beside its result on native MuJoCo.
- learn: two PPO updates with RSL-RL.

Every finished part is written at once, and a part that passed is not done again. The exit code is 1 if one fails.
"""
