"""Plot files: the ending of the name says how a chart is written."""

from collections.abc import Callable, Mapping
from pathlib import Path

from app.charts.render import png, svg_document
from app.charts.vega import Spec
from app.command_line.dashboard_extra import require_dashboard_extra
from app.command_line.output_files import check_output_file, check_output_folder, writing
from app.errors import SettingsError

_WRITERS: Mapping[str, Callable[[Spec], bytes]] = {
    ".svg": lambda spec: svg_document(spec).encode(),
    ".png": png,
}
_ENDINGS = " or ".join(_WRITERS)


def check_plot_file(path: Path) -> None:
    """Raises SettingsError if no chart can be written to *path*, before anything is computed for it."""
    if path.suffix.lower() not in _WRITERS:
        raise SettingsError([f"--plot is {str(path)!r}: the name must end in {_ENDINGS}"])
    check_output_file("--plot", path)
    require_dashboard_extra("--plot")


def is_plot_folder(path: Path) -> bool:
    """True if charts go to files in the folder *path*, False if one goes to the file of that name.

    Raises:
        SettingsError: The name is neither that of a plot file nor that of a folder, or charts can't be drawn.
    """
    is_folder = path.is_dir() or not path.suffix
    if not is_folder and path.suffix.lower() not in _WRITERS:
        fault = f"the name of a file must end in {_ENDINGS}, and a new folder's name has no ending"
        raise SettingsError([f"--plot is {str(path)!r}: {fault}"])
    (check_output_folder if is_folder else check_output_file)("--plot", path)
    require_dashboard_extra("--plot")
    return is_folder


def write_plot(path: Path, spec: Spec) -> None:
    """Draws the chart, and writes it in the format of the name's ending."""
    drawn = _WRITERS[path.suffix.lower()](spec)
    with writing("--plot", path):
        path.write_bytes(drawn)
