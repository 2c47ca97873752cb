"""Charts in a page, as a reader sees them: the texts, their contrast, their size and whether they collide."""

from dataclasses import dataclass

from playwright.sync_api import Locator

_TEXTS = """
svgs => svgs.flatMap(svg => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number)
  const luminance = ([r, g, b]) => [r, g, b]
    .map(part => part / 255).map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [.2126, .7152, .0722][index], 0)
  const behind = element => {
    const colour = rgb(getComputedStyle(element).backgroundColor)
    return colour.length > 3 && colour[3] === 0 ? behind(element.parentElement) : colour
  }
  return [...svg.querySelectorAll('text')].filter(text => text.textContent.trim()).map(text => {
    const box = text.getBoundingClientRect(), style = getComputedStyle(text)
    const colours = [rgb(style.fill), behind(svg.parentElement)]
    const [one, other] = colours.map(luminance).sort((a, b) => b - a)
    const scale = svg.getScreenCTM().a
    return {
      text: text.textContent.trim(), contrast: (one + .05) / (other + .05),
      size: parseFloat(style.fontSize) * scale,
      left: box.left, right: box.right, top: box.top, bottom: box.bottom,
    }
  })
})
"""


@dataclass(frozen=True, slots=True)
class Label:
    """A text of a chart: its contrast with the background, its size and its edges in pixels."""

    text: str
    contrast: float
    size: float
    left: float
    right: float
    top: float
    bottom: float

    def touches(self, other: "Label") -> bool:
        """True if there is no space between the two."""
        return max(self.left, other.left) < min(self.right, other.right) + 2 and max(
            self.top, other.top
        ) < min(self.bottom, other.bottom)


def labels(charts: Locator) -> list[Label]:
    """All texts of *charts*, which are SVG elements."""
    return [Label(**found) for found in charts.evaluate_all(_TEXTS)]


def collisions(found: list[Label]) -> list[tuple[str, str]]:
    """The pairs of texts without a space between them."""
    return [
        (one.text, other.text)
        for number, one in enumerate(found)
        for other in found[number + 1 :]
        if one.touches(other)
    ]
