"""The figures of the console: `keeping` writes them behind the journal, `reading` adds them up for a page.

What a figure means stands at its model (`enrollment.models.figures`) and on its page. Source: issue of the console (6),
docs/decisions/figures.md.
"""
