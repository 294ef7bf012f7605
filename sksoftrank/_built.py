"""Says what is wrong where the sources are imported, which lack what is compiled."""

from importlib.util import find_spec
from pathlib import Path

if find_spec("sksoftrank._isotonic") is None:
    raise ImportError(
        f"sksoftrank must be compiled, got its sources in {Path(__file__).parent}: run "
        "Python in another folder, where it finds the installed package, or compile it "
        "here by `pip install --editable .`."
    )
