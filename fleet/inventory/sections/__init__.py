"""The sections of a fleet file, a module each: its keys, what is wrong with it as a whole, what it comes to."""
