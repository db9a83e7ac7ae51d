"""What a command says when it fails."""

from ctrkit.cli import main


def error_of(words: list[str], capsys) -> str:
    """Run a command that must fail, and return the one line it says."""
    try:
        status = main(words)
    except SystemExit as leave:
        status = int(leave.code or 0)
    error = capsys.readouterr().err.strip()
    assert status != 0, "the command must fail"
    assert "Traceback" not in error
    return error.splitlines()[-1]
