"""`python -m dictograph` is `dictograph`."""

from dictograph.cli.main import main

if __name__ == "__main__":
    main()
