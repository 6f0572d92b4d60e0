"""Draw the pictures of docs/assets/ that follow from figures, or repeat a form; role.svg is drawn by hand.

The pictures are narrow, so that their text can be read on a phone.
"""

import re
from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape

from sandbox.environment import PROJECT

_WIDTH: Final = 480
_ROLES: Final = (1, 10, 100)
_BAR: Final = 250
"""The length of a bar for the ratio 1."""


def performance() -> str:
    """Return the ratios of benchmarks/README.md to hand-written resources, as bars."""
    page = (PROJECT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    lines = [
        _text(20, 34, "Wall-clock time, relative to hand-written resources", "name left"),
        *_key(20, "role", "this project"),
        *_key(165, "box", "hand-written components"),
    ]
    top = 84
    for number in _ROLES:
        section = page.partition(f"<!-- roles-{number} -->")[2].partition(
            f"<!-- end of roles-{number} "
        )[0]
        ours, by_hand = (_ratios(section, kind) for kind in ("this project's", "hand-written"))
        for place, title in enumerate(("preview", "first update")):
            roles = f"{number} role{'s' if number > 1 else ''}"
            lines.append(_text(20, top + 16, f"{roles}, {title}", "left"))
            for row, (kind, ratio) in enumerate((("role", ours[place]), ("box", by_hand[place]))):
                y, length = top + 24 + 20 * row, round(float(ratio) * _BAR)
                lines += [_box(kind, 20, y, length, 17), _text(28 + length, y + 14, ratio, "left")]
            top += 76
    lines.append(f'<path class="arrow base" d="M{20 + _BAR} 96V{top}"/>')
    lines.append(_text(20 + _BAR, top + 20, "1.00, hand-written resources"))
    return _picture(top + 36, "Ratios of this project's components to hand-written resources", lines)


def _ratios(section: str, kind: str) -> list[str]:
    """Return the ratios of wall-clock time of a preview and of a first update."""
    found = re.findall(rf"^\| {kind} components \| .*?\) \| ([\d.]+) ", section, re.MULTILINE)
    return found[:2]


def _key(x: int, kind: str, meaning: str) -> list[str]:
    return [_box(kind, x, 50, 17, 17), _text(x + 25, 64, meaning, "left")]


def environments() -> str:
    """Return two environments, each with its account, stack, and roles of CI."""
    lines = [
        _box("box", 20, 20, 440, 66),
        _text(240, 47, "Repository", "name"),
        _text(240, 71, "the program, and a Pulumi.STACK.yaml for each stack"),
        _text(240, 111, "GitHub Actions"),
        _text(240, 131, "with OpenID Connect"),
    ]
    for x, name in ((20, "staging"), (245, "prod")):
        middle = x + 107
        lines += [
            f'<path class="arrow" d="M{middle} 86V144"/>',
            f'<rect class="account" x="{x}" y="146" width="215" height="352" rx="6"/>',
            _box("box", x + 12, 174, 191, 114),
            _text(middle, 165, f"Account of {name}", "name"),
            _text(middle, 198, "Roles of CI", "name"),
            _text(middle, 224, "preview: reads, drift"),
            _text(middle, 248, "deploy: after a merge"),
            _text(middle, 272, "audit: checks, daily"),
            f'<path class="arrow" d="M{middle} 288V328"/>',
            _text(middle + 10, 313, "pulumi up", "left"),
            _box("box", x + 12, 330, 191, 58),
            _text(middle, 354, f"Stack {name}", "name"),
            _text(middle, 377, f"Pulumi.{name}.yaml"),
            f'<path class="arrow" d="M{middle} 388V424"/>',
            _box("role", x + 12, 426, 191, 58),
            _text(middle, 450, "Roles of", "name"),
            _text(middle, 472, "the data sources", "name"),
        ]
    lines.append(_text(240, 524, "The stack dev has the sandbox in place of an account."))
    return _picture(542, "Environments: stacks, accounts, and the roles of CI", lines)


def _picture(height: int, title: str, lines: Iterable[str]) -> str:
    """Return a picture with the styles and the arrowhead of role.svg, on a background of its own."""
    role = (PROJECT / "docs" / "assets" / "role.svg").read_text(encoding="utf-8")
    shared = role[role.index("  <style>") : role.index("  <rect")]
    page = f'<rect class="page" x=".5" y=".5" width="{_WIDTH - 1}" height="{height - 1}" rx="8"/>'
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title">
  <title id="title">{escape(title)}</title>
{shared}  <style>
    .left {{ text-anchor: start }}
    .base {{ stroke-dasharray: 4 4; marker-end: none }}
    .account {{ fill: none; stroke: #8a94a0; stroke-width: 1.5; stroke-dasharray: 7 5 }}
  </style>
  {page}
{"".join(f"  {line}{chr(10)}" for line in lines)}</svg>
"""


def _box(kind: str, x: int, y: int, width: int, height: int) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="3"/>'


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    shown = f' class="{kind}"' if kind else ""
    return f'<text{shown} x="{x}" y="{y}">{escape(text)}</text>'
