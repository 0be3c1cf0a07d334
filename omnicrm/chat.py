"""A customer's chat in the terminal, over the simulator: replies, buttons to tap, the typing sign, and media to send."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.markup import escape

from omnicrm.channels import CHANNELS
from omnicrm.transcript import lines
from simulator.client import SimulatorClient, SimulatorError

# Short, so that the typing sign is seen to come and go.
LOOK_SECONDS = 0.7
OK = 200

SENDS: dict[str, dict[str, Any]] = {
    "/imagen": {"attachment": {"type": "image"}},
    "/video": {"attachment": {"type": "video"}},
    "/audio": {"attachment": {"type": "audio"}},
    "/archivo": {"attachment": {"type": "file"}},
    "/sticker": {"attachment": {"type": "sticker"}},
    "/ubicacion": {"attachment": {"type": "location"}},
    "/mencion": {"story_mention": True},
}
HELP = """\
  Escribe como si fueras un cliente. Para tocar un botón escribe su número o sus palabras.
  [bold]/imagen /video /audio /archivo /sticker /ubicacion /mencion[/bold]  mandar algo que no es texto
  [bold]/historia[/bold] texto   responder a una historia
  [bold]/persona[/bold] texto    alguien del equipo le escribe al cliente
  [bold]/nuevo[/bold] empezar como otro cliente    [bold]/ayuda[/bold] ver esto    [bold]/salir[/bold] terminar"""


@dataclass(frozen=True, slots=True)
class Order:
    """What a typed line asks for: ``say`` (with the simulator's fields), ``agent``, ``new``, ``help`` or ``leave``."""

    what: str
    fields: dict[str, Any] = field(default_factory=dict)


def read_line(line: str, titles: list[str]) -> Order | None:
    """Understand a typed line; ``titles`` are the buttons in view. An unknown ``/word`` goes out as the text it is."""
    text = line.strip()
    if not text:
        return None
    word, _, rest = text.partition(" ")
    rest = rest.strip()
    simple = {"/salir": "leave", "/ayuda": "help", "/nuevo": "new"}.get(text.lower())
    if simple:
        return Order(simple)
    if text.lower() in SENDS:
        return Order("say", SENDS[text.lower()])
    if word.lower() == "/historia" and rest:
        return Order("say", {"story_reply": rest})
    if word.lower() == "/persona" and rest:
        return Order("agent", {"text": rest})
    title = _title(text, titles)
    return Order("say", {"tap": title} if title is not None else {"text": line.strip("\n")})


def _title(text: str, titles: list[str]) -> str | None:
    if text.isdecimal() and 1 <= int(text) <= len(titles):
        return titles[int(text) - 1]
    return next((title for title in titles if title.casefold() == text.casefold()), None)


@dataclass(slots=True)
class View:
    """What the terminal shows now: the customer's id, how many messages, the last buttons, and whether the shop types."""

    user: str
    shown: int = 0
    titles: list[str] = field(default_factory=list)
    typing: bool = False

    @staticmethod
    def of_someone_new(channel: str) -> View:
        """Nobody has written yet; platforms' ids are long numbers."""
        if channel == "email":
            return View(user=f"cliente.{secrets.token_hex(4)}@correo.example")
        if channel == "whatsapp":
            return View(user=f"52155{secrets.randbelow(10**8):08}")
        return View(user=str(10**15 + secrets.randbelow(10**15)))


def _keys() -> KeyBindings:
    """Ctrl-C leaves like Ctrl-D does: as KeyboardInterrupt it would tear the event loop down."""
    bindings = KeyBindings()

    @bindings.add("c-c")
    def leave(event: KeyPressEvent) -> None:
        event.app.exit(exception=EOFError)

    return bindings


class Chat:
    """One open chat of one channel."""

    def __init__(self, console: Console, client: SimulatorClient, channel: str, check: Callable[[], None]) -> None:
        self._console = console
        self._client = client
        self._channel = channel
        self._check = check
        self._view = View.of_someone_new(self._channel)
        self._session: PromptSession[str] = PromptSession(
            HTML("<ansicyan>Tú</ansicyan> › "), bottom_toolbar=self._toolbar, key_bindings=_keys()
        )

    def _toolbar(self) -> str:
        state = "escribiendo…" if self._view.typing else "/ayuda · /salir"
        return f" {CHANNELS[self._channel]} · {state}"

    async def run(self) -> None:
        """Chat until the customer leaves. Raises what ``check`` raises when the bot breaks down."""
        self._console.rule(f"Chat de prueba · {CHANNELS[self._channel]}", align="left")
        self._console.print(HELP)
        with self._left_by_ctrl_c(), patch_stdout(raw=True):
            watcher = asyncio.create_task(self._watch())
            try:
                while await self._turn(watcher):
                    pass
            finally:
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)

    @contextmanager
    def _left_by_ctrl_c(self) -> Iterator[None]:
        """End the block quietly at SIGINT: Ctrl-C is a key only while a prompt holds the terminal."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        interrupted = False

        def leave() -> None:
            nonlocal interrupted
            interrupted = True
            if task is not None:
                task.cancel()

        loop.add_signal_handler(signal.SIGINT, leave)
        try:
            yield
        except asyncio.CancelledError:
            if not interrupted:
                raise
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    async def _turn(self, watcher: asyncio.Task[None]) -> bool:
        typed = asyncio.create_task(self._line())
        try:
            await asyncio.wait({typed, watcher}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not typed.done():
                typed.cancel()
                await asyncio.gather(typed, return_exceptions=True)
        if watcher.done():
            watcher.result()
        try:
            order = read_line(typed.result(), self._view.titles)
        except EOFError:
            return False
        return order is None or await self._carry_out(order)

    async def _line(self) -> str:
        """One typed line. ``prompt_async`` would take SIGINT over, and give it back to Python when the line is done."""
        self._session.default_buffer.reset()
        return await self._session.app.run_async(handle_sigint=False)

    async def _carry_out(self, order: Order) -> bool:
        if order.what == "leave":
            return False
        if order.what == "help":
            self._console.print(HELP)
        elif order.what == "new":
            self._view = View.of_someone_new(self._channel)
            self._console.rule("Otro cliente", align="left")
        elif order.what == "agent":
            await self._client.agent_writes(self._channel, self._view.user, **order.fields)
        else:
            await self._say(order.fields)
        return True

    async def _say(self, fields: dict[str, Any]) -> None:
        try:
            said = await self._client.act(self._channel, self._view.user, name="Cliente de prueba", **fields)
        except SimulatorError as error:
            self._console.print(f"[red]El simulador no lo aceptó: {escape(str(error))}[/red]")
            return
        if said.status != OK:
            self._console.print(f"[yellow]El bot respondió {said.status or 'nada'} al webhook; se intentará otra vez.[/yellow]")

    async def _watch(self) -> None:
        while True:
            self._check()
            view = self._view
            phone = await self._client.phone(self._channel, view.user, after=view.shown, wait=LOOK_SECONDS)
            fresh = phone.replies[view.shown :]
            for message in fresh:
                for line in lines(message):
                    self._console.print(line)
            if fresh:
                view.titles = list(fresh[-1].buttons)
            view.shown += len(fresh)
            if view.typing != phone.typing:
                view.typing = phone.typing
                self._session.app.invalidate()


async def chat(simulator: str, channel: str, check: Callable[[], None] = lambda: None) -> None:
    """Open a chat over a running simulator, as a new customer of this channel."""
    console = Console(highlight=False, force_terminal=True)
    async with SimulatorClient(simulator) as client:
        await Chat(console, client, channel, check).run()
