"""The lines with which mail programs introduce quotes and end mails: regular expressions for one line each, all bounded.

What Gmail, Outlook, Apple Mail, Yahoo, Thunderbird, Samsung, Zoho and Proton write, in Spanish and English, and the
introductions in Portuguese, French, German and Italian.
"""

from __future__ import annotations

import re

# --- where a quote begins ------------------------------------------------------------------------------------------------

_DAY = (
    r"(?:\d|lun|mar|mi[ée]|jue|vie|s[áa]b|dom|mon|tue|wed|thu|fri|sat|sun|ene|feb|abr|may|jun|jul|ago|sep|oct|nov|dic|"
    r"jan|apr|aug|dec|seg|ter|qua|qui|sex|lun|ven|sam|dim)"
)
OPENING = re.compile(r"(?:-{2,}\s)?(?:on|el|em|le|am|il(?: giorno)?|en fecha)\s", re.IGNORECASE)
DATED_OPENING = re.compile(OPENING.pattern + _DAY, re.IGNORECASE)
CLOSING = re.compile(
    r"\b(?:wrote|writes|escribi[óo](?: lo siguiente)?|escreveu|a écrit|schrieb(?: .{1,80})?|ha scritto)\s?(?::|-{2,})$",
    re.IGNORECASE,
)
CLOSING_WITHIN = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}>\)? (?:wrote|escribi[óo]):\s", re.IGNORECASE)
# "Mi hermana me escribió:" is a person telling of a person.
TOLD = re.compile(r"\b(?:me|nos|te|le|les|se) (?:escribi[óo]|wrote)\s?:$", re.IGNORECASE)
# The name first and the verb in the middle (Outlook for Mac), or no verb at all (Gmail, years ago).
NAME_FIRST = re.compile(r"[^<]{1,120}<[^\s<>@]{1,100}@[^\s<>@]{1,100}>,? (?:wrote|escribi[óo])\b.{0,80}:$", re.IGNORECASE)
DATE_FIRST = re.compile(r"\d{4}-\d\d-\d\d \d{1,2}:\d\d\b[^<]{0,120}<[^\s<>@]{1,100}@[^\s<>@]{1,100}>:$")
TIME = re.compile(r"\d{1,2}[:.h]\d{2}")
DATE = re.compile(r"\b(?:19|20)\d{2}\b|\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2}")
ADDRESS = re.compile(r"[^\s@]@[^\s@]")
FORWARD = re.compile(
    r"-{2,}\s{0,3}(?:mensaje reenviado|forwarded message|forwarded by\b.{1,80}|mensagem encaminhada|message transféré)"
    r"\s{0,3}-{2,}$|"
    r"(?:begin forwarded message|inicio del mensaje reenviado)\s?:$",
    re.IGNORECASE,
)
SEPARATOR = re.compile(
    r"-{2,}\s{0,3}(?:(?:mensaje|correo|message) (?:original|d'origine)|original (?:message|appointment)|mensagem original|"
    r"ursprüngliche nachricht|messaggio originale|mensaje citado)\s{0,3}-{2,}$",
    re.IGNORECASE,
)
# The block of headers that Outlook quotes with, and everybody forwards with.
_LABELS = {
    "from": ("de", "from", "von", "da", "remitente"),
    "sent": ("enviado", "enviado el", "enviada el", "sent", "fecha", "date", "gesendet", "enviada em", "envoyé", "data"),
    "to": ("para", "to", "an", "à", "a"),
    "cc": ("cc", "cco", "bcc"),
    "subject": ("asunto", "subject", "betreff", "assunto", "objet", "oggetto"),
}
LABEL_OF = {label: name for name, labels in _LABELS.items() for label in labels}
LABEL = re.compile(r"([A-Za-zÀ-ÿ]{1,10}(?: [a-z]{2})?)\s?:")
RULE = re.compile(r"[_\-=]{5,}$")

# --- what ends a mail ----------------------------------------------------------------------------------------------------

_DEVICE = (
    r"(?:iphone|ipad|ipod|mac|dispositivo|celular|m[óo]vil|tel[ée]fono|smartphone|tablet|tableta|android|blackberry|samsung|"
    r"galaxy|huawei|xiaomi|redmi|poco|motorola|moto|nokia|lg|oppo|vivo|honor|mobile|phone|device|windows|t-mobile|verizon)"
)
_PROGRAM = (
    r"(?:outlook|correo|mail|gmail|yahoo|proton ?mail|hotmail|aqua ?mail|bluemail|spark|mymail|airmail|zoho|canary|k-9|"
    r"thunderbird|edison|typeapp|tutanota|microsoft)"
)
SENT_FROM = re.compile(
    rf"(?:enviado (?:desde|con) (?:(?:mi|un|el|la aplicación|la app(?: de)?) )?|"
    rf"sent (?:from|with|via|using) (?:(?:my|an?|the) )?|"
    rf"(?:obtener|obtén|descargar?|consigue|get|download) (?:<\S{{1,200}}> )?)(?:{_DEVICE}|{_PROGRAM})\b.{{0,120}}$",
    re.IGNORECASE,
)
# Virus scanners and programs advertise themselves behind the text.
ADVERTISEMENT = re.compile(
    r"(?:libre de virus|virus-free)\b.{0,200}$|(?:este correo electrónico|this e-?mail) (?:ha sido|has been) "
    r"(?:comprobado|analizado|checked|scanned)\b.{0,60}\bvirus(?:es)?\b.{0,200}$|\[(?:image|imagen): (?:avast|avg)\b.{0,200}$|"
    r"(?:<?https?://(?:www\.)?(?:avast|avg)\.com\S{0,300}>?)$",
    re.IGNORECASE,
)
FOOTER = re.compile(
    r"\W{0,5}(?:(?:aviso|nota|cláusula) (?:de confidencialidad|legal)\b|(?-i:AVISO DE PRIVACIDAD)|confidencial(?:idad)?\s?[:.]|"
    r"confidential(?:ity)?(?: notice| note)?\s?[:.]|(?:legal )?disclaimer\s?[:.]|legal notice\b|"
    r"(?:este|el presente) (?:mensaje|correo|e-?mail)(?: electrónico)?,?"
    r"(?: (?:y/?o?|incluyendo|así como))? (?:sus|los|todos|cualquier|puede contener|contiene información|es confidencial|"
    r"va dirigido|está dirigido)|"
    r"la información (?:contenida|transmitida) en (?:este|el presente)|"
    r"th(?:is|e information (?:contained )?in this) (?:e-?mail|message|communication)"
    r" (?:and (?:any|its)|is (?:confidential|intended)|may contain|contains)|"
    r"(?:por favor,? )?(?:antes de imprimir|considere el medio|piense antes)|(?:please )?(?:consider the env|think before))",
    re.IGNORECASE,
)
