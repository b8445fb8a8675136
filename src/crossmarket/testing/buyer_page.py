"""The emulator for a person with a browser: buy, open the landing link, and everything that a buyer can do."""

from __future__ import annotations

import html
import inspect
import json
from typing import TYPE_CHECKING, get_args, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable

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
form { align-items: end; }
label { display: grid; opacity: .8; font-size: .8rem; } label > * { font-size: 1rem; }
input, select { font: inherit; box-sizing: border-box; width: 10rem; height: 2.2rem; padding: 0 .4rem; }
#error { color: #c22; min-height: 1.5rem; }
"""

SCRIPT = """
async function post(path, fields) {
  const body = {};
  for (const { name, value, dataset } of fields) {
    if (!name || value === "") continue;
    try { body[name] = "text" in dataset ? value : JSON.parse(value); } catch { body[name] = value; }
  }
  const say = (text) => { document.getElementById("error").textContent = text; return null; };
  let answer;
  try { answer = await fetch(path, { method: "POST", body: JSON.stringify(body) }); }
  catch { return say("The emulator does not answer. Does it still run?"); }
  if (!answer.ok) return say(await answer.text());
  return answer.json();
}
document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const answer = await post(form.dataset.path, form.elements);
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
<p>A field left empty has the value that it shows. The buyer is sent to
<code>{html.escape(emulator.landing_url)}</code>.</p>
<form data-path="/_emulator/clock"><label>seconds<input name="seconds" value="86400"></label>
<button>Let time pass</button></form></section>
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


def _form(path: str, label: str, function: Callable[..., object], *, main: bool = False) -> str:
    """Return a form with a field for each argument of the function but the purchase."""
    parameters = inspect.signature(function).parameters.values()
    hints = get_type_hints(function)
    fields = "".join(
        _field(parameter, hints.get(parameter.name)) for parameter in parameters if parameter.name != "purchase_id"
    )
    style = ' class="main"' if main else ""
    return f'<form data-path="{path}">{fields}<button{style}>{html.escape(label)}</button></form>'


def _field(parameter: inspect.Parameter, kind: object) -> str:
    """Return a field that shows the argument's default: a choice where the argument is one of a few, else a text."""
    name, default = html.escape(parameter.name), parameter.default
    choices = (False, True) if isinstance(default, bool) else get_args(kind)
    if default in choices and default is not None:
        options = "".join(_option(choice, chosen=choice == default) for choice in choices)
        return f'<label>{name}<select name="{name}">{options}</select></label>'
    shown = "" if default in (inspect.Parameter.empty, None) else str(default)
    text = " data-text" if kind is str or str in get_args(kind) else ""  # `007` is an account, not a number
    return f'<label>{name}<input name="{name}" placeholder="{html.escape(shown)}"{text}></label>'


def _option(value: object, *, chosen: bool) -> str:
    told = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return (
        f'<option value="{html.escape(json.dumps(value))}"{" selected" if chosen else ""}>{html.escape(told)}</option>'
    )
