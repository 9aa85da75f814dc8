"""Connect to a Ray cluster that is there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from synthkd.cluster.session import RaySession
from synthkd.cluster.supported import check_supported
from synthkd.errors import RecipeError, TeacherError, require_extra
from synthkd.recipe import Recipe


@dataclass(frozen=True)
class RayEngine:
    """Runs recipes on a Ray cluster that is there already; none is started.

    Args:
        address: Address of the cluster, such as ``10.0.0.1:6379``; None for the one of this
            machine, or that `RAY_ADDRESS` names.
        nodes: Shards that generate at the same time; None for one on each node. A run that was
            begun keeps its number.
        shared: Folder that all nodes reach, a path or an address of fsspec; None for the folder of
            the run.
    """

    address: str | None = None
    nodes: int | None = None
    shared: str | None = None

    @contextmanager
    def session(self, recipe: Recipe) -> Iterator[RaySession]:
        """Connect for a run, and check that every node can do its part.

        Raises:
            RecipeError: The recipe asks for what a cluster cannot do.
            TeacherError: There is no cluster, or a node lacks something.
        """
        check_supported(recipe)
        require_extra("--engine ray", "ray", "ray")
        with _connected(self.address):
            session = RaySession(recipe, self.nodes, self.shared)
            try:
                yield session
            finally:
                session.close()


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, unless this process is connected already."""
    import ray

    if address is not None and address.startswith("ray://"):
        raise RecipeError(
            f"--address {address}: run synthkd on a node of the cluster, such as the head, and give"
            " the address of the cluster itself (host:port)"
        )
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(
            address=address or "auto",
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=False,
        )
    except Exception as error:  # noqa: BLE001 (Ray raises errors of many kinds)
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise TeacherError(
            f"no Ray cluster at {address or 'this machine'} ({problem:.200}): start one with `ray"
            " start`, or name one with --address; with token authentication RAY_AUTH_MODE and"
            " RAY_AUTH_TOKEN must be set here as on its nodes"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()
