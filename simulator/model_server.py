"""A stand-in for an OpenAI-compatible server: ``POST /llm/v1/chat/completions``, scripted through ``/sim/model``."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from dataclasses import dataclass, field

from sanic import Request
from sanic.response import HTTPResponse, raw

from simulator.config import Json, seconds
from simulator.control import Route, answer, read_object
from simulator.errors import ControlError
from simulator.reply import HTML

UNSCRIPTED = "Soy un modelo de prueba: todavía no me han dicho qué contestar."
FAULTS = ("hang", "garbage", "429", "500", "401", "slow", "empty", "no_choices", "cut_short", "reset")
REMEMBERED = 5_000


@dataclass(slots=True, kw_only=True)
class Step:
    """What the model does the next ``times`` times; None is for good."""

    answer: str = UNSCRIPTED
    fault: str | None = None
    seconds: float = 0.0
    times: int | None = 1


@dataclass(slots=True)
class Model:
    """The script, and what the model was asked."""

    steps: deque[Step] = field(default_factory=deque)
    standing: Step = field(default_factory=lambda: Step(times=None))
    requests: deque[dict[str, Json]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def reset(self) -> None:
        """Forget script and requests."""
        self.steps.clear()
        self.standing = Step(times=None)
        self.requests.clear()

    def script(self, wish: dict[str, Json]) -> None:
        """Add what ``POST /sim/model`` describes. Raises ``ControlError``."""
        unknown = set(wish) - {"answer", "answers", "fault", "seconds", "times"}
        if unknown:
            raise ControlError(f"unknown keys {sorted(unknown)}; the model takes answer, answers, fault, seconds, times")
        fault, times = wish.get("fault"), wish.get("times")
        if fault is not None and fault not in FAULTS:
            raise ControlError(f"fault must be one of {', '.join(FAULTS)}")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise ControlError("times must be a whole number, 1 or more; without it the answer stays")
        answers = wish.get("answers", [wish.get("answer", UNSCRIPTED)])
        if not isinstance(answers, list) or not answers or not all(isinstance(text, str) for text in answers):
            raise ControlError("answer must be text, answers a list of texts")
        wait = seconds("seconds", wish.get("seconds", 60.0 if fault == "hang" else 2.0 if fault == "slow" else 0.0))
        if times is None and "answers" not in wish:
            self.standing = Step(answer=answers[0], fault=fault, seconds=wait, times=None)
        else:
            self.steps.extend(Step(answer=text, fault=fault, seconds=wait, times=times or 1) for text in answers)

    def next(self) -> Step:
        """What to do with this request."""
        if not self.steps:
            return self.standing
        step = self.steps[0]
        if step.times is not None:
            step.times -= 1
            if step.times <= 0:
                self.steps.popleft()
        return step


def _model(request: Request) -> Model:
    scripted: Model = request.app.ctx.model
    return scripted


async def script(request: Request) -> HTTPResponse:
    """Say what the model answers from now on, or the next ``times`` times."""
    _model(request).script(read_object(request))
    return answer({"ok": True})


async def asked(request: Request) -> HTTPResponse:
    """What the model was asked, oldest first."""
    return answer({"requests": list(_model(request).requests), "scripted": len(_model(request).steps)})


async def forget(request: Request) -> HTTPResponse:
    """Forget script and requests."""
    _model(request).reset()
    return answer({"ok": True})


async def complete(request: Request) -> HTTPResponse:
    """One chat completion, as the script wants it."""
    try:
        wanted = json.loads(request.body)
    except ValueError:
        return _refusal(400, "We could not parse the JSON body of your request.", "invalid_request_error")
    problem = _problem(wanted)
    _model(request).requests.append({"body": wanted, "authorized": _authorized(request)})
    if not _authorized(request):
        return _refusal(401, "You didn't provide an API key.", "invalid_request_error")
    if problem is not None:
        return _refusal(400, problem, "invalid_request_error")
    step = _model(request).next()
    await asyncio.sleep(step.seconds + request.app.ctx.world.knobs.model_latency)
    if step.fault == "429":
        return _refusal(429, "Rate limit reached for requests", "requests", {"retry-after": "1"})
    if step.fault == "500":
        return _refusal(500, "The server had an error while processing your request.", "server_error")
    if step.fault == "401":
        return _refusal(401, "Incorrect API key provided.", "invalid_request_error")
    if step.fault == "garbage":
        return raw(HTML, content_type="text/html")
    if step.fault in ("reset", "hang"):
        transport = request.transport
        if transport is not None:
            transport.abort()
    return answer(_completion(wanted, step))


def _problem(wanted: Json) -> str | None:
    if not isinstance(wanted, dict) or not isinstance(wanted.get("model"), str):
        return "you must provide a model parameter"
    messages = wanted.get("messages")
    if not isinstance(messages, list) or not messages:
        return "'messages' must be a non-empty array"
    if any(
        not isinstance(message, dict) or message.get("role") not in ("system", "developer", "user", "assistant", "tool")
        for message in messages
    ):
        return "each of 'messages' needs a role: system, developer, user, assistant or tool"
    if wanted.get("stream"):
        return "this server does not stream"
    return None


def _authorized(request: Request) -> bool:
    scheme, _, key = str(request.headers.get("authorization", "")).partition(" ")
    return scheme.lower() == "bearer" and bool(key.strip())


def _refusal(status: int, message: str, kind: str, headers: dict[str, str] | None = None) -> HTTPResponse:
    return answer({"error": {"message": message, "type": kind, "param": None, "code": None}}, status=status, headers=headers)


def _completion(wanted: dict[str, Json], step: Step) -> dict[str, Json]:
    text = "" if step.fault == "empty" else step.answer
    prompt = sum(len(str(message.get("content") or "").split()) for message in wanted["messages"])
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": None,
        "finish_reason": "length" if step.fault == "cut_short" else "stop",
    }
    used = {"prompt_tokens": prompt, "completion_tokens": len(text.split()), "total_tokens": prompt + len(text.split())}
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": 1760000000,
        "model": wanted["model"],
        "choices": [] if step.fault == "no_choices" else [choice],
        "usage": used,
    }


ROUTES: tuple[Route, ...] = (
    ("POST", "/sim/model", script),
    ("GET", "/sim/model", asked),
    ("DELETE", "/sim/model", forget),
    ("POST", "/llm/v1/chat/completions", complete),
)
