"""How far a mail's From is to be believed: what our own receiver found out about it (RFC 8601), and nothing else.

Everybody can write an ``Authentication-Results`` into a mail. Ours is the topmost, above the first ``Received`` of a host
that is not ours, and bears a name that the settings list; a receiver takes such headers of others away (RFC 8601, 5). Only
this one header counts, so that what stands below it can add nothing to what it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from connectors.email.address import aligned, organisation
from connectors.email.envelope import Envelope, Ours, Trust
from connectors.email.mime import Headers

# Microsoft 365 writes the header without a name (learn.microsoft.com, "Anti-spam message headers"); its hosts' domains:
MICROSOFT = "microsoft"
_MICROSOFT_HOSTS = ("outlook.com", "office365.com", "exchangelabs.com")
_MAX_HEADER = 8_000
_BY = re.compile(r"\bby\s+([^\s;]+)", re.IGNORECASE)
_EQUALS = re.compile(r"\s*=\s*")
# A quoted string inside a comment is no string (RFC 5322, 3.2.2), but nobody writes half of one there.
_PIECES = re.compile(r"""\\.|"(?:[^"\\]|\\.)*"|[()]|[^()"\\]+|.""", re.DOTALL)
_QUOTED_WORD = re.compile(r'"[\w.@+-]*"')


@dataclass(frozen=True, slots=True)
class _Finding:
    """One method's result: ``dkim=pass header.d=example.com``."""

    method: str
    result: str
    properties: dict[str, str]

    def domain(self, *names: str) -> str:
        """The domain that the result is about, of the first of these properties that is there; "" for none."""
        value = next((self.properties[name] for name in names if name in self.properties), "")
        return value.rpartition("@")[2].strip("<>").lower()


def trust(headers: Headers, envelope: Envelope, ours: Ours, domain: str) -> Trust:
    """How far the receiver vouches for this From domain: the provider's own verdict, else our receiver's header.

    "verified": DMARC passed, or a DKIM signature or SPF of an aligned domain. "failed": DMARC failed. Else "unverified".
    """
    if envelope.verdict is not None:
        return envelope.verdict
    header = _ours(headers, ours)
    return "unverified" if header is None else _judged(_findings(header), domain)


def _ours(headers: Headers, ours: Ours) -> str | None:
    """The topmost Authentication-Results of our receiver, above all that a foreign host wrote."""
    for name, value in headers.fields:
        if name == "received" and not _is_our_host(value, ours):
            return None
        if name == "authentication-results" and _authserv_id(value) in map(str.lower, ours.authserv_ids):
            return value
    return None


def _is_our_host(received: str, ours: Ours) -> bool:
    found = _BY.search(_bare(received))
    if found is None:
        return False
    host = found[1].strip("[]").lower()
    try:
        # Between a receiver's own machines (Gmail: "by 2002:a05:…").
        return ip_address(host) is not None
    except ValueError:
        pass
    known = [ours.domain, ours.address.rpartition("@")[2], *ours.authserv_ids]
    domains = {organisation(domain) for domain in known if "." in domain}
    if MICROSOFT in ours.authserv_ids:
        domains.update(_MICROSOFT_HOSTS)
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _authserv_id(value: str) -> str:
    """Who wrote the header; "microsoft" where it begins with a result at once."""
    start = [word.lower() for word in _bare(value).split(";")[0].split()]
    if not start or "=" in start[0]:
        return MICROSOFT
    return start[0] if start[0] != MICROSOFT else ""


def _findings(value: str) -> list[_Finding]:
    found = []
    for part in _bare(value).split(";"):
        words = [word.partition("=") for word in part.split() if "=" in word]
        if words and "." not in words[0][0]:
            method, _, result = words[0]
            properties = {name.lower(): value.strip('"') for name, _, value in reversed(words[1:])}
            found.append(_Finding(method.partition("/")[0].lower(), result.lower(), properties))
    return found


def _judged(findings: list[_Finding], domain: str) -> Trust:
    dmarc = [finding for finding in findings if finding.method == "dmarc"]
    if any(finding.domain("header.from") not in ("", domain) for finding in dmarc):
        # The receiver read another sender than we do: one of the two readings is the one that somebody wants us to have.
        return "unverified"
    if any(finding.result == "fail" for finding in dmarc):
        return "failed"
    if dmarc[1:]:
        return "unverified"
    if any(finding.result == "pass" for finding in dmarc):
        return "verified"
    signed = [f.domain("header.d", "header.i") for f in findings if f.method == "dkim" and f.result == "pass"]
    sent = [f.domain("smtp.mailfrom", "smtp.mail") for f in findings if f.method == "spf" and f.result == "pass"]
    return "verified" if any(aligned(other, domain) for other in (*signed, *sent)) else "unverified"


def _bare(value: str) -> str:
    """A structured header without what senders can put their words into: comments, and quoted strings that are no plain word.

    ``smtp.mailfrom="x; dmarc=pass"@evil.example`` is a legal address.
    """
    kept = []
    depth = 0
    for piece in _PIECES.findall(value[:_MAX_HEADER]):
        if piece == "(":
            depth += 1
        elif piece == ")" and depth:
            depth -= 1
        elif not depth:
            kept.append("" if piece.startswith('"') and not _QUOTED_WORD.fullmatch(piece) else piece)
    return _EQUALS.sub("=", "".join(kept))
