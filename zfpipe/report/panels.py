"""The networks of Fig. 6 and the titles of their panels, lettered as in the paper."""

PANELS = (
    ("zfnet-unclipped", "(a) Ours, without clipping"),
    ("alexnet", "(b) AlexNet, our replication"),
    ("zfnet", "(c) Ours"),
)
"""Run and title; the paper's (d) and (e) are layer-2 projections."""
