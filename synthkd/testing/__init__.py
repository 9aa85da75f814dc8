"""A local server with planted faults, for tests of recipes without a key.

It speaks the OpenAI protocol, Anthropic's Messages API or Gemini's `generateContent`.

    with FakeServer() as server:
        recipe = Recipe.load("recipe.yaml", [f"teacher.base_url={server.url}"])
        run(recipe)
    print(server.sent)

``python -m synthkd.testing --port 0 --log sent.log`` runs the server as a process and prints its
address. Faults are given as a script, one per request in order of arrival, or as shares of all
requests.
"""

from synthkd.testing.faults import FAULTS
from synthkd.testing.server import PROTOCOLS, FakeServer
from synthkd.testing.texts import FinishedAnswer, ScoredAnswer, two_words

__all__ = ["FAULTS", "PROTOCOLS", "FakeServer", "FinishedAnswer", "ScoredAnswer", "two_words"]
