"""The part of the Hugging Face Hub's HTTP interface that a push and a pull use, in memory: one user, models, one branch."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse


class Double:
    """``commits``: repository -> the files after each commit, in order. ``listed`` and ``served`` say otherwise of some files."""

    def __init__(self) -> None:
        self.commits: dict[str, list[dict[str, bytes]]] = {}
        self.listed: dict[str, dict[str, Any]] = {}
        self.served: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.refuses: int | None = None
        self.private: set[str] = set()
        self.sha: str | None = None
        self.address = ""

    def commit(self, repo: str, index: int) -> str:
        names = sorted(self.commits[repo][index])
        return hashlib.sha1(f"{repo} {index} {names}".encode()).hexdigest()

    def files(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        for index, files in reversed([*enumerate(self.commits.get(repo, ()))]):
            if revision in ("main", self.commit(repo, index)):
                return self.commit(repo, index), files
        return None

    def described(self, name: str, content: bytes) -> dict[str, Any]:
        made: dict[str, Any] = {"rfilename": name, "size": len(content)}
        made["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        if name.endswith(".onnx"):
            made["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return {**made, **self.listed.get(name, {})}


@contextmanager
def hub() -> Iterator[Double]:
    """A double that answers at its ``address``."""
    double = Double()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

        def answer(self, content: Any, status: int = 200, **headers: str) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                pass  # who asked has read enough

        def missing(self, kind: str) -> None:
            self.answer({"error": kind}, 404, X_Error_Code=kind)

        def do_GET(self) -> None:
            path = unquote(urlparse(self.path).path)
            double.asked.append(path)
            parts = path.strip("/").split("/")
            if double.refuses is not None:
                return self.answer({"error": "no"}, double.refuses)
            if parts[:2] == ["api", "models"]:
                repo, revision = "/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main"
                if repo not in double.commits:
                    return self.missing("RepoNotFound")
                if (found := double.files(repo, revision)) is None:
                    return self.missing("RevisionNotFound")
                siblings = [double.described(name, content) for name, content in found[1].items()]
                return self.answer(
                    {"id": repo, "sha": double.sha or found[0], "siblings": siblings, "private": repo in double.private}
                )
            repo, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
            found = double.files(repo, revision)
            if found is None or name not in found[1]:
                return self.missing("EntryNotFound")
            if name.endswith(".onnx") and "moved" not in self.path:  # large files lie elsewhere
                return self.answer(b"", 302, Location=f"{double.address}{path}?moved")
            self.answer(double.served.get(name, found[1][name]))

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Transfer-Encoding") == "chunked":
                content = b""
                while size := int(self.rfile.readline(), 16):
                    content += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            double.asked.append(self.path)
            if double.refuses is not None:
                return self.answer({"error": "no"}, double.refuses)
            parts = urlparse(self.path).path.strip("/").split("/")
            if parts == ["api", "validate-yaml"]:
                return self.answer({"errors": [], "warnings": []})
            if parts == ["api", "repos", "create"]:
                asked = json.loads(content)
                repo = f"{asked['organization']}/{asked['name']}"
                if repo in double.commits:
                    return self.answer({"error": "exists", "url": f"{double.address}/{repo}"}, 409)
                double.commits[repo] = [{".gitattributes": b"*.onnx filter=lfs"}]
                if asked.get("visibility") == "private" or asked.get("private"):
                    double.private.add(repo)
                return self.answer({"url": f"{double.address}/{repo}"})
            repo, action = "/".join(parts[2:4]), parts[4]
            if action == "preupload":
                names = [each["path"] for each in json.loads(content)["files"]]
                modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
                return self.answer({"files": modes})
            files = dict(double.commits[repo][-1])
            for line in map(json.loads, content.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                if line["key"] == "deletedFile":
                    del files[line["value"]["path"]]
            double.commits[repo].append(files)
            sha = double.commit(repo, -1 + len(double.commits[repo]))
            self.answer({"commitUrl": f"{double.address}/{repo}/commit/{sha}", "commitOid": sha, "success": True})

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # who asked went away

    server = Server(("127.0.0.1", 0), Handler)
    double.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
