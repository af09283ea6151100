"""Record a video of a policy that does as you say: forward, sideways, around, one command after the other.

python record_video.py --policy cassie_flat --out cassie.mp4
python record_video.py --policy runs/mine/policy
"""

import argparse
from pathlib import Path

from locoenvs.evidence.video import Leg, contact_sheet, record
from locoenvs.policies.policy import POLICIES, load_policy

SCHEDULE = [Leg(1.0), Leg(3.0, forward=0.8), Leg(2.0, sideways=0.5), Leg(2.0, yaw_rate=1.0), Leg(2.0, forward=-0.6)]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="anymal_c_flat", help="a shipped policy's name, or a folder")
    parser.add_argument("--out", type=Path, default=Path("walk.mp4"))
    parser.add_argument("--seconds", type=float, help="the schedule's length by default")
    arguments = parser.parse_args()

    shipped = POLICIES / arguments.policy
    policy = load_policy(shipped if shipped.is_dir() else arguments.policy)
    record(policy, policy.task, arguments.out, seconds=arguments.seconds, schedule=SCHEDULE)
    contact_sheet(arguments.out, arguments.out.with_suffix(".png"))  # the same at a glance
    print(arguments.out)
