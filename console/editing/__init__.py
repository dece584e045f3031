"""The edit form: the arguments of one model as an operator fills them in."""
