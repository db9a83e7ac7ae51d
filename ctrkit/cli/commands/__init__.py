"""The commands, one file each, with ``add_to`` and ``run``."""
