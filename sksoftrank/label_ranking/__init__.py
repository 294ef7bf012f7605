"""Label ranking: predict the order of a set of labels for each row of features."""

from ._orders import ranks_from_orders
from ._rankers import DummyLabelRanker, SoftSpearmanLabelRanker
from ._rankings import LabelRankerMixin as LabelRankerMixin

__all__ = ["DummyLabelRanker", "SoftSpearmanLabelRanker", "ranks_from_orders"]
