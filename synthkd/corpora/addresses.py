"""Corpora at addresses: `hf://` repositories, `s3://` and every other store that fsspec knows.

A corpus is read through a copy in the cache of this machine, whose files are checked by the hashes
of the manifest; a copy that was cut short is completed. It is written with the manifest last, so
that a reader finds the old corpus, the new one, or a file whose hash does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from synthkd.errors import InputError, StorageError, require_extra
from synthkd.keys import content_hash, file_hash
from synthkd.storage import parse_json, replaced_file
from synthkd.storage.cache import cache_folder

_HUB = re.compile(r"hf://(?:datasets/)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?/?")
_MANIFEST, _CARD = "manifest.json", "README.md"
#: Stores that lead to other places than they name: paths of this machine, or what a file says.
_INDIRECT = frozenset({"local", "reference"})


def fetched(address: str) -> Path:
    """Return a folder of this machine with the corpus at an address.

    Raises:
        InputError: If there is no corpus.
        StorageError: If the store cannot be read, or a file does not fit the manifest.
        MissingExtraError: If the package that reads the address is not installed.
    """
    if address.startswith("hf://"):
        return _from_hub(address)
    store, root = _store(address)
    with _store_errors(address):
        if not store.exists(f"{root}/{_MANIFEST}"):
            raise InputError(f"{address}: no corpus here (no {_MANIFEST})")
        data = store.cat_file(f"{root}/{_MANIFEST}")
        manifest = parse_json(Path(_MANIFEST), data)
        files = _files_of(address, manifest)
        folder = cache_folder("corpora") / content_hash([manifest["manifest_hash"], files])
        for name, expected in {**files, _CARD: None}.items():
            path = folder / name
            if expected is not None and path.is_file() and file_hash(path) == expected:
                continue
            with replaced_file(path) as temporary:
                store.get_file(f"{root}/{name}", str(temporary))
                if expected is not None and file_hash(temporary) != expected:
                    raise StorageError(
                        f"{address}/{name}: not the file of the manifest; the corpus is being"
                        " replaced (read it again) or was altered"
                    )
        with replaced_file(folder / _MANIFEST) as temporary:
            temporary.write_bytes(data)
    return folder


def store_corpus(folder: Path, address: str) -> None:
    """Copy the folder of a corpus to an address, in the place of a corpus that is there.

    Files that are there already with the manifest's hash are not sent again.

    Raises:
        StorageError: If something else than a corpus is at the address, or it cannot be written.
        MissingExtraError: If the package that writes the address is not installed.
    """
    store, root = _store(address)
    manifest = parse_json(folder / _MANIFEST, (folder / _MANIFEST).read_bytes())
    with _store_errors(address):
        store.invalidate_cache()
        before = _before(store, root, address)
        files = _files_of(address, manifest)
        for name, expected in files.items():
            if before.get(name) != expected:
                _send(store, folder, root, name)
        for name in (_CARD, _MANIFEST):
            _send(store, folder, root, name)
        for name in before.keys() - files.keys():
            store.rm_file(f"{root}/{name}")


def check_address(address: str) -> None:
    """Refuse an address that no corpus can be written to, before anything is bought."""
    if address.startswith("hf://"):
        raise InputError(
            f"{address}: a corpus is sent to the hub with `synthkd push CORPUS REPO`, which checks"
            " it first; give corpus.path a folder"
        )
    store, root = _store(address)
    with _store_errors(address):
        _before(store, root, address)


def _before(store: Any, root: str, address: str) -> dict[str, str]:
    """Return the files of the corpus that is at an address; none for an empty place."""
    if store.exists(f"{root}/{_MANIFEST}"):
        return _files_of(
            address, parse_json(Path(_MANIFEST), store.cat_file(f"{root}/{_MANIFEST}"))
        )
    # A copy that was cut short has files of a corpus alone.
    known = re.compile(r"(data|provenance|prompts)/.+|README\.md|\w+\.(json|svg|parquet)")
    found = store.find(root) if store.exists(root) else []
    for path in found:
        name = str(path)[str(path).find(root) + len(root) :].lstrip("/")
        if not known.fullmatch(name):
            raise StorageError(
                f"{address}: holds {name}, and is no corpus; name another place in corpus.path"
            )
    return {}


def _files_of(address: str, manifest: Any) -> dict[str, str]:
    """Return the hashes of a corpus' files by name, if the manifest is that of a corpus."""
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or manifest.get("corpus_hash") != content_hash(files):
        raise StorageError(f"{address}: its {_MANIFEST} is not a corpus', or was altered")
    files = {**files, **(manifest.get("further_files") or {})}
    for name in files:
        parts = PurePosixPath(name).parts
        if name.startswith("/") or "\\" in name or ".." in parts:
            raise StorageError(f"{address}: its {_MANIFEST} names {name!r}, which no corpus has")
    return files


def _send(store: Any, folder: Path, root: str, name: str) -> None:
    target = f"{root}/{name}"
    store.makedirs(target.rpartition("/")[0], exist_ok=True)
    store.put_file(str(folder / name), target)


def _store(address: str) -> tuple[Any, str]:
    if (scheme := _scheme(address)) in _INDIRECT:
        raise InputError(f"{scheme}://: no address of a corpus; name its folder, or its own store")
    require_extra(f"a corpus at {scheme}://", "remote", "fsspec")
    import fsspec

    try:
        store, root = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise InputError(f"{scheme}://: {error}") from None
    except ValueError as error:
        raise InputError(f"{scheme}://: no store that fsspec knows ({error})") from None
    return store, str(root).rstrip("/")


def _scheme(address: str) -> str:
    return address.partition("://")[0]


@contextmanager
def _store_errors(address: str) -> Iterator[None]:
    """Raise errors of a store as `StorageError`, with the address."""
    try:
        yield
    except (InputError, StorageError):
        raise
    except Exception as error:  # noqa: BLE001 (each store has errors of its own)
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise StorageError(f"{address}: not reachable: {reason}") from None


def _from_hub(address: str) -> Path:
    match = _HUB.fullmatch(address)
    if match is None:
        raise InputError(
            f"{address}: not the address of a repository; write hf://OWNER/NAME, or"
            " hf://OWNER/NAME@REVISION"
        )
    require_extra("a corpus on the Hugging Face hub", "hub", "huggingface_hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        place = snapshot_download(match[1], repo_type="dataset", revision=match[2])
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise StorageError(f"{address}: not reachable: {reason}") from None
    return Path(place)
