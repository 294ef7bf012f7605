"""Progress of the linear robust regressors: lines of `verbose`, and callbacks."""

import numpy as np
import pytest
from contamination import contaminated
from numpy.testing import assert_array_equal

from sksoftrank import SoftLQSRegressor, SoftLTSRegressor, SoftLTSRegressorCV


def test_a_line_for_each_trim_and_fold(capsys):
    X, y, _ = contaminated()
    model = SoftLTSRegressorCV(
        epsilons=[1, 10], trims=[0.25, 0.5], cv=3, verbose=1, random_state=0
    ).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    # At once how large the search is, then the folds, then what is chosen.
    assert lines[0] == (
        "[SoftLTSRegressorCV] search: 2 epsilons x 2 trims x 3 folds of 150 rows and 3 "
        "features, 6 searches for a start and one for all rows"
    )
    folds = [(trim, fold) for trim in ("0.25", "0.5") for fold in (1, 2, 3)]
    scores = np.swapaxes(model.cv_scores_, 1, 2).reshape(6, 2)
    for line, (trim, fold), score in zip(lines[1:7], folds, scores, strict=True):
        best = [1, 10][score.argmax()]
        start = (
            f"[SoftLTSRegressorCV] trim {trim}, fold {fold} of 3: best epsilon {best},"
        )
        assert line.startswith(start)
        assert line.endswith(" s since the start")
    assert lines[7].startswith(f"[SoftLTSRegressorCV] trim {model.trim_:g}, epsilon")
    quiet = SoftLTSRegressorCV(
        epsilons=[1, 10], trims=[0.25, 0.5], cv=3, random_state=0, n_jobs=2
    ).fit(X, y)
    assert capsys.readouterr().out == ""
    assert_array_equal(quiet.cv_scores_, model.cv_scores_)


@pytest.mark.parametrize("cls", [SoftLTSRegressor, SoftLQSRegressor])
def test_the_size_of_the_search_comes_first(cls, capsys):
    X, y, _ = contaminated()
    cls(verbose=1, random_state=0).fit(X, y)
    first, start, *_, end = capsys.readouterr().out.splitlines()
    name = f"[{cls.__name__}] "
    assert first == f"{name}search: 150 rows, 4 coefficients, 77 rows to keep"
    assert start.startswith(f"{name}start: ")
    assert end.startswith(f"{name}end: ")


class Record:
    """Keeps the names of the tasks, and stops after some iterations."""

    def __init__(self, n_iterations=np.inf):
        self.names, self.scores, self.n_iterations = [], [], n_iterations

    def setup(self, estimator, context):
        """Nothing to set up."""

    def teardown(self, estimator, context):
        """Nothing to tear down."""

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.names.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X, y):
        return self.names.count("iteration") >= self.n_iterations


class Score(Record):
    """Keeps the scores after each task, too."""

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.scores.append(fitted_estimator.score(X, y))


@pytest.fixture
def callbacks():
    return pytest.importorskip("sklearn.callback", reason="none in this scikit-learn")


@pytest.mark.usefixtures("callbacks")
def test_callbacks():
    X, y, _ = contaminated(distance=4)
    record = Score()
    model = SoftLTSRegressor(epsilon=3, random_state=0).set_callbacks(record).fit(X, y)
    assert record.names[:2] == ["fit", "search"]
    assert set(record.names[2:]) == {"iteration"}
    assert len(record.scores) == len(record.names)
    assert record.scores[-1] == model.score(X, y)
    assert record.scores[1] == pytest.approx(record.scores[-1], abs=0.1)
    stopped = Record(n_iterations=2)
    early = SoftLTSRegressor(epsilon=3, random_state=0).set_callbacks(stopped)
    early.fit(X, y)
    assert stopped.names.count("iteration") == 2
    assert early.n_iter_ < model.n_iter_
    assert_array_equal(
        SoftLTSRegressor(epsilon=3, random_state=0).fit(X, y).coef_, model.coef_
    )


@pytest.mark.usefixtures("callbacks")
def test_callbacks_of_the_others():
    X, y, _ = contaminated()
    record = Record()
    model = SoftLQSRegressor(random_state=0).set_callbacks(record).fit(X, y)
    assert record.names[:2] == ["fit", "search"]
    assert set(record.names[2:]) == {"iteration"}
    stopped = Record(n_iterations=2)
    early = SoftLQSRegressor(random_state=0).set_callbacks(stopped).fit(X, y)
    assert stopped.names == record.names[:4]
    assert early.n_iter_ < model.n_iter_
    assert early.objective_ > model.objective_
    record = Score()
    hard = SoftLQSRegressor(epsilon=0, random_state=0).set_callbacks(record).fit(X, y)
    assert record.names == ["fit", "search", "hard search"]
    assert record.scores[1] == hard.score(X, y)
    record = Record()
    search = SoftLTSRegressorCV(epsilons=[1, 10], trims=[0.3, 0.5], cv=3)
    search.set_callbacks(record).fit(X, y)
    assert record.names == ["fit"] + ["fold"] * 6
