"""A server that speaks the OpenAI protocol on loopback, with faults, for testing recipes without a key.

    with FakeServer() as server:
        recipe = Recipe.load("recipe.yaml", [f"teacher.base_url={server.url}"])
        run(recipe)
    print(server.sent)

``python -m synthkd.testing --port 0 --log sent.log`` runs it as a process and prints its address.
Faults are given as a script, one for each request as they come, or as shares of all requests.
"""

from synthkd.testing.faults import FAULTS
from synthkd.testing.server import FakeServer
from synthkd.testing.texts import Finished, Scored, words

__all__ = ["FAULTS", "FakeServer", "Finished", "Scored", "words"]
