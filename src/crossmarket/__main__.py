"""`python -m crossmarket` is the command `crossmarket`."""

from crossmarket.cli.main import run

if __name__ == "__main__":
    run()
