"""``locoenvs push`` and ``locoenvs pull``: policies to and from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from locoenvs import terminal
from locoenvs.cli.arguments import OptionalPath, OptionalText, Word, policy_named, write
from locoenvs.evidence.panel import PANELS
from locoenvs.evidence.result import Result
from locoenvs.policies import hub
from locoenvs.policies.policy import FILES, Policy
from locoenvs.tasks import documents
from locoenvs.tools.model_card import model_card
from locoenvs.training.run import Run

RESULTS = ("evaluation.json", *(f"{name}.json" for name in PANELS))
"""What a repository may hold of results, and the only names beside a policy's own that are asked for."""


def push(policy: Word, repo: Word, private: bool = False, license: OptionalText = None) -> None:
    """Put a policy on the Hugging Face Hub, with its results on held-out panels and a model card. Log in first: hf auth login.

    Args:
        policy: Folder of a policy, a run, an environment whose policy is shipped, or a shipped policy's name.
        repo: OWNER/NAME; it is made if there is none.
        private: Make it for its owner's eyes only.
        license: What others may do with it, as the Hub calls it: apache-2.0, cc-by-4.0.
    """
    hub.library()
    loaded = policy_named(policy)
    results = _results(loaded)
    home = loaded.folder.parent if loaded.folder.name == "policy" else loaded.folder
    card = model_card(loaded, repo, list(results.values()), Run(home), license)
    files = {name: result.to_json(robots=False).encode() for name, result in results.items()}
    address = hub.push(loaded, repo, {**files, hub.CARD: card.encode()}, private, RESULTS)
    terminal.console().print(f"pushed: {address} ({', '.join([*FILES, *files, hub.CARD])})", markup=False)


def pull(repo: Word, out: OptionalPath = None, revision: OptionalText = None, force: bool = False) -> None:
    """Get a policy, and its results, from the Hugging Face Hub. Nothing that comes from there is run; what is no policy is refused.

    Args:
        repo: OWNER/NAME.
        out: Folder to write to; NAME by default.
        revision: Branch, tag or commit; by default the newest of the main branch.
        force: Replace what is there; results of another policy, which the pulled one has not, are deleted.
    """
    pulled, console = hub.pull(repo, revision, RESULTS), terminal.console()
    folder = Path(repo.partition("/")[2]) if out is None else out
    results = {name: Result.from_json(content, f"{repo}/{name}") for name, content in pulled.others.items()}
    for name, result in results.items():
        if result.policy_sha256 != pulled.policy.sha256:
            raise ValueError(f"{repo}/{name} is of another policy: {documents.shown(result.policy_sha256)}")
    if not force and (there := [name for name in (*FILES, *RESULTS) if (folder / name).exists()]):
        raise FileExistsError(
            f"{folder} holds {' and '.join(there)} already: choose another folder, or replace by --force"
        )
    stale = [folder / name for name in RESULTS if name not in results and _of_another(folder / name, pulled.policy)]
    for file in stale:
        file.unlink()
    pulled.policy.save(folder)
    for name, result in results.items():
        write(folder / name, result.to_json())
    console.print(f"policy: {folder} ({repo} at {pulled.commit[:12]})", markup=False)
    if pulled.left:
        console.print(f"left there, as no policy has them: {documents.shown(list(pulled.left))}", markup=False)


def _of_another(file: Path, policy: Policy) -> bool:
    """Whether a file holds the result of another policy."""
    return file.is_file() and Result.from_json(documents.read(file), str(file)).policy_sha256 != policy.sha256


def _results(policy: Policy) -> dict[str, Result]:
    """What is known of how well this very policy does: in its folder, or of its run."""
    found = dict[str, Result]()
    for folder in (policy.folder, policy.folder.parent / "panels"):
        for name in RESULTS:
            if (folder / name).is_file():
                result = Result.from_json(documents.read(folder / name), str(folder / name))
                if result.policy_sha256 == policy.sha256:
                    found.setdefault(name, result)
    return found
