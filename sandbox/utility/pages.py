"""The few pages a person sees: who is who, what was sent, and the page that stands where an API answer should be."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.utility.app import Utility

_STYLE = """
:root{--ink:#0b0c0c;--line:#b1b4b6;--soft:#f3f2f1;--blue:#1d70b8}
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink)}
.banner{background:#ffdd00;padding:.6rem 1rem;font-weight:600}main{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:2rem;margin:1rem 0 .25rem}h2{font-size:1.25rem;margin:2rem 0 .5rem}
.card{border:1px solid var(--line);padding:1rem;margin:1rem 0}.card h2{margin:0}.card p{margin:.25rem 0 .75rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .75rem .35rem 0;vertical-align:top;
border-top:1px solid var(--line)}code,pre{font:14px ui-monospace,monospace;background:var(--soft);padding:.1rem .25rem;
overflow-wrap:anywhere}pre{padding:.75rem;overflow-x:auto}a{color:var(--blue)}
@media(prefers-color-scheme:dark){:root{--ink:#f3f2f1;--line:#505a5f;--soft:#262b2e;--blue:#6fb1ea}body{background:#15191b}
.banner{color:#0b0c0c}}
"""


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        '<div class="banner">Sandbox: nobody on this page exists, and nothing here is a real utility.</div>'
        f"<main>{body}</main></body></html>"
    )


def who_is_who(utility: "Utility") -> str:
    """The personas with their ids, and how to fetch their credentials."""
    cards = [
        _card(person, utility)
        for did, person in utility.people.people.items()
        if utility.people.meters_of(did) or any(der["owner"] == did for der in utility.people.ders())
    ]
    example = (
        f"curl -X POST {utility.public_url}/api/v1/credentials/meter-ownership \\\n"
        "  -H 'Authorization: Bearer sandbox' -H 'Content-Type: application/json' \\\n"
        '  -d \'{"subject": "did:example:user-12345", "meterId": "umid-001"}\''
    )
    return _document(
        f"{utility.name}: who is who",
        f"<h1>{escape(utility.name)}</h1><p>Who is who at this utility. Its credentials are signed by "
        f"<code>{escape(utility.issuer.did)}</code>"
        + (
            f", judgements on eligibility by <code>{escape(utility.program_issuer.did)}</code>"
            if utility.program_issuer is not utility.issuer
            else ""
        )
        + '.</p><p><a href="/outbox">Messages it has sent</a> · <a href="/news">Billing and changes</a> · '
        '<a href="/.well-known/did.json">DID document</a></p>'
        f"{''.join(cards)}<h2>Fetch a credential</h2><pre>{escape(example)}</pre>",
    )


def _card(person: Mapping[str, Any], utility: "Utility") -> str:
    meters = [
        f"<tr><th scope='row'>Meter</th><td><code>{escape(meter['umid'])}</code></td>"
        f"<td>{meter['sanctionedLoadKw']} kW, {escape(meter['connectionType'].lower())}"
        f"{', net meter' if meter['netMeter'] else ''}, account "
        f"<code>{escape(meter['holders'][0]['utilityCustomerId'])}</code></td></tr>"
        for meter in utility.people.meters_of(person["did"])
    ]
    ders = [
        f"<tr><th scope='row'>Device</th><td><code>{escape(der['derId'])}</code></td><td>{escape(der['type'])}, "
        f"{der['ratedKw']} kW{_energy(der)} at <code>{escape(der['umid'])}</code></td></tr>"
        for der in utility.people.ders()
        if der["owner"] == person["did"]
    ]
    return (
        f"<section class='card'><h2>{escape(person['name'])}</h2><p>{escape(person['story'])}</p>"
        f"<p><code>{escape(person['did'])}</code></p>{_sign_in(person, utility)}"
        f"<table>{''.join(meters + ders)}</table></section>"
    )


def _sign_in(person: Mapping[str, Any], utility: "Utility") -> str:
    login = utility.sign_ins.login_of(person)
    if utility.sign_ins.find(login) is None:
        return ""
    return f"<p>Signs in as <code>{escape(login)}</code> with <code>{utility.sign_ins.password(login)}</code></p>"


def _energy(der: Mapping[str, Any]) -> str:
    return f", {der['energyKwh']} kWh" if der["energyKwh"] is not None else ""


def outbox(name: str, messages: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        f"<tr><td>{escape(message['at'])}</td><td>{escape(message['to'])}</td><td>{escape(message['template'])}"
        f"{_words(message)}</td></tr>"
        for message in messages
    ]
    table = f"<table><tr><th>When</th><th>To</th><th>What</th></tr>{''.join(rows)}</table>"
    return _document(
        f"{name}: outbox", f"<h1>Messages {escape(name)} has sent</h1>{table if rows else '<p>None yet.</p>'}"
    )


def _words(message: Mapping[str, Any]) -> str:
    """A message as its reader has it, in its language; without words, what it was made of."""
    if "text" not in message:
        return f"<br><small>{escape(str(message['parameters']))}</small>"
    right_to_left = ' dir="rtl"' if message["locale"] in ("ur", "ar", "fa") else ""
    paragraphs = "".join(f"<p>{_linked(part)}</p>" for part in message["text"].split("\n\n"))
    subject = f"<p><strong>{escape(message['subject'])}</strong></p>"
    return f'<div lang="{escape(message["locale"])}"{right_to_left}>{subject}{paragraphs}</div>'


def _linked(text: str) -> str:
    return re.sub(r"https?://[^\s,;،؛]+", lambda found: f'<a href="{found[0]}">{found[0]}</a>', escape(text))


def maintenance(name: str) -> str:
    return _document("Maintenance", f"<h1>{escape(name)} is being maintained</h1><p>Please come back later.</p>")


def plain(title: str, body: str) -> str:
    return _document(title, body)
