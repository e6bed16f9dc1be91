"""The figures of docs/performance.md: `python -m bench` measures, saves and shows them."""
