"""The style of the report page and its one small script; the page is whole without the script."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root { color-scheme: light dark; --ink: #1d2127; --soft: #616b78; --line: #dfe3e8; --paper: #ffffff; --card: #f5f7f9;
  --mark: #2763b8; --warn: #a3520a; --warn-paper: #fdf3e7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #9aa4b1; --line: #333a43; --paper: #14171b;
  --card: #1c2026; --mark: #7fb0f5; --warn: #f0b070; --warn-paper: #2c2218; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1040px; padding: 20px 20px 60px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 8px 0 6px; }
h2 { font-size: 1.15rem; margin: 38px 0 12px; padding-bottom: 5px; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 22px 0 8px; }
h3 small { font-weight: 400; }
p { margin: 6px 0; }
.soft, figcaption, small { color: var(--soft); }
.badge { display: inline-block; padding: 1px 10px; margin-right: 6px; border-radius: 99px; font-size: 0.85rem;
  border: 1px solid var(--line); background: var(--card); }
.badge.warn { color: var(--warn); background: var(--warn-paper); border-color: var(--warn); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 10px; margin: 16px 0; }
.facts div { background: var(--card); border-radius: 8px; padding: 9px 13px; }
.facts dt { color: var(--soft); font-size: 0.8rem; }
.facts dd { margin: 1px 0 0; font-weight: 550; }
.facts small { display: block; font-weight: 400; }
pre { background: var(--card); border-radius: 8px; padding: 11px 14px; margin: 6px 0; white-space: pre-wrap;
  font: 0.87rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: 6px; background: var(--card); }
img.coarse { image-rendering: pixelated; }
figcaption { font-size: 0.85rem; padding-top: 4px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; align-items: start; }
.grids { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 14px; }
details + .curves { margin-top: 14px; }
.curves figure { background: var(--card); border-radius: 8px; padding: 8px; max-width: 640px; }
svg.curve { display: block; width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.93rem; }
th { text-align: left; color: var(--soft); font-weight: 500; font-size: 0.82rem; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th.n, td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.n { font-weight: 550; } td.n small { display: block; font-weight: 400; }
th.protocol { padding-left: 12px; }
td.protocol { color: var(--soft); font-size: 0.78rem; line-height: 1.4; width: 46%; padding-left: 12px; }
td.when { white-space: nowrap; color: var(--soft); width: 1%; }
tr.warn td { background: var(--warn-paper); } .events td:first-child { padding-left: 8px; }
tr.warn strong { color: var(--warn); }
.beware { color: var(--warn); }
details summary { cursor: pointer; color: var(--soft); }
#slider { display: none; flex: 0 0 300px; }
.time.moving { display: flex; gap: 18px; align-items: flex-start; }
.time.moving #slider { display: block; }
.time.moving .grids { flex: 1; grid-template-columns: repeat(auto-fill, minmax(96px, 1fr)); gap: 10px; }
#slider input { width: 100%; accent-color: var(--mark); }
@media (max-width: 640px) {
  body { padding: 12px 12px 40px; }
  .pair { gap: 8px; }
  .grids { grid-template-columns: repeat(auto-fill, minmax(100px, 1fr)); gap: 8px; }
  .time.moving { display: block; }
  #slider { margin-bottom: 12px; }
  .numbers thead { display: none; }
  .numbers tr { display: grid; grid-template-columns: 1.4fr 1fr 1fr 1fr; border-bottom: 1px solid var(--line); }
  .numbers td { border: 0; }
  .numbers td.n::before { content: attr(data-of); display: block; color: var(--soft); font-size: 0.72rem;
    font-weight: 400; }
  .numbers td.protocol { grid-column: 1 / -1; width: auto; padding: 0 0 8px; }
  .events tr { display: block; padding: 5px 0; border-bottom: 1px solid var(--line); }
  .events td { display: block; border: 0; padding: 0; }
}
@media print { #slider { display: none !important; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
"""

SCRIPT = """
const grids = [...document.querySelectorAll('.grids figure')], box = document.getElementById('slider');
if (box && grids.length > 2) {
  const [range, picture, words] = ['input', 'img', 'figcaption'].map(name => box.querySelector(name));
  range.max = grids.length - 1;
  const show = () => {
    const grid = grids[range.value];
    picture.src = grid.querySelector('img').src;
    picture.className = grid.querySelector('img').className;
    words.textContent = grid.querySelector('figcaption').textContent;
  };
  range.addEventListener('input', show);
  range.value = range.max;
  show();
  box.parentElement.classList.add('moving');
}
"""


def policy() -> str:
    """Return the content security policy: this page loads nothing and runs only its own script."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
