"""A bare aiohttp loop: the lower bound for a client in Python.

    python bare_aiohttp.py BASE_URL PROMPTS.jsonl IN_FLIGHT OUTPUT

Its last line is the number of completed rows.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import aiohttp


async def work(
    session: aiohttp.ClientSession, url: str, prompts: Iterator[str], output: TextIO
) -> int:
    """Send prompts one after another until none is left; many workers share one iterator."""
    done = 0
    for prompt in prompts:
        body = {"model": "fake", "messages": [{"role": "user", "content": prompt}]}
        async with session.post(url, json=body) as response:
            answer = await response.json()
        text = answer["choices"][0]["message"]["content"]
        output.write(json.dumps({"prompt": prompt, "response": text}) + "\n")
        done += 1
    return done


async def main(base_url: str, source: Path, in_flight: int, folder: Path) -> None:
    prompts = iter([json.loads(line)["prompt"] for line in source.open(encoding="utf-8")])
    url = f"{base_url}/chat/completions"
    headers = {"authorization": "Bearer none"}
    connector = aiohttp.TCPConnector(limit=in_flight)
    with (folder / "rows.jsonl").open("a", encoding="utf-8") as output:
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            done = await asyncio.gather(
                *(work(session, url, prompts, output) for _ in range(in_flight))
            )
    print(sum(done))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
