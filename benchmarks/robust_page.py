"""What docs/benchmarks/robust.md says beside its tables."""

OPENING = """# Robust linear regression

Made by `python benchmarks/robust.py --data DIR --tuned --reference FILE --out
docs/benchmarks`; see `benchmarks/README.md`.

What a user takes from it:

- The default withstands 40 % of outliers at ten standard deviations, and 30 % of bad
  leverage points, as if they were not there. No other column does
  ([designs](#designs)).
- Outliers at three to five standard deviations are the hard case. `epsilon="auto"` is
  made for it ([automatic epsilon](#automatic-epsilon)). On tables whose law is not
  linear it may choose too small an epsilon, so it is not the default.
- Beside lmrob of R no design is worse than by a standard error, but for 1 to 6 % where
  outliers are far away or on both sides: the price of the fixed epsilon, which `"auto"`
  does not pay ([against lmrob](#against-lmrob)).
- Intervals hold what they promise, from ten rows on ([intervals](#intervals)).
- A tight cluster of a fifth of the rows or more is followed. A warning tells, nearly
  always up to 30 % of the rows and half of the times at 40 %, and the other fit is
  beside it ([other minima](#other-minima)).
- The price is the search for a start ([cost](#cost)) and some efficiency on good data
  ([epsilon](#epsilon)).

What you would take otherwise: `HuberRegressor` where errors have heavy tails but no row
is wrong as a whole (it is ahead on Cauchy errors, and often where only labels are
wrong), `RANSACRegressor` where the size of good residuals is known, `TheilSenRegressor`
for few features. Of bad leverage points only RANSAC withstands some, with few features.
"""

TARGETS = """
## Targets

What this project aims at, beside the tables above.

| what | aim |
| --- | --- |
| "auto", one-sided: 20 % at 4, 30 % at 4, 40 % at 6 | 1.5, 2.0, 1.4 |
| "auto", clean n = 100, clean n = 200 with p = 20, t3 | 1.04, 1.03, 0.75 |
| coverage of intervals of 95 % | 0.93 to 0.97 |
| clean rows flagged | 1 to 2.5 % |
| beside lmrob | in no design worse than by a standard error, or for a reason |
| tuned by cross-validation, beside the default | no R2 lower by more than 0.02 |
"""
