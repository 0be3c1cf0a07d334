"""HTML to the words of a person: quotes cut by structure, nothing invisible, and no document that takes the machine down."""

from __future__ import annotations

import re
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email.html import render
from connectors.email.quotes import strip
from connectors.email.tame import MAX_TAGS, tame
from tests.support.growth import assert_linear

QUOTES = [
    '<div class="gmail_quote gmail_quote_container">OLD</div>',
    '<div class="gmail_quote"><div class="gmail_attr">OLD</div><blockquote class="gmail_quote">OLD</blockquote></div>',
    '<blockquote type="cite">OLD</blockquote>',
    '<BLOCKQUOTE TYPE=cite>OLD</BLOCKQUOTE>',
    '<div class="yahoo_quoted" id="yahoo_quoted_1">OLD<div>OLD</div></div>',
    '<div class="ydp9b1f0a55yahoo_quoted" id="ydp9b1f0a55yahoo_quoted_58">OLD<div>OLD</div></div>',
    '<div class="protonmail_quote">OLD</div>',
    '<div class="zmail_extra" style="x">OLD</div>',
    '<div class="moz-cite-prefix">OLD</div><blockquote type="cite" cite="mid:x">OLD</blockquote>',
    '<div id="mail-editor-reference-message-container"><div>OLD</div></div>',
    '<p id="reply-intro">OLD</p><blockquote type="cite">OLD</blockquote>',
    '<div id="appendonsend"></div><hr><div>OLD</div></div><div>OLD</div>',
    '<hr><div id="divRplyFwdMsg"><b>De:</b> OLD</div><div>OLD</div>',
    '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p>OLD</p></div><p>OLD</p>',
    '<div style="BORDER-TOP:SOLID #B5C4DF 1.0PT"><p>OLD</p></div><p>OLD</p>',
    '<div class="gmail_signature">OLD</div>',
    '<div id="Signature">OLD</div>',
    '<div id="AppleMailSignature">OLD</div>',
    '<div class="moz-signature">OLD</div>',
    '<div id="ms-outlook-mobile-signature">OLD</div>',
    '<div class="ydp12yahoo-signature">OLD</div>',
]


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("around", ["<div>{}</div>", "<html><body><table><tr><td>{}</td></tr></table></body></html>", "{}"])
def test_quotes_and_signatures_are_cut_by_structure(quote: str, around: str) -> None:
    html = around.format(f"<div>Sí, a las 5.</div>{quote}")
    assert strip(render(html, cut=True).text).text == "Sí, a las 5."
    assert "OLD" not in render(html, cut=True).text
    assert "OLD" in render(html, cut=False).text


def test_answers_between_gmails_quotes_stay() -> None:
    html = (
        '<div class="gmail_quote"><div class="gmail_attr">OLD</div><blockquote class="gmail_quote">OLD</blockquote><div>M</div>'
        '<blockquote class="gmail_quote">OLD</blockquote><div>Rojo</div></div>'
    )
    assert strip(render(html, cut=True).text).text == "M\n\nRojo"


def test_answers_between_quotes_that_only_words_introduce_stay() -> None:
    html = (
        "Abajo:<div>El 22 nov 2026, a la(s) 9:02 a.m., ACME &lt;bot@acme.mx&gt; escribió:<br></div><blockquote type=cite>OLD"
        "</blockquote><div>M</div><blockquote type=cite>OLD</blockquote><div>Rojo</div>"
    )
    assert strip(render(html, cut=True).text).text == "Abajo:\n\nM\n\nRojo"


@pytest.mark.parametrize(("html", "text"), [
    ("a<br>b", "a\nb"),
    ("a<br><br>b", "a\n\nb"),
    ("<div>a</div><div>b</div>", "a\nb"),
    ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
    ("<div>a<br></div>b", "a\nb"),
    ("<p>a</p><p>b</p>", "a\n\nb"),
    ("<p class=MsoNormal>a</p><p class=MsoNormal>b</p>", "a\nb"),
    ("<p class=MsoNormal>a</p><p class=MsoNormal>&nbsp;</p><p class=MsoNormal>b</p>", "a\n\xa0\nb"),
    ("  a \n b\t c ", "a b c"),
    ("<pre>a\n b\n\nc</pre>d\ne", "a\nb\n\nc\n\nd e"),
    ("<b>a</b><i> b</i> <a href=x>c</a>d", "a b cd"),
    ("<span>a</span><span>b</span>", "ab"),
    ("<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc"),
    ("<ul><li>a<li>b</ul>", "- a\n- b"),
    ("1 &lt; 2 &amp; 3 &eacute;&#233;", "1 < 2 & 3 éé"),
    ("1 < 2", "1 < 2"),
    ("Eva <eva@x.mx> dice", "Eva <eva@x.mx> dice"),
    ("a<b", "a"),
    ("<title>x</title><style>y</style><script>z</script>a<!-- b -->c", "ac"),
    ("<STYLE>y</STYLE>a", "a"),
    ("<!--[if gte mso 9]><xml>x</xml><![endif]-->a<![if !mso]>b<![endif]>", "ab"),
    ('<div style="display:none">hidden</div>a<span style="mso-hide:all">b</span>', "a"),
    ('<div style="color:red; DISPLAY: NONE">hidden</div>a<div hidden>b</div>', "a"),
    ("<o:p>a</o:p><center>b</center>", "a\nb"),
    ('a<img src="x" alt="😊">b<img alt="logo">', "a😊b"),
    ("<p>sin cerrar<div>b", "sin cerrar\n\nb"),
    ('<div title="a > b">c</div>', "c"),
    ("<svg><text>x</text></svg>a<select><option>b</select>", "a"),
    ("", ""),
])  # fmt: skip
def test_text_of_html(html: str, text: str) -> None:
    assert render(html, cut=True).text == text


def test_pictures_are_told_with_the_quotes_that_hold_them() -> None:
    html = '<img src="cid:new@x"><blockquote type=cite><img src="CID:old@x"></blockquote><img src="http://x/y.png">'
    assert render(html, cut=True).images == {"new@x"}
    assert render(html, cut=False).images == {"new@x", "old@x"}


@settings(deadline=None)
@given(st.text(max_size=300), st.booleans())
def test_any_text_is_rendered(html: str, cut: bool) -> None:
    render(html, cut=cut)


_tags = st.sampled_from([
    "<div>", "</div>", "<p>", "</p>", "<b x=1>", "<table>", "<td>", "</table>", "<br>", "<blockquote type=cite>",
    "</blockquote>", "<img src=cid:x>", "<!--", "-->", "<style>", "</style>", "<a href='", '"', ">", "<", "hola ", "&nbsp;",
    "<li>",
    "<body>", "</body>", "<html>", "<div id=appendonsend>", "<span hidden>", "</span>", "<template>", "<svg>", "<textarea>",
])  # fmt: skip


@settings(deadline=None)
@given(st.lists(_tags, max_size=40).map("".join))
def test_any_order_of_tags_is_rendered_in_words_of_the_document(html: str) -> None:
    whole = render(html, cut=False).text
    assert set(re.findall(r"\w+", whole)) <= {"hola", *re.findall(r"\w+", html)}


def test_formatting_never_reaches_the_parser() -> None:
    # It would be repeated in every paragraph: a tree of more than a gigabyte.
    hostile = "<p>" + "".join(f"<b x={number}>" for number in range(5000)) + "</p>" + "<p>x</p>" * 5000
    assert "<b" not in tame(hostile)
    assert render(hostile, cut=True).text.count("x") == 5000


def test_tags_are_counted() -> None:
    assert tame("<div>" * (MAX_TAGS * 3)).count("<div>") == MAX_TAGS


@pytest.mark.parametrize("unit", [
    "<div>", "<b x=1>", "<p>x</p>", "<!--", "<", "<a \"", "<a '\"", "<style>", "<ul><li>", "<span></p>", "<div a=", "&nbsp;",
    "<!",
    "</", '<a b="<', '<div class="gmail_quote">', "<blockquote type=cite>", "x ", "<br>", "<table><tr><td>", "<div x y=z>",
    "<textarea>", '<img src="cid:x">', "\u0301\u0316", "<div id=appendonsend>", "-->", "&#", "</div>",
])  # fmt: skip
def test_hostile_repetitions_take_linear_time(unit: str) -> None:
    # The parser itself is quadratic in depth, up to the bound on tags.
    bounded = 20_000 * unit.count("<") > MAX_TAGS
    assert_linear(partial(render, cut=True), lambda count: unit * count, 5_000, noise=0.02 if bounded else 0.005)
