"""Run a recipe on the machines of a Ray cluster, with the functions of one machine.

    driver ──► a task per shard of the inputs: journal on the node ──► parts in a shared folder
       │            │ leases of money and of requests per minute
       ├── coordinator (one actor: caps, rates, progress, stop)
       └──► a task per shard that parses ──► a task per partition ──► corpus, written by the driver

Ray schedules, and starts the task of a lost node elsewhere. There it takes in what was exported
before, and goes on.

supported       what a cluster cannot do, refused before anything is bought
shared_folder   a folder that all nodes reach, at any address of fsspec
parts           export a shard's journal while it grows, and take in such exports
cost_leases     the caps of a run, lent to shards
rate_leases     requests and tokens per minute, lent to shards
coordinator     the one place that decides what a shard may do
shard           the tasks: generate a shard, parse a shard
partition       the tasks: count or finish a partition, score it
session         one run: check the nodes, send the tasks, wait for them
engine          connect to a cluster
filtering       the steps of filtering by tasks
run             generate and filter a recipe
takeover        bring the exports of a cluster into the journal of one machine
"""

from synthkd.cluster.engine import RayEngine

__all__ = ["RayEngine"]
