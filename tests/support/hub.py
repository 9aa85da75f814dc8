"""A server on loopback that speaks the part of the Hub's protocol that pushing and pulling need."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_loopbacktokenloopbacktoken"


class Hub:
    """Repositories in memory: their files by name, each commit whole.

    Attributes:
        repositories: Files of the last commit, by type and name, such as ``datasets/me/facts``.
        private: Whether each repository is private.
        uploads: Hashes of the large files that were sent, in order.
        fail_after: Refuse large files after so many.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.commits: dict[str, list[str]] = {}
        self.blobs: dict[str, bytes] = {}
        self.uploads: list[str] = []
        self.fail_after: int | None = None
        self.url = ""

    def commit(self, repository: str, lines: list[dict[str, Any]]) -> str:
        files = dict(self.repositories[repository])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        self.repositories[repository] = files
        names = "".join(f"{name}{hashlib.sha1(files[name]).hexdigest()}" for name in sorted(files))
        revision = hashlib.sha1(names.encode()).hexdigest()
        self.commits[repository].append(revision)
        return revision

    def info(self, repository: str) -> dict[str, Any]:
        _, _, name = repository.partition("/")
        return {
            "_id": "1", "id": name, "sha": self.commits[repository][-1], "tags": [],
            "private": self.private[repository], "downloads": 0, "likes": 0,
            "siblings": [{"rfilename": one} for one in self.repositories[repository]],
        }  # fmt: skip


def _entry(name: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}


def _tree(files: dict[str, bytes], below: str, is_deep: bool) -> list[dict[str, Any]]:
    """List files and folders below a folder: those right in it, or all."""
    begin = f"{below}/" if below else ""
    inside = {name: data for name, data in files.items() if name.startswith(begin)}
    folders = {begin + name[len(begin) :].partition("/")[0] for name in inside} - inside.keys()
    found = [{"type": "directory", "path": one, "size": 0, "oid": "0" * 40} for one in folders]
    return found + [
        _entry(name, data)
        for name, data in inside.items()
        if is_deep or "/" not in name[len(begin) :]
    ]


def _mode(name: str) -> str:
    return "lfs" if name.endswith((".parquet", ".safetensors")) else "regular"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        return

    def _reply(
        self, value: Any = None, status: int = 200, body: bytes = b"", **headers: str
    ) -> None:
        if value is not None:
            body = json.dumps(value).encode()
            headers.setdefault("Content-Type", "application/json")
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for name, one in headers.items():
            self.send_header(name.replace("_", "-"), one)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_POST(self) -> None:
        path, data, hub = unquote(urlsplit(self.path).path), self._body(), self.hub
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._reply({"error": "Invalid credentials"}, 401)
        if path == "/api/repos/create":
            asked = json.loads(data)
            owner = asked.get("organization") or "me"
            key = f"{asked.get('type', 'model')}s/{owner}/{asked['name']}"
            if key in hub.repositories:
                return self._reply(
                    {"error": "You already created this repo", "url": f"{hub.url}/{key}"}, 409
                )
            hub.repositories[key], hub.commits[key] = {".gitattributes": b""}, ["0" * 40]
            hub.private[key] = asked.get("visibility") == "private" or bool(asked.get("private"))
            return self._reply(
                {
                    "url": f"{hub.url}/{key.removeprefix('models/')}",
                    "name": f"{owner}/{asked['name']}",
                }
            )
        if path == "/api/validate-yaml":
            return self._reply({"errors": [], "warnings": []})
        if match := re.fullmatch(r"/api/(\w+/[\w.-]+/[\w.-]+)/preupload/\w+", path):
            files = [
                {"path": one["path"], "shouldIgnore": False, "uploadMode": _mode(one["path"])}
                for one in json.loads(data)["files"]
            ]  # fmt: skip
            return self._reply({"files": files})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, **({} if one["oid"] in hub.blobs else
                 {"actions": {"upload": {"href": f"{hub.url}/lfs/{one['oid']}"}}})}
                for one in json.loads(data)["objects"]
            ]  # fmt: skip
            return self._reply({"transfer": "basic", "objects": objects})
        if match := re.fullmatch(r"/api/(\w+/[\w.-]+/[\w.-]+)/commit/\w+", path):
            lines = [json.loads(line) for line in data.splitlines() if line.strip()]
            revision = hub.commit(match[1], lines)
            url = f"{hub.url}/{match[1].removeprefix('models/')}/commit/{revision}"
            return self._reply({"success": True, "commitOid": revision, "commitUrl": url})
        if match := re.fullmatch(r"/api/(\w+/[\w.-]+/[\w.-]+)/paths-info/[\w.-]+", path):
            files = hub.repositories[match[1]]
            asked = json.loads(data) if data[:1] == b"{" else {}
            return self._reply(
                [_entry(one, files[one]) for one in asked.get("paths", ()) if one in files]
            )
        return self._reply({"error": f"unknown {path}"}, 404)

    def do_PUT(self) -> None:
        data, hub = self._body(), self.hub
        if hub.fail_after is not None and len(hub.uploads) >= hub.fail_after:
            return self._reply({"error": "no more"}, 403)
        digest = hashlib.sha256(data).hexdigest()
        assert self.path == f"/lfs/{digest}"
        hub.blobs[digest] = data
        hub.uploads.append(digest)
        return self._reply()

    def do_GET(self) -> None:
        path, hub = unquote(urlsplit(self.path).path), self.hub
        if match := re.fullmatch(r"/api/(\w+/[\w.-]+/[\w.-]+)(?:/revision/[\w.-]+)?", path):
            if match[1] in hub.repositories:
                return self._reply(hub.info(match[1]))
        elif match := re.fullmatch(r"/api/(\w+/[\w.-]+/[\w.-]+)/tree/[\w.-]+(?:/(.+))?", path):
            is_deep = (
                "recursive=" in self.path.lower() and "recursive=false" not in self.path.lower()
            )
            found = _tree(hub.repositories[match[1]], match[2] or "", is_deep)
            return self._reply(found) if found else self._reply({"error": "none"}, 404)
        elif match := re.fullmatch(r"/(datasets/)?([\w.-]+/[\w.-]+)/resolve/[\w.-]+/(.+)", path):
            key = f"{match[1] or 'models/'}{match[2]}"
            data = hub.repositories.get(key, {}).get(match[3])
            if data is not None:
                return self._file(data, hub.commits[key][-1])
        return self._reply({"error": "not found"}, 404, X_Error_Code="EntryNotFound")

    do_HEAD = do_GET

    def _file(self, data: bytes, revision: str) -> None:
        headers = {
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X_Repo_Commit": revision,
            "Accept_Ranges": "bytes", "Content-Type": "application/octet-stream",
        }  # fmt: skip
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            return self._reply(body=data, **headers)
        begin, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        headers["Content_Range"] = f"bytes {begin}-{end}/{len(data)}"
        return self._reply(status=206, body=data[begin : end + 1], **headers)


@contextmanager
def loopback_hub() -> Iterator[Hub]:
    """Run a hub on loopback."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
