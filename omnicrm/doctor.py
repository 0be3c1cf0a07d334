"""``omnicrm doctor``: look at everything the bot needs and say, in plain Spanish, what is wrong and what to do."""

from __future__ import annotations

import asyncio
import importlib
import traceback
import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import yaml

import ara.knowledge
from connectors.platform import Finding, Platform
from crm.port import Crm, CrmError, CrmMisconfigured, CrmUnavailable
from notify.health import check_targets, check_told
from notify.settings import require_notify
from omnicrm import model, spanish
from omnicrm.migrate import MigrationError, read_migrations
from omnicrm.settings import Settings, SettingsError

MARKS = {"ok": "✓", "warning": "!", "error": "✗"}
CHECK_SECONDS = 20.0
# How a database fails to open.
_NOT_OPENED = (CrmError, MigrationError, psycopg.Error, OSError, asyncio.TimeoutError)


class _Unreadable(Exception):
    """A file of the project that cannot be used; in Spanish, with what to do."""


def _ok(text: str) -> Finding:
    return Finding(level="ok", text=text)


def _warning(text: str) -> Finding:
    return Finding(level="warning", text=text)


def _error(text: str) -> Finding:
    return Finding(level="error", text=text)


async def examine(project: Path, tell: Callable[[str], None] = print) -> int:
    """Print every finding as it comes. Returns 0 when nothing stands in the way, else 1."""
    worst = 0
    async for title, findings in _sections(project):
        tell(f"\n{title}")
        for finding in findings:
            tell(f"  {MARKS[finding.level]} {finding.text}")
            worst = max(worst, int(finding.level == "error"))
    tell("\nHay algo que arreglar antes de arrancar: lo marcado con ✗." if worst else "\nTodo lo necesario está en orden.")
    return worst


async def _sections(project: Path) -> AsyncIterator[tuple[str, Sequence[Finding]]]:
    try:
        settings = Settings.load(dotenv=project / ".env")
    except SettingsError as error:
        yield "Ajustes", _wrong_settings(error)
        return
    yield "Ajustes", check_settings(settings)
    yield "Base de datos", await check_database(settings)
    yield "Avisos", await check_notices(settings)
    yield "Modelo", check_model(project)
    yield "Conocimiento de Ara", check_knowledge()
    yield "Acciones", await check_actions(project)
    async with httpx.AsyncClient(timeout=settings.send_timeout_seconds) as http:
        findings, platforms = check_channels(project, settings, http)
        yield "Canales", findings
        for platform in platforms:
            yield f"Cuenta de {platform.name}", await check_account(platform)


def _wrong_settings(error: SettingsError) -> list[Finding]:
    lines = str(error).splitlines()
    return [_error(spanish.say(line) or f"{line}  Corrígelo en .env o en el ambiente.") for line in lines]


def check_settings(settings: Settings) -> list[Finding]:
    """What is set, by what it means for the bot."""
    if settings.database_url:
        found = [_ok("Base de datos: PostgreSQL, por DATABASE_URL.")]
    elif settings.supabase_url or settings.supabase_secret_key:
        found = [_ok("Base de datos: Supabase por HTTPS. Con DATABASE_URL el bot se entera más rápido de cada mensaje.")]
    else:
        found = [
            _warning(f"Base de datos: la incluida, en {settings.data_dir}. Para producción pon DATABASE_URL o SUPABASE_URL.")
        ]
    if settings.ara_api_key:
        found.append(_ok(f"Ara: {settings.ara_model} en {settings.ara_base_url}."))
    else:
        found.append(_ok("Ara: sin ARA_API_KEY responde solo con los archivos de data/knowledge, o pasa con una persona."))
    if settings.action_timeout_seconds > 0.8 * settings.lease_seconds:
        found.append(
            _warning(
                "ACTION_TIMEOUT_SECONDS pasa de 0.8 veces LEASE_SECONDS: un turno que use todo ese tiempo se repetiría. "
                "Baja el primero o sube el segundo."
            )
        )
    return found


def check_knowledge() -> list[Finding]:
    """Whether Ara's files can be read, and which of them are still samples."""
    try:
        knowledge = ara.knowledge.load()
    except ara.knowledge.KnowledgeError as error:
        return [_error(f"Ara no puede usar ningún archivo de data/knowledge: {line}") for line in str(error).splitlines()]
    found = [_warning(line) for line in knowledge.warnings]
    if knowledge.samples:
        files = ", ".join(knowledge.samples)
        found.append(_warning(f"Todavía son ejemplos, con datos inventados: {files}. Cámbialos por los de tu tienda."))
    return found or [_ok(f"{len(knowledge.documents)} respuestas, todas de la tienda.")]


async def check_database(settings: Settings) -> list[Finding]:
    """Whether the database answers, has our functions in this version, and lets us call them."""
    from crm.connect import open_crm

    try:
        crm = await asyncio.wait_for(open_crm(settings), CHECK_SECONDS)
    except (MigrationError, psycopg.Error) as error:
        cure = "Nada se perdió. Corre `omnicrm migrate` otra vez; si se repite, manda este renglón a quien te da soporte."
        return [_error(f"No se pudo poner al día: «{' '.join(str(error).split())}». {cure}")]
    except _NOT_OPENED as error:
        # Only the embedded one is contacted here.
        cure = f"Revisa que haya espacio en el disco y que {settings.data_dir} sea de este usuario."
        return [_error(spanish.say(str(error)) or f"No se pudo abrir: «{str(error) or 'no contesta'}». {cure}")]
    try:
        return await check_schema(crm)
    finally:
        await crm.close()


async def check_schema(crm: Crm) -> list[Finding]:
    """Version of the schema and state of the queues, through the port alone, so with the rights that the bot has."""
    ours = int(read_migrations()[-1].version)
    try:
        found = int(await asyncio.wait_for(crm.call("omnicrm_schema_version"), CHECK_SECONDS))
        overview = await asyncio.wait_for(crm.call("omnicrm_overview"), CHECK_SECONDS)
    except CrmMisconfigured as error:
        cure = (
            "Si faltan funciones corre `omnicrm migrate`; si falta permiso usa la clave secreta (service_role), no la pública."
        )
        return [_error(spanish.say_database(str(error)) or f"Contesta, pero así no sirve: «{error}». {cure}")]
    except (CrmUnavailable, asyncio.TimeoutError) as error:
        trouble = str(error) or "timed out"
        cure = "Revisa la dirección, la clave y que el proyecto no esté en pausa."
        return [_error(spanish.say_database(trouble) or f"No contesta: «{trouble}». {cure}")]
    except CrmError as error:
        return [_error(f"Rechazó la consulta: «{error}». Corre `omnicrm migrate`.")]
    if found < ours:
        return [_error(f"Tiene la versión {found} y este programa necesita la {ours}: corre `omnicrm migrate`.")]
    if found > ours:
        return [_warning(f"Tiene la versión {found}, más nueva que este programa ({ours}): actualiza el programa.")]
    return [_ok(f"Contesta, en la versión {found}."), *_queues(overview)]


async def check_notices(settings: Settings) -> list[Finding]:
    """Who of the staff is told what, and whether telling works."""
    from crm.connect import open_crm

    try:
        require_notify(settings)
    except SettingsError as error:
        found = _wrong_settings(error)
    else:
        found = check_targets(settings)
    # What is wrong with the database itself stands above.
    with suppress(*_NOT_OPENED):
        crm = await asyncio.wait_for(open_crm(settings), CHECK_SECONDS)
        try:
            found += check_told(await asyncio.wait_for(crm.call("omnicrm_notice_status"), CHECK_SECONDS))
        finally:
            await crm.close()
    return found


def _queues(overview: Any) -> list[Finding]:
    wait = "Los mensajes esperan; al arreglarlo salen solos."
    found = [
        _error(f"{item['channel']} {item['account']}: los envíos están detenidos: {item['reason']}. {wait}")
        for item in overview["paused"]
    ]
    if overview["attention"]:
        found.append(_warning(f"{len(overview['attention'])} conversaciones esperan a una persona."))
    if overview["proposals"]:
        found.append(_warning(f"{overview['proposals']} propuestas de unir clientes esperan que alguien las decida."))
    oldest = overview["oldest_received_seconds"]
    if oldest is not None and oldest > 60:
        found.append(
            _warning(f"Hay un mensaje sin contestar desde hace {oldest / 60:.0f} min: ¿está corriendo el bot (`rasa run`)?")
        )
    return found


def check_model(project: Path) -> list[Finding]:
    """Whether there is a model, and one of the present files."""
    newest = model.latest(project)
    if newest is None:
        return [_error("No hay modelo: corre `omnicrm train`.")]
    if newest == model.path_of(project):
        return [_ok(f"Está al día ({newest.name}).")]
    cure = "corre `omnicrm train` y reinicia el bot."
    return [_warning(f"El modelo más nuevo ({newest.name}) no es el de los archivos actuales: {cure}")]


async def check_actions(project: Path) -> list[Finding]:
    """Whether the action server of endpoints.yml answers."""
    try:
        endpoint = _read(project / "endpoints.yml").get("action_endpoint")
    except _Unreadable as error:
        return [_error(str(error))]
    address = str(endpoint.get("url") or "") if isinstance(endpoint, dict) else ""
    if not address:
        return [_error("endpoints.yml no dice dónde está el servidor de acciones: ponle action_endpoint.url.")]
    async with httpx.AsyncClient(timeout=3, trust_env=False) as http:
        with suppress(httpx.HTTPError, httpx.InvalidURL):
            if (await http.get(httpx.URL(address).join("/health"))).status_code == 200:
                return [_ok(f"El servidor de acciones contesta ({address}).")]
    return [_warning(f"El servidor de acciones no contesta en {address}: arráncalo con `rasa run actions`.")]


def check_channels(project: Path, settings: Settings, http: httpx.AsyncClient) -> tuple[list[Finding], list[Platform]]:
    """Import and build every channel of credentials.yml ourselves: Rasa reports any fault in them as a misspelled name."""
    from connectors.registry import build

    try:
        names = [str(name) for name in _read(project / "credentials.yml")]
    except _Unreadable as error:
        return [_error(str(error))], []
    found: list[Finding] = []
    platforms: list[Platform] = []
    for name in names:
        if "." not in name:
            found.append(_warning(f"{name}: es un canal propio de Rasa; en producción quítalo de credentials.yml."))
            continue
        try:
            module, _, class_name = name.rpartition(".")
            with warnings.catch_warnings():
                # Rasa's old dependencies complain of each other, and some of them undo a filter.
                warnings.simplefilter("ignore")
                warnings.showwarning = lambda *_, **__: None
                channel = getattr(importlib.import_module(module), class_name)
            if not hasattr(channel, "platform_name"):
                found.append(_ok(f"{class_name}: listo, contesta en {channel.address}."))
                continue
            platforms.append(build(channel.platform_name, settings, http))
        except SettingsError as error:
            found += _wrong_settings(error)
        except Exception as error:  # whatever stops a channel is what we are here to show
            where = traceback.extract_tb(error.__traceback__)[-1]
            found.append(
                _error(f"{name}: no se pudo cargar: {type(error).__name__}: {error} ({where.filename}:{where.lineno}).")
            )
        else:
            found.append(_ok(f"{class_name}: listo, recibe en {platforms[-1].webhook_path}."))
    return found or [_error("credentials.yml no nombra ningún canal.")], platforms


def _read(file: Path) -> dict[Any, Any]:
    """One of Rasa's files. Raises ``_Unreadable``."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise _Unreadable(f"{file.name} no se puede leer ({error.strerror}): recupéralo de git.") from None
    except UnicodeDecodeError:
        raise _Unreadable(f"{file.name} no está en UTF-8: guárdalo como UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" cerca del renglón {mark.line + 1}" if mark else ""
        raise _Unreadable(
            f"{file.name} está mal escrito{where}: revisa la sangría, los dos puntos y las comillas, o recupéralo de git."
        ) from None
    if not isinstance(document, dict):
        raise _Unreadable(f"{file.name} debe ser una lista de nombres con dos puntos («nombre:»): recupéralo de git.")
    return document


async def check_account(platform: Platform) -> Sequence[Finding]:
    """What the platform says of our token and subscription."""
    try:
        return await asyncio.wait_for(platform.check(), CHECK_SECONDS)
    except asyncio.TimeoutError:
        return [_error(f"{platform.name} no contestó en {CHECK_SECONDS:.0f} s: revisa la conexión a internet.")]
