"""Matplotlib, which is imported when something is drawn."""


def pyplot(caller):
    """The module matplotlib.pyplot, or an error that says who needs it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib; install it, for example by "
            f"'pip install matplotlib'."
        ) from error
    return plt
