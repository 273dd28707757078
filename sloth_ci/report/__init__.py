"""Plans and outcomes for a reader: a terminal, Markdown, JSON."""
