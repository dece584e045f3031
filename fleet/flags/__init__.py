"""Which flags engines have, a list of words for each engine, and what to say of one that is not among them."""
