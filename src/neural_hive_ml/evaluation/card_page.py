"""The frame of a page that stands alone: no script, no font, nothing fetched; light and dark."""

import html

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5a6675; --line: #d9dfe6; --paper: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ef; --soft: #9aa7b5; --line: #36414d; --paper: #161b21; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 58rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; vertical-align: top;
         overflow-wrap: anywhere; }
img { width: 100%; max-width: 46rem; background: #fff; border-radius: 6px; margin: .5rem 0; display: block; }
pre { background: color-mix(in srgb, var(--ink) 8%, transparent); padding: .8rem; overflow-x: auto; }
.note { color: var(--soft); }
"""


def page(title: str, body: str) -> str:
    """Return an HTML page; `body` is HTML already."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>\n"
    )
