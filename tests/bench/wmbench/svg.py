"""Bar charts, written by hand: each row has a scale of its own."""

from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 760, 20, 110
BAR, GAP, HEAD, TOP = 16, 4, 24, 64
INK, PALE, LINE = "#1f2937", "#6b7280", "#e5e7eb"
OURS, THEIRS = "#0f766e", ("#94a3b8", "#b8a68f", "#a8a8a8")


def text(x, y, words, size=12, color=INK, more=""):
    return (f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" '
            f'{more}>{escape(words)}</text>')


def bar(y, length, color):
    return (f'<rect x="{LEFT}" y="{y}" width="{max(1.0, length):.1f}" '
            f'height="{BAR}" rx="2" fill="{color}"/>')


def row_marks(y, title, bars, target):
    """Marks of one row, and the y where the next one begins."""
    room = WIDTH - LEFT - RIGHT - 160
    top = max(v for _, v, _ in bars) or 1
    out = [text(LEFT, y + 14, title, 12, INK, 'font-weight="600"')]
    y += HEAD
    first = y
    for i, (label, value, words) in enumerate(bars):
        ours = label == "Wemmick"
        color = OURS if ours else THEIRS[i % len(THEIRS)]
        length = value / top * room
        out.append(bar(y, length, color))
        out.append(text(LEFT + max(1.0, length) + 6, y + 12.5,
                        f"{words}  {label}", 11, INK if ours else PALE))
        y += BAR + GAP
    if target and target < top:
        x = LEFT + target / top * room
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{first - 3}" '
                   f'y2="{first + BAR + 3}" stroke="#b91c1c" '
                   f'stroke-width="2"/>')
    return out, y + 10


def chart(title, note, rows):
    """rows: [(title, [(label, value, words)], target)] -> SVG text."""
    out, y = [], TOP
    for r in rows:
        marks, y = row_marks(y, *r)
        out += marks
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{y + 6}" viewBox="0 0 {WIDTH} {y + 6}" '
            f'font-family="system-ui, sans-serif">',
            f'<rect width="{WIDTH}" height="{y + 6}" fill="#ffffff"/>',
            text(LEFT, 28, title, 17, INK, 'font-weight="700"'),
            text(LEFT, 46, note, 11, PALE),
            f'<line x1="{LEFT}" x2="{WIDTH - LEFT}" y1="54" y2="54" '
            f'stroke="{LINE}"/>']
    return "\n".join(head + out + ["</svg>"]) + "\n"
