"""Programs as their owner writes them: drafts, publishing, closing, consent texts, conflict rules, trying a version.

Writers are here and nowhere else; what they allow is decided in `checking`, and every change is one commit with its
line in the journal. What was published never changes (a trigger keeps it): every change is a new version.
Source: screens C7 and C9, spec conflicts, decisions 34, 35, 45, 54.
"""
