"""The commands of the command line: each module has ``configure(parser)`` and ``run(options) -> exit code``."""
