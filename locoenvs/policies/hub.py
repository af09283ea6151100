"""Policies on the Hugging Face Hub. What comes from there is data of strangers: few files, of known names and sizes, and none that runs.

A pull asks for files by names that are known beforehand, never by names that the repository gives, of one commit; holds each to
the hash that the commit lists; and believes a policy as little as one from anywhere else (:mod:`locoenvs.policies.policy`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from locoenvs import install
from locoenvs.policies import mlp
from locoenvs.policies.policy import FILES, Policy, policy_in
from locoenvs.tasks import documents

CARD = "README.md"
"""What the Hub shows of a repository; it is pushed, and never pulled."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True)
class Pulled:
    """A policy of one commit of a repository, the contents of other files that were asked for, and the names that were left there."""

    policy: Policy
    others: dict[str, bytes]
    commit: str
    left: tuple[str, ...]


def push(
    policy: Policy, repo: str, others: Mapping[str, bytes], private: bool = False, replaces: Collection[str] = ()
) -> str:
    """Put the policy's files and ``others`` into a repository, in one commit, and make it if there is none; the commit's address.

    Files of the names ``replaces`` that an older policy left there, and this one does not have, are deleted in that commit.

    Raises ValueError for a name that is none, or for ``private`` of a repository that is public, before anything of the policy goes
    there; PermissionError or ConnectionError, in one line, for what the Hub refuses.
    """
    hub = library()
    _check_name(repo)
    contents = {**policy.files(), **others}
    with _told(repo):
        api = hub.HfApi()
        api.create_repo(repo, exist_ok=True, private=private or None)
        info = api.model_info(repo)
        if private and not info.private:
            raise ValueError(
                f"{repo} is there already, and public: choose another name, or make it private on the Hub first"
            )
        there = {each.rfilename for each in info.siblings or ()}
        operations = [hub.CommitOperationAdd(name, content) for name, content in contents.items()]
        operations += [hub.CommitOperationDelete(name) for name in sorted((there & {*replaces}) - {*contents})]
        made = api.create_commit(repo, operations, commit_message=f"policy {policy.sha256[:12]}")
    return str(made.commit_url)


def pull(repo: str, revision: str | None = None, others: Collection[str] = ()) -> Pulled:
    """The policy in a repository, with those of the files ``others``, JSON, that it has.

    ``revision`` is a branch, a tag or a commit; by default the newest of the main branch.

    Raises ValueError, in one line, for what is no policy, too large or not what the commit lists, FileNotFoundError where a file or the
    repository is missing, PermissionError or ConnectionError for what the Hub refuses.
    """
    hub = library()
    _check_name(repo)
    with _told(repo):
        api = hub.HfApi()
        info = api.model_info(repo, revision=revision, files_metadata=True)
        listed = {each.rfilename: each for each in info.siblings or ()}
        if missing := [name for name in FILES if name not in listed]:
            raise FileNotFoundError(f"{repo} holds no policy: {' and '.join(missing)} missing")
        if not re.fullmatch("[0-9a-f]{40}", info.sha or ""):
            raise ValueError(f"{repo}: {documents.shown(info.sha)} is no commit")
        wanted = [name for name in (*FILES, *others) if name in listed]
        contents = {name: _content(hub, api, repo, info.sha, listed[name]) for name in wanted}
    policy = policy_in(contents, repo)
    rest = {name: content for name, content in contents.items() if name not in FILES}
    return Pulled(policy, rest, info.sha, tuple(sorted(set(listed) - set(wanted) - {CARD, ".gitattributes"})))


def _content(hub: Any, api: Any, repo: str, commit: str, file: Any) -> bytes:
    """The content of a file, read no further than a policy's may be long, and held to its hash."""
    utils: Any = import_module("huggingface_hub.utils")
    name, received = f"{repo}/{file.rfilename}", bytearray()
    largest = mlp.LARGEST if file.rfilename == "policy.onnx" else documents.LARGEST
    too_large = f"{name} is larger than {largest} bytes: it is not what it is taken for"
    if (file.size or 0) > largest:
        raise ValueError(too_large)
    url = hub.hf_hub_url(repo, file.rfilename, revision=commit, endpoint=api.endpoint)
    with utils.get_session().stream("GET", url, headers=utils.build_hf_headers(), follow_redirects=True) as response:
        utils.hf_raise_for_status(response)
        for part in response.iter_bytes():
            received += part
            if len(received) > largest:
                raise ValueError(too_large)
    content = bytes(received)
    if file.lfs is not None:
        digest, expected = hashlib.sha256(content).hexdigest(), file.lfs.sha256
    else:  # as git names what it holds
        digest, expected = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), file.blob_id
    if digest != expected:
        raise ValueError(f"{name} is not what commit {commit[:12]} lists: its hash is {digest}, not {expected}")
    return content


def _check_name(repo: str) -> None:
    if not _NAME.fullmatch(repo) or ".." in repo:
        raise ValueError(f"{documents.shown(repo)} is no repository's name: it must be OWNER/NAME")


@contextmanager
def _told(repo: str) -> Iterator[None]:
    """Within it what the Hub refuses is told in one line."""
    errors: Any = import_module("huggingface_hub.errors")
    try:
        yield
    except errors.RepositoryNotFoundError:
        raise FileNotFoundError(f"no repository {repo} on the Hub for you: if it is private, hf auth login") from None
    except errors.RevisionNotFoundError:
        raise FileNotFoundError(f"{repo} has no such revision") from None
    except errors.HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        kind = PermissionError if code in (401, 403) else ConnectionError
        hint = ": hf auth login, with a token that may write" if code in (401, 403) else ""
        raise kind(f"the Hub answers {code} for {repo}{hint}") from None
    except errors.HTTPError as error:  # of the HTTP client
        raise ConnectionError(f"the Hub cannot be reached for {repo}: {error}") from None


def library() -> Any:
    """huggingface_hub. Raises ImportError, with the line that installs it, where it is not."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(f"the Hub needs huggingface_hub: {install.line('hub')}") from error
    return huggingface_hub
