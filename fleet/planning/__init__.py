"""From what an operator wants to what is done for it: drafts, verdicts, better placements, and plans that hold."""
