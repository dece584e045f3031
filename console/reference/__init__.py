"""What is written about gpudeck from gpudeck itself: completion, manual page, and pages of `docs/`.

``python -m console.reference`` writes the pages anew.
"""
