"""Contrast of colors (WCAG 2.2, success criterion 1.4.3)."""

WHITE, BLACK = "#ffffff", "#000000"


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colors such as "#3344a8", from 1 to 21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def text_color_on(background: str) -> str:
    """Return white or black, whichever has the higher contrast. It is at least 4.5 on every background."""
    return WHITE if contrast(WHITE, background) >= contrast(BLACK, background) else BLACK


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[index : index + 2], 16) / 255) for index in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
