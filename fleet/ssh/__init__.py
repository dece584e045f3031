"""Connections to hosts, one per host, and the capabilities over them: read only, or read and write.

asyncssh takes a quarter of a second to import, so the modules that import it at their top (`opening`,
`host_keys`, `refusals`) are themselves imported when the first connection is opened, and by nobody else.
"""
