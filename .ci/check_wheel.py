"""Fail unless the wheel holds exactly the files of the four source folders, but for what tells how results came about:

``python check_wheel.py WHEEL``.
"""

import subprocess
import sys
import zipfile

PREFIXES = {"locoenvs/": "", "backends/": "locoenvs/", "wrappers/": "locoenvs/", "benchmarks/": "locoenvs/"}

tracked = subprocess.run(["git", "ls-files", *PREFIXES], check=True, capture_output=True, text=True).stdout.split("\n")
kept = [name for name in tracked if not name.startswith("benchmarks/results/")]
kept = [name for name in kept if name.rpartition("/")[2] not in ("recipe.json", "ledger.jsonl")]
expected = {prefix + name for name in kept for folder, prefix in PREFIXES.items() if name.startswith(folder)}
packed = {name for name in zipfile.ZipFile(sys.argv[1]).namelist() if ".dist-info/" not in name}
if missing := sorted(expected - packed):
    sys.exit(f"the wheel lacks {missing}: name their folders under tool.setuptools in pyproject.toml")
if extra := sorted(packed - expected):
    sys.exit(f"the wheel holds files that are not in the repository: {extra}")
print(f"the wheel holds all {len(expected)} files")
