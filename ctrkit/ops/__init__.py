"""Operations of models, each with a short gradient of its own."""

from ctrkit.ops.complex_plane import normalised, on_circles, polar, polar_on_circles, rectangular
from ctrkit.ops.dropout import drawing_from, dropout
from ctrkit.ops.mixed_products import mixed_products
from ctrkit.ops.tracing import is_tracing
