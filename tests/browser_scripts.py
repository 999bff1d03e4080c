"""JavaScript that tests in a browser share."""

COLOURS = r"""
          const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
          const light = (c) => [0, 1, 2].map((i) => c[i] / 255)
            .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const contrast = (one, other) => {
            const both = [light(one), light(other)];
            return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
          };
          const behind = (one) => {
            for (let at = one; at; at = at.parentElement) {
              const colour = parse(getComputedStyle(at).backgroundColor);
              if (colour.length === 3 || colour[3] > 0) return colour;
            }
            return [255, 255, 255];
          };
"""
"""Contrast by WCAG: `parse` a colour, `contrast` of two, what is painted `behind` an element."""
