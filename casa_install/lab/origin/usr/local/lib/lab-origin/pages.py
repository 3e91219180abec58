"""The pages that a person sees at the lab's provider."""

from __future__ import annotations

from html import escape

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; background: #f4f5f7; color: #1d2430; margin: 0; }
main { max-width: 22rem; margin: 12vh auto 0; padding: 2rem; background: #fff; border-radius: .5rem;
       box-shadow: 0 1px 4px #0003; }
h1 { font-size: 1.3rem; margin: 0 0 1rem; }
label { display: block; margin: .8rem 0 .2rem; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .45rem; border: 1px solid #8a93a3;
        border-radius: .3rem; }
button { font: inherit; margin-top: 1.2rem; padding: .5rem 1.4rem; border: 0; border-radius: .3rem;
         background: #14508c; color: #fff; cursor: pointer; }
.error { background: #fde8e8; border-left: 4px solid #b42318; padding: .5rem .8rem; margin: 0 0 1rem; }
.note { color: #5b6472; font-size: .85rem; margin: 1.5rem 0 0; }
"""


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n{body}\n"
        '<p class="note">The identity provider of a lab: its people exist here only.</p>'
        "</main></body></html>\n"
    )


def login_form(form: str, *, client: str, name: str = "", error: str = "") -> str:
    """Asks for name and password.

    Args:
        form: What the request that waits for an answer is called.
        client: Who asked.
        name: What was typed before.
        error: Why it is shown again.
    """
    said = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    return _page(
        "Log in",
        f"""<h1>Log in to go on to {escape(client)}</h1>{said}
<form method="post" action="/login">
<input type="hidden" name="form" value="{escape(form)}">
<label for="username">User name</label>
<input id="username" name="username" value="{escape(name)}" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit" id="login">Log in</button>
</form>""",
    )


def logout_form(token: str, hidden: dict[str, str]) -> str:
    """Asks whether the person wants to log out."""
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in {**hidden, "confirmed": token}.items()
    )
    return _page(
        "Log out",
        f"""<h1>Log out of the lab?</h1>
<form method="post" action="/logout">{fields}<button type="submit" id="logout">Log out</button></form>""",
    )


def notice(title: str, text: str) -> str:
    """Says something."""
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>")
