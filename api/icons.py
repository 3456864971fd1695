"""Icons: shapes that differ without their colour. The symbols stand in `templates/_icons.svg`."""

from typing import Final

from markupsafe import Markup

SEVERITY: Final = {"stop": "octagon", "urgent": "triangle", "soon": "diamond", "info": "circle"}
"""Shape of each severity."""


def icon(name: str) -> Markup:
    """One symbol of the page's sprite; hidden from screen readers, for a word always stands beside it."""
    shape = SEVERITY.get(name, name)
    return Markup(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-{}"></use></svg>'
    ).format(shape)
