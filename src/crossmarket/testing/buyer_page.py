"""The emulator for a person with a browser: buy, open the landing link, and everything that a buyer can do."""

from __future__ import annotations

import html
import inspect
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossmarket.testing.emulator import Emulator

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
header { display: flex; justify-content: space-between; align-items: baseline; flex-wrap: wrap; }
section { border: 1px solid #8884; border-radius: .6rem; padding: 1rem 1.25rem; margin: 1rem 0; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 0 0 .5rem; font-family: ui-monospace, monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0 0 .75rem; }
dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
form { display: inline-flex; gap: .4rem; margin: .2rem .4rem .2rem 0; align-items: center; flex-wrap: wrap; }
button { font: inherit; padding: .3rem .8rem; border-radius: .4rem; border: 1px solid #8886; cursor: pointer; }
button.main { background: #2557d6; border-color: #2557d6; color: #fff; }
input { font: inherit; width: 9rem; padding: .25rem .4rem; }
#error { color: #c22; min-height: 1.5rem; }
"""

SCRIPT = """
async function post(path, fields) {
  const body = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== "") { try { body[name] = JSON.parse(value); } catch { body[name] = value; } }
  }
  const answer = await fetch(path, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) { document.getElementById("error").textContent = await answer.text(); return null; }
  return answer.json();
}
document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const answer = await post(form.dataset.path, Object.fromEntries(new FormData(form)));
  if (!answer) return;
  if (!form.dataset.landing) { location.reload(); return; }
  if (answer.method === "GET") { location.href = answer.address; return; }
  const go = document.createElement("form");
  go.method = answer.method; go.action = answer.url;
  for (const [name, value] of Object.entries(answer.fields)) {
    const field = document.createElement("input");
    field.type = "hidden"; field.name = name; field.value = value; go.append(field);
  }
  document.body.append(go); go.submit();
});
"""


def render(emulator: Emulator) -> str:
    """Return the page as HTML."""
    cards = "".join(_card(emulator, purchase) for purchase in reversed(emulator.purchases()))
    name = html.escape(emulator.name)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name} marketplace, emulated</title><style>{STYLE}</style></head><body>
<header><h1>{name} marketplace, emulated</h1><span>{emulator.clock.now():%Y-%m-%d %H:%M} UTC</span></header>
<p id="error" role="alert"></p>
<section><h2>Buy</h2>{_form("/_emulator/purchases", "Buy", emulator.buy, main=True)}
<form data-path="/_emulator/clock"><input name="seconds" value="86400" aria-label="seconds">
<button>Let seconds pass</button></form></section>
{cards}<script>{SCRIPT}</script></body></html>"""


def _card(emulator: Emulator, purchase: str) -> str:
    facts = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(json.dumps(value, ensure_ascii=False))}</dd>"
        for name, value in emulator.describe(purchase).items()
    )
    path = f"/_emulator/purchases/{html.escape(purchase)}"
    actions = "".join(
        _form(f"{path}/{action}", action.replace("_", " "), function)
        for action, function in sorted(emulator.actions.items())
    )
    return f"""<section><h2>{html.escape(purchase)}</h2><dl>{facts}</dl>
<form data-path="{path}/landing" data-landing="yes"><button class="main">Go to the seller</button></form>{actions}
</section>"""


def _form(path: str, label: str, function: object, *, main: bool = False) -> str:
    """Return a form with a field for each argument of the function but the purchase."""
    names = [name for name in inspect.signature(function).parameters if name != "purchase_id"]  # type: ignore[arg-type]
    fields = "".join(
        f'<input name="{html.escape(name)}" placeholder="{html.escape(name)}" aria-label="{html.escape(name)}">'
        for name in names
    )
    style = ' class="main"' if main else ""
    return f'<form data-path="{path}">{fields}<button{style}>{html.escape(label)}</button></form>'
