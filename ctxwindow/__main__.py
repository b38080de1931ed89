"""`python -m ctxwindow` is the command line."""

from ctxwindow.cli import main

if __name__ == "__main__":
    main()
