"""Bring what a cluster has bought into the journal of one machine, so that it is not bought again.

`cluster.json` in the folder of a run says where the exports are, and which of them the journal has.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from synthkd.cluster.parts import import_parts
from synthkd.cluster.shared_folder import SharedFolder
from synthkd.errors import StorageError
from synthkd.recipe import Recipe
from synthkd.stages.places import CLUSTER
from synthkd.storage import read_json, write_json

#: Describes the shards in the shared folder.
_SHARDS = "shards.json"
FORMAT = 1


class ClusterRecord(BaseModel):
    """The fields of `cluster.json`.

    Attributes:
        shared: The shared folder.
        taken: Exports that the run's journal has.
        before: Number of the last completion of the journal that was exported to the cluster.
    """

    format: int = FORMAT
    shared: str
    taken: list[str] = []
    before: int = 0


def read_cluster_record(work: Path) -> ClusterRecord | None:
    """Return what the folder of a run says of a cluster; None if it never ran on one."""
    path = work / CLUSTER
    if not path.is_file():
        return None
    return ClusterRecord.model_validate(read_json(path, ClusterRecord))


def write_cluster_record(work: Path, record: ClusterRecord) -> None:
    """Write `cluster.json`."""
    write_json(work / CLUSTER, record.model_dump())


def shards_of(shared: SharedFolder, wanted: int, write: Callable[[int], None]) -> int:
    """Return the number of shards of a run: what an earlier run has begun, or what is wanted."""
    text = shared.read(_SHARDS)
    if text is None:
        write(wanted)
        return wanted
    try:
        return int(json.loads(text)["shards"])
    except (ValueError, KeyError, TypeError):
        raise StorageError(
            f"{shared.address}/{_SHARDS}: not a file of synthkd; name another shared folder"
        ) from None


def put_shards(shared: SharedFolder, shards: int, temporary: Path) -> None:
    """Write the number of shards into the shared folder."""
    temporary.write_text(json.dumps({"format": FORMAT, "shards": shards}), "utf-8")
    shared.put(temporary, _SHARDS)


def take_over(recipe: Recipe, say: Callable[[str], None]) -> None:
    """Import what a cluster has exported for a run, and the run's journal does not have yet.

    Call before the journal is opened.
    """
    record = read_cluster_record(recipe.work_dir)
    if record is None:
        return
    shared = SharedFolder(record.shared)
    new = import_parts(shared, "shards", recipe.journal_path, done=set(record.taken))
    if new:
        say(f"{len(new):,} exports of a cluster were taken from {record.shared} into the journal")
        write_cluster_record(
            recipe.work_dir, record.model_copy(update={"taken": sorted({*record.taken, *new})})
        )
