"""All that needs a GPU, in one command: checks, speed, memory, and the trainings of the paper.

::

    python -m locoenvs.benchmarks.gpu --work runs/gpu --minutes 9

It does one part after another, writes each when it is finished and everything so far to ``<work>/gpu.json``, and stops
before its minutes are over. The same command goes on where it stopped, trainings from their last checkpoint, until it
says that all is done. A part that fails twice is left out, with its error. Compiled programs are kept in the work folder
too. Nothing is downloaded. What ``--known`` has of an earlier call, perhaps on another machine, is not done again but stays
in the result, where every part names its GPU::

    python -m locoenvs.benchmarks.gpu --minutes 7 --only checks speed train/flat panel/flat --known benchmarks/results/gpu.json

- checks: robots in the air, on a plane, standing and on stairs against native MuJoCo; draws bit by bit; torch's path
  against jax's; memory over many steps.
- speed: for each number of robots the whole environment with random actions (``jax`` in and out), with a torch network
  that acts (``torch`` in and out), and bare physics: the engine's own steps from the same states with the same actions,
  in turns. A control step is one step of one robot. All parts of a call share one process, so the peak of its memory is
  that of the largest part so far.
- learning: a few updates of RSL-RL's PPO, as they are in training.
- train: the paper's task with the paper's PPO, and the held-out panels at the end, on this backend and on native MuJoCo.
"""
