"""Words that promise a medical effect, which a shop of botanical extracts must never do (COFEPRIS). Pure."""

from __future__ import annotations

import re

from ara.text import fold

# Verbs and nouns that promise by themselves, whatever they are about.
_STRONG = re.compile(
    r"""\b(?:
    cures?|heals?|relieves?|cur(?:a|an|o|ar|arte|arse|ara|aran|ando|ativ[oa]s?)|curacion
    |san(?:a|an|ar|arte|ara|aran|ando)(?=\s+(?:tu|tus|su|sus|la|las|el|los|de|cualquier|herid\w+|llag\w+)\b)
    |alivi(?:a|an|ar|arte|ara|aran|ando|o)
    |desinflam\w+|antiinflamatori\w*|anti[\s-]inflamatori\w*|analgesic\w*|antibiotic\w*|ansiolitic\w*|antidepresiv\w*|antiviral\w*
    |medicinal(?:es)?|terapeutic\w*|milagros\w*|remedios?
    |cicatriz(?:a|an|ar|ara|ante|antes)
    |clinicamente|cientificamente\s+(?:comprobad|probad|demostrad)\w*
    |(?:deja|dejar|suspende|suspender|sustituye|sustituir|reemplaza|reemplazar|en\s+vez\s+de|en\s+lugar\s+de)\s+(?:\w+\s+){0,3}
        (?:medic\w+|tratamiento\w*|insulina|pastillas?|doctor\w*)
    |no\s+(?:necesitas|hace\s+falta|requieres)\s+(?:\w+\s+){0,3}(?:medic\w+|doctor\w*|consulta\w*)
    |sin\s+efectos\s+secundarios|no\s+tiene\s+(?:efectos\s+secundarios|contraindicaciones)
    |baj(?:a|ar|as|ara|aras)\s+de\s+peso|adelgaz\w+|quema\s+grasa|desintoxic\w+
    )\b""",
    re.VERBOSE,
)

# Milder words promise as soon as the sentence names something that ails.
_WEAK = re.compile(
    r"""\b(?:
    ayud\w+|sirv\w+|funcion\w+|efectiv\w+|eficaz|eficaces|util(?:es)?|buen[oa]s?|ideal(?:es)?|perfect[oa]s?|recomend\w+|indicad\w+|mejor\w*
    |trat(?:a|an|ar|ara)|tratamiento|combat\w+|prevenir|previen\w+|evit\w+|elimin\w+|quit\w+|reduc\w+|disminuy\w+|baj(?:a|an|ar|ara)
    |calm\w+|control\w+|regul\w+|fortalec\w+|refuerz\w+|reforz\w+|protege\w*|contra|para|desaparec\w+|estimul\w+|equilibr\w+|depur\w+
    )\b""",
    re.VERBOSE,
)
_AILMENT = re.compile(
    r"""\b(?:
    dolor\w*|duele|diabet\w+|cancer\w*|tumor\w*|ansiedad|insomnio|gripe?|gripa|tos|resfri\w+|catarro|covid\w*|artritis|artrosis|reuma\w*
    |inflama\w+|gastritis|ulcera\w*|colitis|migrana\w*|jaqueca\w*|hipertension|presion\s+(?:alta|arterial|sanguinea)|presion|colesterol
    |trigliceridos|azucar\s+(?:alta|en\s+(?:la\s+)?sangre)|glucosa|depresion|alzheimer|parkinson|demencia|epilepsia|asma|bronquitis
    |alergi\w+|infeccion\w*|fiebre|hemorroides|varices|estrenimiento|diarrea|higado|hepatitis|rinon\w*|prostata|menopausia|colicos?
    |calambres?|moretones?|golpes?|torceduras?|esguinces?|heridas?|quemaduras?|acne|eccema|psoriasis|dermatitis|hongos\s+en
    |impotencia|infertilidad|ciatica|lumbago|sistema\s+inmun\w+|defensas|inmunidad|enfermedad\w*|padecimiento\w*|nervios|estres
    |dormir|sueno|memoria|concentracion|digestion|circulacion|metabolismo|hormona\w*|sobrepeso|obesidad|sintomas?
    )\b""",
    re.VERBOSE,
)
# "no cura", "no son medicamentos", "ni previene", "consulta a tu médico": saying what it is not is welcome.
_DENIAL = re.compile(
    r"\b(?:no|ni|nunca|tampoco|sin\s+que)\b(?:\s+(?!(?:pero|sino|aunque|y|e|que|solo|solamente|unicamente|nada)\b)\w+){0,4}\s*$"
)
_SENTENCE = re.compile(r"[.!?\n;]+")
_REFERRAL = re.compile(
    r"\b(?:consulta\w*|pregunta\w*|acude|acudir|ve|habla\w*|revisa\w*|platica\w*)\b.{0,40}\b(?:medic[oa]|doctor|doctora)\b"
)


def medical_claim(text: str) -> str | None:
    """The first words of a text that promise a medical effect, folded; None when it promises nothing."""
    for sentence in _SENTENCE.split(fold(text)):
        claim = _strong_claim(sentence) or _weak_claim(sentence)
        if claim:
            return claim
    return None


def _strong_claim(sentence: str) -> str | None:
    for match in _STRONG.finditer(sentence):
        # These start with their own "no": a denial before them is part of the promise.
        if match.group().startswith(("no ", "sin ")) or not _DENIAL.search(sentence[: match.start()]):
            return match.group()
    return None


def _weak_claim(sentence: str) -> str | None:
    if _REFERRAL.search(sentence):
        return None
    for ailment in _AILMENT.finditer(sentence):
        before = sentence[: ailment.start()]
        for verb in _WEAK.finditer(before):
            if not _DENIAL.search(before[: verb.start()]):
                return f"{verb.group()} … {ailment.group()}"
    return None
