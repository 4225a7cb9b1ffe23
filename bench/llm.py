"""How close the engine comes to the ideal when a model takes its time.

python -m bench.llm                # 64 questions of 200 ms, 8 at a time: 1.6 s would be ideal
"""

import argparse
import time
from dataclasses import dataclass
from typing import Any

from agents.chat import LLMOptions
from agents.llm import LLM
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
        return answer["length"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    args = parser.parse_args()
    with GroqServer(lambda data: {"length": len(data["text"])}) as server:
        server.play(slow(args.latency))
        options = LLMOptions(server.key, server.base_url, concurrency=args.concurrency, batch=1)
        llm = LLM(options, str)
        for run in ("first", "second"):  # the first imports the SDK
            started = time.perf_counter()
            verdicts = llm.analyse(Length(), [Text(f"{run} {n}") for n in range(args.questions)])
            took = time.perf_counter() - started
            assert all(verdict.source == "llm" for verdict in verdicts)
            ideal = -(-args.questions // args.concurrency) * args.latency
            print(f"{run}: {took:.2f} s, ideal {ideal:.2f} s, ratio {took / ideal:.2f}, {server.most_at_once} at once")


if __name__ == "__main__":
    main()
