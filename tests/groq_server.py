"""A server on 127.0.0.1 that speaks Groq's chat-completions API and behaves as it's told.

    with GroqServer(answer=lambda data: {"mood": "Neutral"}) as server:
        server.play(status(500), good)          # the first request fails; the second and all later ones are answered
        LLM(LLMOptions(api_key=server.key, base_url=server.base_url), mask).analyse(agent, records)
    assert len(server.requests) == 2 and b"Asha" not in server.received

A request is checked as Groq checks it: key, model, messages, a strict schema. Each behaviour is a function of one
`Exchange`; the last one played goes on. Every byte that came in is kept.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

PATH = "/openai/v1/chat/completions"
Behaviour = Callable[["Exchange"], None]


@dataclass(frozen=True)
class Request:
    at: float
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def records(self) -> list[dict[str, Any]]:
        """[{"record": 1, "data": {...}}, ...]"""
        return json.loads(self.json["messages"][-1]["content"])


class Recording:
    """A connection's input that keeps what was read from it."""

    def __init__(self, file: BinaryIO, kept: list[bytes]) -> None:
        self.file, self.kept = file, kept

    def readline(self, *size: int) -> bytes:
        return self._keep(self.file.readline(*size))

    def read(self, *size: int) -> bytes:
        return self._keep(self.file.read(*size))

    def _keep(self, data: bytes) -> bytes:
        self.kept.append(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class GroqServer:
    """answer: from the data of a record to the answer about it (without its number)."""

    def __init__(self, answer: Callable[[dict[str, Any]], dict[str, Any]], key: str = "gsk_test_0123456789") -> None:
        self.answer, self.key = answer, key
        self.requests: list[Request] = []
        self.kept: list[bytes] = []
        self.closing = threading.Event()
        self.most_at_once = self.at_once = 0
        self.lock = threading.Lock()
        self.script: deque[Behaviour] = deque([good])

    def play(self, *behaviours: Behaviour) -> None:
        """One behaviour per request from now on, in order; the last one stays."""
        with self.lock:
            self.script = deque(behaviours)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    @property
    def received(self) -> bytes:
        return b"".join(self.kept)

    def next_behaviour(self) -> Behaviour:
        with self.lock:
            return self.script.popleft() if len(self.script) > 1 else self.script[0]

    def __enter__(self) -> GroqServer:
        handler = type("Handler", (Handler,), {"groq": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.http.block_on_close = False
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()


class Handler(BaseHTTPRequestHandler):
    groq: GroqServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each reply waits 40 ms for an acknowledgement

    def setup(self) -> None:
        super().setup()
        self.rfile = Recording(self.rfile, self.groq.kept)  # type: ignore[assignment, arg-type]

    def do_POST(self) -> None:
        groq = self.groq
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(time.monotonic(), dict(self.headers), body)
        with groq.lock:
            groq.requests.append(request)
            groq.at_once += 1
            groq.most_at_once = max(groq.most_at_once, groq.at_once)
        try:
            exchange = Exchange(groq, request, self)
            refused = fault(request, self.path, groq.key)
            if refused:
                exchange.fail(*refused)
            else:
                groq.next_behaviour()(exchange)
        except OSError:
            self.close_connection = True  # the client has gone
        finally:
            with groq.lock:
                groq.at_once -= 1

    def log_message(self, *args: object) -> None:
        pass


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    groq: GroqServer
    request: Request
    handler: Handler
    answers: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.answers = []

    def good_answers(self) -> list[dict[str, Any]]:
        return [{"record": r["record"], **self.groq.answer(r["data"])} for r in self.request.records]

    def send(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.start(status, len(body), kind, **headers)
        self.handler.wfile.write(body)

    def start(self, status: int, length: int, kind: str = "application/json", **headers: str) -> None:
        self.handler.send_response(status)
        fields = {"Content-Type": kind, "Content-Length": str(length), **headers}
        for name, value in fields.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.flush()

    def fail(self, status: int, code: str, **headers: str) -> None:
        error = {"message": f"refused: {code}", "type": "invalid_request_error", "code": code}
        self.send(status, json.dumps({"error": error}).encode(), **headers)

    def reply(self, answers: list[dict[str, Any]]) -> None:
        self.say(json.dumps({"answers": answers}))

    def say(self, content: str | None, **choice: Any) -> None:
        self.send(200, self.completion(content, **choice))

    def completion(self, content: str | None, **choice: Any) -> bytes:
        message = {"role": "assistant", "content": content}
        tokens = {"prompt_tokens": len(self.request.body) // 4, "completion_tokens": len(content or "") // 4}
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": self.request.json["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None, **choice}],
            "usage": {**tokens, "total_tokens": sum(tokens.values())},
        }
        return json.dumps(body).encode()

    def pause(self, seconds: float) -> None:
        """Waits, but no longer than the server lives."""
        if self.groq.closing.wait(seconds):
            raise ConnectionAbortedError


def fault(request: Request, path: str, key: str) -> tuple[int, str] | None:
    """The status and code with which Groq refuses the request, if it does."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if headers.get("authorization") != f"Bearer {key}":
        return 401, "invalid_api_key"
    if path != PATH:
        return 404, "unknown_url"
    try:
        body = request.json
        form = body["response_format"]
        sound = (
            isinstance(body["model"], str)
            and {"system", "user"} <= {message["role"] for message in body["messages"]}
            and all(isinstance(message["content"], str) for message in body["messages"])
            and form["type"] == "json_schema"
            and form["json_schema"]["strict"] is True
            and bool(form["json_schema"]["name"])
            and strict(form["json_schema"]["schema"])
        )
    except (ValueError, KeyError, TypeError):
        sound = False
    return None if sound else (400, "invalid_request")


def strict(schema: dict[str, Any]) -> bool:
    """What strict mode asks of a schema: each object closed, each of its properties required."""
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        complete = set(schema.get("required", ())) == set(schema.get("properties", {}))
        return closed and complete and all(map(strict, schema["properties"].values()))
    return strict(schema["items"]) if schema.get("type") == "array" else True


# Behaviours


def good(exchange: Exchange) -> None:
    exchange.reply(exchange.good_answers())


def status(code: int, error: str = "server_error", **headers: str) -> Behaviour:
    """status(429, "rate_limit_exceeded", Retry_After="1")"""
    return lambda exchange: exchange.fail(code, error, **headers)


def slow(seconds: float, then: Behaviour = good) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        exchange.pause(seconds)
        then(exchange)

    return behave


def hanging(exchange: Exchange) -> None:
    """Never answers."""
    exchange.pause(600)


def dripping(exchange: Exchange) -> None:
    """A good answer, a byte every 0.2 seconds."""
    body = exchange.completion(json.dumps({"answers": exchange.good_answers()}))
    exchange.start(200, len(body))
    for i in range(len(body)):
        exchange.handler.wfile.write(body[i : i + 1])
        exchange.handler.wfile.flush()
        exchange.pause(0.2)


def cut(exchange: Exchange) -> None:
    """Hangs up in the middle of a good answer."""
    body = exchange.completion(json.dumps({"answers": exchange.good_answers()}))
    exchange.start(200, len(body))
    exchange.handler.wfile.write(body[: len(body) // 2])
    exchange.handler.close_connection = True


def html(exchange: Exchange) -> None:
    exchange.send(200, b"<!doctype html><html><body>Please sign in to the school's Wi-Fi</body></html>", "text/html")


def truncated(exchange: Exchange) -> None:
    """A whole response that is half a JSON text."""
    body = exchange.completion(json.dumps({"answers": exchange.good_answers()}))
    exchange.send(200, body[: len(body) // 2])


def truncated_content(exchange: Exchange) -> None:
    exchange.say(json.dumps({"answers": exchange.good_answers()})[:-9])


def raw(body: bytes, code: int = 200) -> Behaviour:
    return lambda exchange: exchange.send(code, body)


def saying(content: str | None, **choice: Any) -> Behaviour:
    """A response whose model said this: saying(None), saying("I cannot help with that."), ..."""
    return lambda exchange: exchange.say(content, **choice)


def refusing(exchange: Exchange) -> None:
    exchange.say("I'm sorry, but I can't help with that.")


def outside_schema(exchange: Exchange) -> None:
    exchange.reply([{**answer, "note": "more than was asked for"} for answer in exchange.good_answers()])


def reordered(exchange: Exchange) -> None:
    exchange.reply(exchange.good_answers()[::-1])


def repeated(exchange: Exchange) -> None:
    """The first record twice."""
    answers = exchange.good_answers()
    exchange.reply([answers[0], *answers])


def missing(exchange: Exchange) -> None:
    """All but the last record, and one that nobody asked about."""
    answers = exchange.good_answers()
    exchange.reply([*answers[:-1], {**answers[-1], "record": 99}])


def changed(change: Callable[[list[dict[str, Any]]], list[Any]]) -> Behaviour:
    """Good answers after a change: changed(lambda answers: answers[:1])"""
    return lambda exchange: exchange.reply(change(exchange.good_answers()))


def huge(megabytes: int = 10) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        exchange.start(200, megabytes * 1_000_000)
        for _ in range(megabytes):
            exchange.handler.wfile.write(b" " * 1_000_000)

    return behave


def at_most(records: int, then: Behaviour = good) -> Behaviour:
    """Refuses more than so many records as too large, as Groq does when they exceed the tokens per minute."""

    def behave(exchange: Exchange) -> None:
        if len(exchange.request.records) > records:
            exchange.fail(413, "rate_limit_exceeded")
        else:
            then(exchange)

    return behave
