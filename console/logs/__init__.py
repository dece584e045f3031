"""A model's log: the lines kept of it, what they mean, and the view that scrolls and searches them."""
