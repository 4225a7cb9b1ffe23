"""How close the engine comes to the ideal when a model takes its time.

python -m bench.llm                # 64 questions of 200 ms, 8 at a time: 1.6 s would be ideal
"""

import argparse
import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from agents.llm.chat import LLMOptions
from agents.llm.engine import LLM
from agents.protocol import Prompt
from tests.groq_server import GroqServer, slow


@dataclass(frozen=True)
class Text:
    text: str


class Length:
    """The simplest agent: how long a text is."""

    name = "length"
    accepts = Text
    prompt = Prompt("1", "Say how long each text is.")
    answer = {
        "type": "object",
        "properties": {"length": {"type": "integer"}},
        "required": ["length"],
        "additionalProperties": False,
    }

    def opine(self, record: Text) -> int:
        return len(record.text)

    def outgoing(self, record: Text, mask: Any) -> dict[str, Any]:
        return {"text": mask(record.text)}

    def accept(self, record: Text, answer: dict[str, Any]) -> int:
        return int(answer["length"])


def serve(pipe: Connection, latency: float) -> None:
    """Tells key and address, and when asked how many requests there were at once."""
    with GroqServer(lambda data: {"length": len(data["text"])}) as server:
        server.play(slow(latency))
        pipe.send((server.key, server.base_url))
        pipe.recv()
        pipe.send(server.most_at_once)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    args = parser.parse_args()
    here, there = multiprocessing.Pipe()
    # a process of its own, as a real server is: else both share one interpreter
    child = multiprocessing.Process(target=serve, args=(there, args.latency), daemon=True)
    child.start()
    try:
        key, address = here.recv()
        options = LLMOptions(key, address, concurrency=args.concurrency, batch=1)
        llm = LLM(options, str)
        for run in ("first", "second"):  # the first imports the SDK
            started = time.perf_counter()
            verdicts = llm.analyse(Length(), [Text(f"{run} {n}") for n in range(args.questions)])
            took = time.perf_counter() - started
            assert all(verdict.source == "llm" for verdict in verdicts)
            ideal = -(-args.questions // args.concurrency) * args.latency
            print(f"{run}: {took:.2f} s, ideal {ideal:.2f} s, ratio {took / ideal:.2f}")
        here.send("enough")
        print(f"{here.recv()} at once")
    finally:
        child.terminate()


if __name__ == "__main__":
    main()
