"""What is wrong with settings and with the database, in plain Spanish with the next step: for ``omnicrm doctor``.

Logs keep the English lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from omnicrm.channels import CHANNELS

_WHO = {**CHANNELS, "email": "el correo"}
_PUT = "ponlo en .env (ver .env.example)"
_COPY = "cópialo otra vez de donde te lo dieron"

# Who misses a setting; what stands in parentheses is the setting's meaning, which .env.example has too.
_MISSING = [
    (r"a NOTIFY_… setting names (\w+) \(.*\)", r", que los avisos por \1 necesitan"),
    (r"email needs a way in: one of (.*)", r" o algún otro por donde llegue el correo (\1)"),
    (r"OAuth needs it beside (\w+)", r", que OAuth necesita junto con \1"),
    (r"IMAP needs it, or (\w+)", r" (o \1), que IMAP necesita"),
    (r"(.*) needs it(?: \(.*\))?", r", que \1 necesita"),
]

# What a reader of settings says of a value, and what we say of it.
_REASONS = [
    (r"could not convert string to float: .*", "no es un número"),
    (r"invalid literal for int\(\).*", "no es un número entero"),
    (r"must be between (.*) and (.*)", r"debe estar entre \1 y \2"),
    (r"must start with https:// \(or http:// on this machine\)", "debe empezar con https:// (o http:// en esta máquina)"),
    (r"must start with https:// \(http:// only on this machine\)", "debe empezar con https:// (http:// solo en esta máquina)"),
    (r"must start with https://", "debe empezar con https://"),
    (r"must name a host", "debe nombrar un servidor"),
    (r"Invalid IPv6 URL", "tiene un corchete sin pareja"),
    (r"Port .*", "tiene un puerto que no existe"),
    (r"must be one of (.*), or none", r"debe ser uno de \1, o none"),
    (r"must be one of (.*)", r"debe ser uno de \1"),
    (r"must be a time zone such as (.*)", r"debe ser una zona horaria como \1"),
    (r"(.*) must be like WA=72, with one of (.*)", r"\1 debe ser como WA=72, con uno de \2"),
    (r"must be (\S+) or (\S+), nothing behind it", r"debe ser \1 o \2, sin nada después"),
    (r"user and password stand in (\w+) and (\w+), not in the address", r"lleva usuario o contraseña, que van en \1 y \2"),
    (r"must be one plain address", "debe ser una sola dirección de correo"),
    (r"must have at least (\d+) characters|each secret needs (\d+) characters or more", "es muy corto: usa 16 letras o más"),
    (r"it holds characters that no token has.*", f"tiene letras que ningún token lleva: {_COPY}"),
    (r"must be a phone number with its country code", "debe ser un teléfono con la clave de su país"),
    (r"(.*) is nobody to tell: write (.*) or (.*)", r"\1 no es nadie a quien avisar: escribe \2 o \3"),
    (r"must hold no user, password or #", "no debe llevar usuario, contraseña ni #"),
    (
        r"must be written in plain characters, without spaces|netloc .*",
        "debe ir en letras, números y signos comunes, sin acentos, espacios ni «…»",
    ),
    (
        r"holds a tab, a line break or a character that cannot be seen",
        "lleva un tabulador, un salto de renglón o una letra que no se ve: bórralo y escríbelo en un solo renglón",
    ),
    (r"must hold (\{\w+\}) where .*", r"debe llevar \1 donde va el id de la conversación, y ninguna otra llave"),
    (r".*; write networks as (.*)", r"no es una red: las redes se escriben como \1"),
    (r"(.*) is none of (.*), or none", r"\1 no es ninguno de \2, ni none"),
    (r"must be written as (.*)", r"debe escribirse como \1"),
    (r"must hold times from (.*) to (.*)", r"debe llevar horas de \1 a \2"),
    (r"begins and ends at the same time", "empieza y termina a la misma hora"),
    (r"(.*) is not like (.*) or (.*)", r"\1 no es como \2 o \3"),
    (r"(.*) is not like (.*)", r"\1 no es como \2"),
    (r"(.*) closes before it opens \(.*\)", r"\1 cierra antes de abrir (lo que pasa de medianoche va en dos partes)"),
    (r"(.*) is no day: (.*)", r"\1 no es un día: \2"),
    (r"(.*) is no time of day", r"\1 no es una hora del día"),
    (r"month must be in .*|day is out of range .*", "lleva una fecha que no existe"),
]

_SIGNS = "Los signos raros de la contraseña van en clave: @ es %40, / es %2F, : es %3A, # es %23"

# Whole lines.
_LINES = [
    (r"(\w+): the value is wrong: .*\. Copy it again.*",
     rf"\1 está mal: a su valor le faltan o le sobran letras. En .env, {_COPY}."),
    (r"(.*): line (\d+) is not UTF-8\. .*", r"\1: el renglón \2 no está en UTF-8. Guarda el archivo como UTF-8."),
    (r"(.*): cannot be read: (.*)\. Make it .*", r"\1 no se puede leer (\2): haz que este usuario pueda leerlo."),
    (r"(\w+) is set but (\w+) is not: .*", rf"Falta \2, que \1 necesita: {_PUT}, o usa DATABASE_URL."),
    (r"DATABASE_URL cannot be read; expected (.*)", r"DATABASE_URL no se puede leer: debe ser como \1. Corrígelo en .env."),
    (r"DATABASE_URL still holds (\[.*\]): .*", r"DATABASE_URL todavía dice \1: pon ahí la contraseña de la base."),
    (r"DATABASE_URL: write the signs .*",
     f"DATABASE_URL está mal escrita: el servidor o el puerto no se entienden. {_SIGNS}."),
    (r"SUPABASE_SECRET_KEY is .*",
     "SUPABASE_SECRET_KEY no es la clave secreta: copia la de Supabase que empieza con sb_secret_ (o el JWT service_role)."),
    (r"DATA_DIR: '(.*)' cannot be used: (.*)\. Set it .*",
     r"DATA_DIR: no se puede usar \1 (\2). Pon ahí una carpeta en la que este usuario pueda escribir."),
    (r"(.*) is of PostgreSQL (\d+), but this is (\d+): .*",
     r"\1 es de PostgreSQL \2 y este programa usa el \3: mueve esa carpeta a otro lado."),
    (r"(.*) belongs to somebody else: .*", r"\1 es de otro usuario: bórrala."),
]  # fmt: skip

_POOLER = "Si la base es de Supabase, copia la dirección de Connect › Session pooler"

# What PostgreSQL, its client, the network and Supabase say of a database that cannot be used. The first that is found counts:
# some say "does not exist" or "cannot be reached" of several things.
_DATABASE = [
    (r"Servname not supported|invalid port number",
     f"DATABASE_URL está mal escrita: el servidor o el puerto no se entienden. {_SIGNS}."),
    (r"failed to resolve host '(.*?)'",
     rf"No se encuentra el servidor «\1». Revisa la dirección en DATABASE_URL y que esta máquina tenga internet. {_POOLER}."),
    (r"Name or service not known|Temporary failure in name resolution|No address associated|could not translate host name",
     "No se encuentra el servidor. Revisa la dirección en SUPABASE_URL o DATABASE_URL y que esta máquina tenga internet."),
    (r'connection to server at "(.*?)", port (\d+) failed: Connection refused',
     r"El servidor «\1» rechaza la conexión en el puerto \2. Revisa DATABASE_URL y que la base esté encendida."),
    (r"Connection refused|All connection attempts failed|connection to server on socket",
     "El servidor rechaza la conexión. Revisa la dirección en SUPABASE_URL o DATABASE_URL, y que la base esté encendida."),
    (r"Network is unreachable|No route to host|Cannot assign requested address",
     f"Esta máquina no llega hasta el servidor. Revisa su internet. {_POOLER}."),
    (r"timeout|timed out|did not answer within",
     "No contestó a tiempo. Revisa la dirección y el puerto, que ningún cortafuegos estorbe y que no esté en pausa."),
    (r'password authentication failed for user "(.*?)"',
     rf"La base no acepta la contraseña del usuario «\1». Copia otra vez usuario y contraseña a DATABASE_URL. {_SIGNS}."),
    (r"no password supplied",
     "La base pide contraseña y DATABASE_URL no la lleva: debe ser como postgresql://usuario:contraseña@servidor:5432/base."),
    (r"Tenant or user not found",
     "Supabase no reconoce al usuario de DATABASE_URL. Copia la dirección completa de Connect › Session pooler (el usuario "
     "lleva el id del proyecto) y revisa que el proyecto no esté en pausa."),
    (r'role "(.*?)" (?:does not exist|is not permitted to log in)',
     r"El usuario «\1» no existe o no puede entrar a la base. Corrige el usuario en DATABASE_URL."),
    (r"no pg_hba.conf entry",
     "El servidor no deja entrar desde esta máquina, o no sin cifrar. Agrega ?sslmode=require al final de DATABASE_URL; si "
     "sigue igual, pide a quien cuida la base que permita esta máquina."),
    (r"too many (?:clients|connections)|connection slots|max clients",
     "La base ya no acepta más conexiones. Cierra programas que no uses o espera un minuto; si se repite, amplía su límite."),
    (r"the database system is (?:starting up|shutting down|in recovery)",
     "La base está arrancando o apagándose. Espera un minuto y corre `omnicrm doctor` otra vez."),
    (r'database "(.*?)" does not exist',
     r"En ese servidor no existe la base «\1». Corrige el final de DATABASE_URL, tras la última / (en Supabase es postgres)."),
    (r"permission denied|42501",
     "Se llega a la base, pero falta permiso. Usa la clave secreta (sb_secret_… o service_role), no la pública; con "
     "DATABASE_URL, el usuario con el que corriste `omnicrm migrate`."),
    (r"Could not find the function|function .* does not exist|schema .* does not exist",
     "Se llega a la base, pero le faltan nuestras funciones. Corre `omnicrm migrate`, que necesita DATABASE_URL; sin ella, "
     "mira «Supabase», paso 3, en el README."),
    (r"Invalid API key|No API key|JWT|JWS|PGRST30",
     "Supabase no acepta la clave. Copia SUPABASE_SECRET_KEY otra vez, de Project Settings › API Keys del mismo proyecto."),
    (r"Supabase answered (5\d\d)",
     r"Supabase no da servicio ahora (error \1). Revisa en su panel que el proyecto no esté en pausa, e intenta en un minuto."),
    (r"Supabase answered (\d+)",
     r"En esa dirección no contesta la API de Supabase (código \1). SUPABASE_URL debe ser como https://abc.supabase.co."),
]  # fmt: skip


def say_database(trouble: str) -> str | None:
    """What a database that cannot be used says of it, in Spanish; None for what has no words of its own."""
    for pattern, said in _DATABASE:
        if found := re.search(pattern, trouble, re.IGNORECASE):
            return found.expand(said)
    return None


def say(line: str) -> str | None:
    """A line about settings in Spanish; None for one that is about something else."""
    if said := _first(_LINES, line):
        return said
    if found := re.fullmatch(r"(\w+): missing, (.*?)(?:\. Example: (.*))?", line):
        name, reason, example = found.groups()
        who = _first(_MISSING, reason) or f" ({reason})"
        for channel, shown in _WHO.items():
            who = who.replace(f" {channel} necesita", f" {shown} necesita")
        return f"Falta {name}{who}: {_PUT}.{_such_as(example)}"
    if found := re.fullmatch(r"(\w+): (the value|.*?) is wrong: (.*?)(?:\. Example: (.*))?", line):
        name, value, reason, example = found.groups()
        shown = "su valor" if value == "the value" else f"su valor, {value},"
        why = _first(_REASONS, reason) or f"no se puede leer ({reason})"
        return f"{name} está mal: {shown} {why}. Corrígelo en .env o en el ambiente.{_such_as(example)}"
    return None


def _such_as(example: str | None) -> str:
    return f" Ejemplo: {example}" if example else ""


def _first(table: Iterable[tuple[str, str]], text: str) -> str | None:
    return next((found.expand(said) for pattern, said in table if (found := re.fullmatch(pattern, text))), None)
