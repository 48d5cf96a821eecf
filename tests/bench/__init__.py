"""What it costs: `make bench` (`python -m tests.bench`). Its targets are those of the issue, on two cores."""
