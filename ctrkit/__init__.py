"""ctrkit: click-through-rate prediction in pure PyTorch, raw logs in, served models out.

Shape symbols used throughout: ``B`` rows of a batch, ``F`` fields, ``S`` id columns (one per
field, more for multi-valued ones), ``V`` value columns, ``D`` embedding width, ``L`` layers.

Importing ctrkit does no work; take what you need from ``ctrkit.data``, ``ctrkit.models``,
``ctrkit.training`` and ``ctrkit.runs``.
"""

__version__ = "0.1.0"
